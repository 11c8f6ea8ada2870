"""Error reports of a worker: what one is, its identity, and the log of those that came, whichever door they came by."""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.base.redaction import redact
from harvester.workers.status import read_time

MAX_BYTES = 64 * 1024
TEXTS = {"notebook_id": 200, "error_type": 200, "error_message": 4_000, "stacktrace": 16_000}
"""Fields that are text, and how many characters of each are kept."""
KEPT_DAYS = 30


class Report(NamedTuple):
    """`id` is of the content: the same report by two doors is one."""

    id: str
    notebook_id: str
    error_type: str
    error_message: str
    stacktrace: str
    iteration: float | None
    timestamp: str

    def at_ns(self, now_ns: int, zone: str) -> int:
        """When it happened, as far as that can be believed; a time without a zone is one of `zone`."""
        at_ns, _ = read_time(self.timestamp, zone)
        return now_ns if at_ns is None or at_ns > now_ns else at_ns


def parse_report(data: bytes) -> Report:
    """A report. Raises ValueError, whose text says what is wrong and quotes nothing of it."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"a report has at most {MAX_BYTES // 1024} KiB")
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("a report is a JSON object") from None
    if not isinstance(fields, dict):
        raise ValueError("a report is a JSON object")
    for name in TEXTS:
        if not isinstance(fields.get(name, ""), str):
            raise ValueError(f"{name} must be text")
    if not fields.get("error_type", "").strip() and not fields.get("error_message", "").strip():
        raise ValueError("a report must have error_type or error_message")
    iteration = fields.get("iteration")
    if iteration is not None and (isinstance(iteration, bool) or not isinstance(iteration, int | float)):
        raise ValueError("iteration must be a number")
    if abs(iteration or 0) > 1e15 or iteration != iteration:
        raise ValueError("iteration must be a number")
    texts = {name: _clean(fields.get(name, ""), length) for name, length in TEXTS.items()}
    kept: dict[str, Any] = texts | {"iteration": iteration, "timestamp": _clean(str(fields.get("timestamp") or ""), 64)}
    content = json.dumps(kept, sort_keys=True, ensure_ascii=True).encode()
    return Report(hashlib.sha256(content).hexdigest()[:32], **kept)


def inbox_of(data_dir: Path, worker: str) -> Path:
    """Where the door of this machine puts the reports of a worker, one file each."""
    return data_dir / worker / "inbox"


def _clean(text: str, length: int) -> str:
    """Without what no terminal and no log should meet; lines and tabs stay."""
    return "".join(letter for letter in text[:length] if letter.isprintable() or letter in "\n\t")


class ErrorLog:
    """`errors_YYYY-MM-DD.jsonl` of a folder, one for each day in India."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, report: Report, door: str, now_ns: int) -> None:
        """Note that it came, once. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        path = self._path(now_ns)
        day_before = self._path(now_ns - 86_400 * NS_PER_SECOND)
        if any(_holds(each, report.id) for each in (path, day_before)):
            return
        received = datetime.fromtimestamp(now_ns // NS_PER_SECOND, UTC).isoformat()
        append_line(path, report._asdict() | {"received_at": received, "door": door})
        oldest = self._path(now_ns - KEPT_DAYS * 86_400 * NS_PER_SECOND).name
        for old in self._folder.glob("errors_*.jsonl"):
            if old.name < oldest:
                old.unlink(missing_ok=True)

    def _path(self, at_ns: int) -> Path:
        return self._folder / f"errors_{to_local(at_ns).date().isoformat()}.jsonl"


def _holds(path: Path, report_id: str) -> bool:
    """Whether a line of the file has this id. A line that is torn has none."""
    wanted = f'"id": "{report_id}"'.encode()
    try:
        with path.open("rb") as file:
            return any(wanted in line and line.endswith(b"\n") for line in file)
    except FileNotFoundError:
        return False


def append_line(path: Path, fields: dict[str, Any]) -> None:
    """Add a JSON line, durably; what a crash tore before it stays a line of its own. Raises OSError."""
    line = redact(json.dumps(fields)).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
