"""Commands in a host over SSH, the way everything else reaches it."""

from pathlib import Path

from lab.claims import HostClaim
from lab.command import run
from lab.keys import SSH_CONFIG

SETTLES_WITHIN_SECONDS = 120


def execute(state: Path, name: str, command: str, timeout_seconds: float = 60) -> str:
    """Run a shell command in the host as its user; returns its output, LabError when it fails."""
    return run("ssh", "-F", state / SSH_CONFIG, "-o", "BatchMode=yes", name, command, timeout_seconds=timeout_seconds)


def settle(state: Path, host: HostClaim, *, trust_exchange: bool) -> str:
    """Wait until systemd has started what it wants to start; returns its word for that, such as `running`."""
    trust = "sudo update-ca-certificates >/dev/null 2>&1 && " if trust_exchange else ""
    command = f"{trust}{{ systemctl is-system-running --wait || true; }}"
    return execute(state, host.name, command, SETTLES_WITHIN_SECONDS).strip()
