"""pull-data --so-far: what hosts have of today, each in a folder of its own here, never among the closed days."""

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harvester.base.files import make_directory
from harvester.lake.layout import SO_FAR_NAME
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import RemoteError, SshConnection
from runbook.fleet.status import PROGRAM
from runbook.pull.plan import Selection
from runbook.pull.pull import Problem, pull
from runbook.pull.rsync import SshTransport
from runbook.pull.store import FOLDER_MODE, LocalStore
from runbook.pull.transport import Progress

FOLDER = "so-far"
"""Below the store: a folder for each host."""
LEAST = ("nice", "-n", "19", "ionice", "-c", "3", "choom", "-n", "600", "--")
"""Before the command on the host: never at the cost of capture, neither of processor, disk nor memory."""
SECONDS = 7_200
"""A day of thousands of symbols takes many minutes."""


@dataclass(frozen=True)
class SoFar:
    """What one host gave. `said` is its own sentence; `folder` is here, None where there is nothing or it failed."""

    host: str
    said: str = ""
    folder: Path | None = None
    problems: tuple[Problem, ...] = ()


def pull_so_far(hosts: Sequence[Host], store: LocalStore, progress: Progress | None = None) -> list[SoFar]:
    """Have each host write its tables so far, bring them, and remove them there. A host that fails is a problem.

    What came of a host before is replaced by what comes whole. Raises HarvesterError where the store cannot be written,
    or another process brings today's tables into it.
    """
    with LocalStore(store.root / FOLDER).locked():
        return [_pull_host(host, store, progress) for host in hosts]


def _pull_host(host: Host, store: LocalStore, progress: Progress | None) -> SoFar:
    there = f"/var/tmp/harvester-so-far-{secrets.token_hex(8)}"  # noqa: S108  # nobody can have guessed it
    connection = SshConnection(host)
    try:
        said = _ask(connection, [*LEAST, PROGRAM, "so-far", "--output", there])
        if connection.run(["sudo", "-n", "test", "-d", there]).returncode:
            return SoFar(host.name, said)
        try:
            return _bring(host, there, said, store, progress)
        finally:
            connection.run(["sudo", "-n", "rm", "-r", there])
    except RemoteError as error:
        return SoFar(host.name, problems=(Problem(host.name, "", str(error)),))


def _ask(connection: SshConnection, command: Sequence[str]) -> str:
    """Run a command on the host as the user who owns the lake; what it says. Raises RemoteError."""
    as_owner = ["sudo", "-n", "runuser", "-u", "harvester-close", "-g", "harvester", "--", *command]
    done = connection.run(as_owner, timeout_seconds=SECONDS)
    said = " ".join((done.stderr if done.returncode else done.stdout).decode(errors="replace").split())
    if done.returncode:
        raise RemoteError(f"the tables so far could not be made there ({said[:300] or 'no message'}).")
    return said


def _bring(host: Host, there: str, said: str, store: LocalStore, progress: Progress | None) -> SoFar:
    folder = store.root / FOLDER / host.name
    coming = LocalStore(folder.with_name(f".{host.name}"))
    if coming.root.exists():
        shutil.rmtree(coming.root)
    make_directory(coming.root, FOLDER_MODE)
    [result] = pull([partial(SshTransport, host, there)], coming, Selection(), progress)
    mark = SshConnection(host).run(["sudo", "-n", "cat", f"{there}/{SO_FAR_NAME}"])
    if mark.returncode:
        why = " ".join(mark.stderr.decode(errors="replace").split())[-300:]
        lacks = f"it cannot be read there ({why}), so until when the tables go is not known. Run it again."
        result.problems.append(Problem(host.name, SO_FAR_NAME, lacks))
    if result.problems:
        return SoFar(host.name, said, problems=tuple(result.problems))
    (coming.lake / SO_FAR_NAME).write_bytes(mark.stdout)
    if folder.exists():
        shutil.rmtree(folder)
    coming.lake.rename(folder)
    shutil.rmtree(coming.root)
    return SoFar(host.name, said, folder)
