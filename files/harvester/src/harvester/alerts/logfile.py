"""The log of the alerts: `alerts_YYYY-MM-DD.log`, a file a market day, kept for seven days."""

import contextlib
import os
import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from harvester.alerts.message import Severity
from harvester.base.files import write_all
from harvester.base.market import to_local

KEPT_DAYS = 7
NAME = re.compile(r"alerts_(\d{4}-\d{2}-\d{2})\.log")
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def log_line(severity: Severity, source: str, text: str, wall_ns: int) -> str:
    """`[YYYY-MM-DD HH:MM:SS] [WARNING ] [source] text`, in one line and with market time."""
    return f"[{to_local(wall_ns):%Y-%m-%d %H:%M:%S}] [{severity.name:<8}] [{source}] {' '.join(text.split())}"


def append(folder: Path, lines: Sequence[str], wall_ns: int) -> None:
    """Write to the day's file, and remove those that are too old. Raises OSError."""
    today = to_local(wall_ns).date()
    if lines:
        descriptor = os.open(folder / f"alerts_{today}.log", APPEND, 0o640)
        try:
            write_all(descriptor, "".join(f"{line}\n" for line in lines).encode())
        finally:
            os.close(descriptor)
    for path in folder.iterdir():
        if (found := NAME.fullmatch(path.name)) and _is_old(found[1], today):
            path.unlink(missing_ok=True)


def _is_old(day: str, today: date) -> bool:
    with contextlib.suppress(ValueError):
        return date.fromisoformat(day) <= today - timedelta(days=KEPT_DAYS)
    return False
