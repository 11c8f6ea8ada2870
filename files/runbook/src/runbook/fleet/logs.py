"""logs: the journal of the harvester's units on the hosts, once or as it grows."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

from harvester.base.errors import HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import REFUSED, SshConnection, UnreachableError

UNITS = "harvester-*"


def command(unit: str | None, lines: int, since: str | None, *, follow: bool) -> list[str]:
    """The journalctl command that a host runs; `unit` may be a pattern, `since` anything that systemd reads."""
    words = ["sudo", "-n", "journalctl", "--no-pager", "--output", "short-iso", "--unit", unit or UNITS]
    words += ["--lines", str(lines)] if not since else ["--since", since]
    return [*words, "--follow"] if follow else words


def show(hosts: Sequence[Host], words: Sequence[str], *, follow: bool) -> None:
    """Print the journals; those of several hosts have the host's name in front of each line.

    UnreachableError or HarvesterError when a host fails.
    """
    if len(hosts) == 1:
        done = subprocess.run(SshConnection(hosts[0]).argv(words), stdin=subprocess.DEVNULL, check=False)
        _check(hosts[0], done.returncode)
        return
    started = [(host, SshConnection(host).start(words)) for host in hosts]
    readers = []
    for host, process in started:
        if process.stdout:
            readers.append(threading.Thread(target=_prefix, args=(host.name, process.stdout), daemon=True))
            readers[-1].start()
            if not follow:
                readers[-1].join()
    for host, process in started:
        _check(host, process.wait())


def _prefix(name: str, stream: IO[bytes]) -> None:
    for line in iter(stream.readline, b""):
        sys.stdout.write(f"{name}: {line.decode(errors='replace')}")
        sys.stdout.flush()


def _check(host: Host, code: int) -> None:
    if code == REFUSED:
        raise UnreachableError(f"Cannot read the journal of {host.name}: see above. Run `./inv doctor`.")
    if code > 0:
        raise HarvesterError(
            f"journalctl on {host.name} ended with {code}: see above. The login user needs sudo without a password."
        )
