"""Control records about the clock: that the broker's Date header contradicts it, and what chrony measures."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from harvester.base.clock import NS_PER_SECOND
from harvester.base.monitors import ClockMonitor, FileMonitor

log = structlog.get_logger()
TAIL_BYTES = 512
"""Longer than two lines of the log."""
FIELDS = 14
REFERENCE, STRATUM, OFFSET, MAX_ERROR = 2, 3, 6, 13
"""Places in a line of chrony's tracking log (chrony.conf manual, "log tracking")."""


class ClockNotes:
    """Control records of type "clock", each as soon as there is news."""

    def __init__(self, watch: ClockMonitor, chrony_log: Path) -> None:
        self._watch = watch
        self._was_off = False
        self._chrony_log = chrony_log
        self._chrony_file = FileMonitor(chrony_log)
        self._measured: dict[str, Any] | None = None

    def take(self) -> list[dict[str, Any]]:
        """What is new since the last call."""
        notes = []
        if self._watch.is_off != self._was_off:
            self._was_off = self._watch.is_off
            notes.append({"type": "clock", "offset_ns": self._watch.offset_ns, "off": self._was_off})
            log.error("clock_is_off" if self._was_off else "clock_is_right", offset_ns=self._watch.offset_ns)
        measured = read_last(self._chrony_log) if self._chrony_file.has_changed() else None
        if measured and measured != self._measured:
            self._measured = measured
            notes.append({"type": "clock", "source": "chrony", **measured})
        return notes


def read_last(path: Path) -> dict[str, Any] | None:
    """The newest whole line of chrony's tracking log; None when it has none, or none that can be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            tail = file.read()
    except OSError:
        return None
    lines = tail[: tail.rfind(b"\n") + 1].decode("ascii", "replace").splitlines()
    return parse_line(lines[-1]) if lines else None


def parse_line(line: str) -> dict[str, Any] | None:
    """`offset_ns` has the sign that chrony gives it, `error_ns` is its bound of the error; None for another line."""
    fields = line.split()
    if len(fields) < FIELDS:
        return None
    try:
        measured = datetime.fromisoformat(f"{fields[0]}T{fields[1]}").replace(tzinfo=UTC)
        return {
            "measured_ns": int(measured.timestamp()) * NS_PER_SECOND,
            "reference": fields[REFERENCE],
            "stratum": int(fields[STRATUM]),
            "offset_ns": round(float(fields[OFFSET]) * NS_PER_SECOND),
            "error_ns": round(float(fields[MAX_ERROR]) * NS_PER_SECOND),
        }
    except (ValueError, OverflowError):
        return None
