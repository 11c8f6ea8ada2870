"""SSH as in production: a throw-away user key, and host keys made before the boot so that they can be checked."""

from pathlib import Path

from lab.base.lookalike import USER
from lab.claims import HostClaim
from lab.command import run

USER_KEY = "id_ed25519"
KNOWN_HOSTS = "known_hosts"
SSH_CONFIG = "ssh_config"


def make_key(path: Path, comment: str) -> str:
    """The public half of the ed25519 key at `path`, made when it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
    return path.with_suffix(".pub").read_text(encoding="ascii")


def write_known_hosts(state: Path, hosts: list[HostClaim]) -> None:
    """Write the host key of every host of the lab, under its name and its address."""
    lines = []
    for host in hosts:
        kind, key, *_ = (host.folder / "host_key.pub").read_text(encoding="ascii").split()
        lines.append(f"{host.name},{host.address} {kind} {key}\n")
    (state / KNOWN_HOSTS).write_text("".join(lines), encoding="ascii")


def write_ssh_config(state: Path, hosts: list[HostClaim]) -> None:
    """Write the file that makes `ssh -F .lab/ssh_config NAME` work."""
    blocks = [_ssh_config_block(state, host) for host in hosts]
    (state / SSH_CONFIG).write_text("\n".join(blocks), encoding="utf-8")


def ssh_options(state: Path) -> dict[str, str]:
    """What every SSH client of the lab is told, so that only the lab's own keys count."""
    return {
        "UserKnownHostsFile": str(state / KNOWN_HOSTS),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "HostKeyAlgorithms": "ssh-ed25519",
        "IdentitiesOnly": "yes",
    }


def _ssh_config_block(state: Path, host: HostClaim) -> str:
    settings = {"HostName": host.address, "User": USER, "IdentityFile": str(state / USER_KEY), **ssh_options(state)}
    return f"Host {host.name}\n" + "".join(f"    {key} {value}\n" for key, value in settings.items())
