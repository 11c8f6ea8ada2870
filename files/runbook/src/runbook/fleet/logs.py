"""logs: the journal of the harvester's units on the hosts, once or as it grows."""

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import IO

from harvester.base.errors import HarvesterError
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import NO_SUDO, REFUSED, SshConnection
from runbook.fleet.turns import in_turn, raise_all

Started = list[tuple[Host, subprocess.Popen[bytes]]]
"""Commands that run on hosts."""
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

    HarvesterError when a host fails, with what it said; the others' are printed all the same.
    """
    if len(hosts) == 1:
        argv = SshConnection(hosts[0]).argv(words)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        _check(hosts[0], done.returncode, done.stderr)
        return
    started: Started = []
    failed = in_turn(hosts, lambda host: started.append((host, SshConnection(host).start(words))))
    if follow:
        _tell(failed)
    try:
        for error in _print(started, side_by_side=follow):
            if not str(error):  # nobody reads on
                raise error
            failed.append(error)
            if follow:
                _tell([error])  # at once: the others may go on for hours
    finally:
        for _, process in started:
            process.terminate()
            process.wait()
    if failed and follow:
        raise HarvesterError("not every journal could be followed; see above.")
    raise_all(failed)


def _print(started: Started, *, side_by_side: bool) -> Iterator[HarvesterError]:
    """Print what the hosts say, and yield what fails as soon as it does: with an empty message, the output's reader."""
    ended = SimpleQueue[HarvesterError | None]()
    for host, process in started:
        reader = threading.Thread(target=_read, args=(host, process, ended), daemon=True)
        reader.start()
        if not side_by_side:
            reader.join()
    for _ in started:
        if error := ended.get():
            yield error


def _tell(failed: Iterable[HarvesterError]) -> None:
    for error in failed:
        print(error, file=sys.stderr, flush=True)


def _read(host: Host, process: subprocess.Popen[bytes], ended: "SimpleQueue[HarvesterError | None]") -> None:
    """Print what a host says until its command ends, and put how it ended: None is well."""
    error = None
    try:
        if process.stdout:
            _prefix(host.name, process.stdout)
        said = process.stderr.read() if process.stderr else b""
        _check(host, process.wait(), said)
    except HarvesterError as caught:
        error = caught
    finally:
        ended.put(error)


def _prefix(name: str, stream: IO[bytes]) -> None:
    for line in iter(stream.readline, b""):
        try:
            sys.stdout.write(f"{name}: {line.decode(errors='replace')}")
            sys.stdout.flush()
        except BrokenPipeError as gone:
            raise HarvesterError("") from gone


def _check(host: Host, code: int, said: bytes) -> None:
    if code == REFUSED:
        raise SshConnection(host).refusal(said)
    text = (said.decode(errors="replace").strip().splitlines() or ["without a message"])[-1].rstrip(". ")
    if code > 0:
        remedy = next((remedy for mark, remedy in REMEDIES if mark in text), "Correct that and run the command again.")
        raise HarvesterError(f"journalctl on {host.name} ended with {code}: {text}. {remedy}")
