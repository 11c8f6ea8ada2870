"""Units of a host: started over SSH, and waited for, without a connection that must last as long as they run."""

import time
from collections.abc import Callable

from harvester.base.errors import HarvesterError
from runbook.fleet.ssh import SshConnection

POLL_SECONDS = 3.0
SECONDS = 60.0
BUSY = ("active", "activating", "reloading", "deactivating")


def start(connection: SshConnection, unit: str) -> None:
    """Start a unit, and return as soon as it has begun, or runs already. Raises HarvesterError where it does not."""
    before = _show(connection, unit, "InvocationID")
    done = connection.run(["sudo", "-n", "systemctl", "start", "--no-block", unit], timeout_seconds=SECONDS)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split()).rstrip(".")
        raise HarvesterError(f"{connection.host.name}: {unit} cannot be started: {said}. Is this release there?")
    deadline = time.monotonic() + SECONDS
    while state(connection, unit)[0] not in BUSY and _show(connection, unit, "InvocationID") == before:
        if time.monotonic() > deadline:
            raise HarvesterError(
                f"{connection.host.name}: {unit} has not begun within {SECONDS:.0f} s; it may wait for another one,"
                " such as the close. Look again later."
            )
        time.sleep(POLL_SECONDS / 10)


def state(connection: SshConnection, unit: str) -> tuple[str, str]:
    """Its ActiveState, and the Result of its last run. Raises HarvesterError."""
    return _show(connection, unit, "ActiveState"), _show(connection, unit, "Result")


def _show(connection: SshConnection, unit: str, name: str) -> str:
    done = connection.run(["systemctl", "show", f"--property={name}", "--value", "--", unit], timeout_seconds=SECONDS)
    if done.returncode:
        raise HarvesterError(f"{connection.host.name}: systemd there says nothing of {unit}.")
    return done.stdout.decode(errors="replace").strip()


def wait_while(is_busy: Callable[[], bool], sleep: Callable[[float], None] = time.sleep) -> None:
    """Return when something is busy no more; it is asked every few seconds."""
    while is_busy():
        sleep(POLL_SECONDS)
