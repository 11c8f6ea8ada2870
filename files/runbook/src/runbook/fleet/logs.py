"""logs: the journal of the harvester's units on the hosts, once or as it grows."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

from harvester.base.errors import HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import NO_SUDO, REFUSED, SshConnection

UNITS = "harvester-*"
APPLICATION = (
    "COM_DOCKER_COMPOSE_PROJECT=market-app",
    "+",
    "_SYSTEMD_UNIT=market-app.service",
    "+",
    "UNIT=market-app.service",
)
"""Its containers by the label that Compose gives them, its unit, and what systemd says of that."""
REMEDIES = (
    ("timestamp", "Write --since as systemd reads times: «today», «-1h», «2026-11-20 09:15»."),
    ("sudo", NO_SUDO),
)
"""By what journalctl or sudo says."""


def command(unit: str | None, lines: int, since: str | None, *, follow: bool, application: bool = False) -> list[str]:
    """The journalctl command that a host runs; `unit` may be a pattern, `since` anything that systemd reads."""
    words = ["sudo", "-n", "journalctl", "--no-pager", "--output", "short-iso"]
    words += list(APPLICATION) if application else ["--unit", unit or UNITS]
    words += ["--lines", str(lines)] if not since else ["--since", since]
    return [*words, "--follow"] if follow else words


def show(hosts: Sequence[Host], words: Sequence[str], *, follow: bool) -> None:
    """Print the journals; those of several hosts have the host's name in front of each line.

    HarvesterError when a host fails, with what it said.
    """
    if len(hosts) == 1:
        argv = SshConnection(hosts[0]).argv(words)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        _check(hosts[0], done.returncode, done.stderr)
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
        said = process.stderr.read() if process.stderr else b""
        _check(host, process.wait(), said)


def _prefix(name: str, stream: IO[bytes]) -> None:
    for line in iter(stream.readline, b""):
        sys.stdout.write(f"{name}: {line.decode(errors='replace')}")
        sys.stdout.flush()


def _check(host: Host, code: int, said: bytes) -> None:
    if code == REFUSED:
        raise SshConnection(host).refusal(said)
    text = (said.decode(errors="replace").strip().splitlines() or ["without a message"])[-1].rstrip(". ")
    if code > 0:
        remedy = next((remedy for mark, remedy in REMEDIES if mark in text), "Correct that and run the command again.")
        raise HarvesterError(f"journalctl on {host.name} ended with {code}: {text}. {remedy}")
