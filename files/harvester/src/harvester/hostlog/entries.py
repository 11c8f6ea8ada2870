"""What journald has, read by journalctl from where the last run ended."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

from harvester.base.errors import HarvesterError

CURSOR = re.compile(r"s=[0-9a-f]{32};i=[0-9a-f]+;b=[0-9a-f]{32};m=[0-9a-f]+;t=[0-9a-f]+;x=[0-9a-f]+\Z")
"""A place in journald's log, as journalctl takes it; it finds the nearest entry where that one is gone."""
FIELDS = "MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,_PID"
MOST_CHARACTERS = 40_000
"""Of a message: as JSON at most 240,000 bytes, so that an event stays below CloudWatch's older limit of 256 KiB.

journald itself cuts a line of a service's output at 48 KiB (journald.conf(5), LineMax).
"""


class Entry(NamedTuple):
    """One entry: its place, its time in ms since 1970 UTC by the host's clock, and its text, a JSON object."""

    cursor: str
    time_ms: int
    text: str


def read_entries(cursor: str | None) -> Iterator[Entry]:
    """Entries after `cursor`, in journald's order; without one those of the last day. Raises HarvesterError.

    journalctl ends with the generator, which holds one line of it at a time. (It has no --boot: to know the boot's id
    it would need /proc/sys, which the unit's sandbox hides.)
    """
    since = f"--after-cursor={cursor}" if cursor else "--since=-1d"
    argv = ["journalctl", "--quiet", "--no-pager", "--all", "--output=json", f"--output-fields={FIELDS}", since]
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise HarvesterError(
            f"journalctl cannot be started ({error.strerror}). The log of a host is read with it, which is systemd's."
        ) from error
    with process:
        try:
            yield from map(_parse, process.stdout or ())
            said = (process.stderr.read() if process.stderr else b"").decode(errors="replace").splitlines()
            if process.wait():
                raise HarvesterError(
                    f"journalctl ended with {process.returncode}: {said[-1] if said else 'without a word'}."
                    " Correct that on the host; the next minute reads on from the same place."
                )
        finally:
            process.kill()


def _parse(line: bytes) -> Entry:
    try:
        said = json.loads(line)
        cursor, time_us = str(said["__CURSOR"]), int(said["__REALTIME_TIMESTAMP"])
    except (ValueError, KeyError, TypeError) as error:
        raise HarvesterError(
            f"journalctl wrote a line that is no entry ({error!r}). The next minute reads it again; if it stays, on"
            " the host: sudo journalctl --verify names the damaged file; move it away."
        ) from error
    unit = _text(said.get("_SYSTEMD_UNIT") or said.get("SYSLOG_IDENTIFIER") or "")
    words = {"unit": unit, "priority": _number(said.get("PRIORITY")), "pid": _number(said.get("_PID"))}
    message = _text(said.get("MESSAGE") or "")
    if (more := len(message) - MOST_CHARACTERS) > 0:
        message = f"{message[:MOST_CHARACTERS]} [cut: {more} more characters are on the host]"
    known = {key: value for key, value in words.items() if value not in (None, "")}
    return Entry(cursor, time_us // 1000, json.dumps({**known, "message": message}, ensure_ascii=False))


def _text(value: Any) -> str:
    """A field's text: journalctl gives bytes that are no UTF-8 as numbers, a field that is there twice as a list."""
    if isinstance(value, list):
        if value and all(isinstance(each, int) for each in value):
            return bytes(value).decode(errors="replace")
        return " ".join(map(_text, value))
    return "" if value is None else str(value)


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() else None
