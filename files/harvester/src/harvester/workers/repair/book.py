"""What was repaired of a notebook: `repairs.jsonl`, and a numbered copy of what was there before each repair."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.files import make_directory, write_new
from harvester.workers.reports import Report, append_line

DAY_NS = 86_400 * NS_PER_SECOND


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class RepairBook:
    """The file and its copies in one folder. Its functions raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / "repairs.jsonl"

    def entries(self) -> list[dict[str, Any]]:
        """Every line that is whole, the oldest first."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [found for line in lines if (found := _parsed(line))]

    def begin(self, report: Report, kind: str, before: bytes, after: bytes, notebook: str, now_ns: int) -> None:
        """Keep a copy, then note what is about to be done."""
        make_directory(self._folder)
        number = 1 + max((entry["backup"] for entry in self.entries() if "backup" in entry), default=0)
        copy = self.copy(notebook, number)
        if copy.exists():  # a crash came before its line
            copy.unlink()
        write_new(copy, before)
        self._add(
            "begun", report, kind, now_ns, backup=number, notebook=notebook, before=digest(before), after=digest(after)
        )

    def end(self, report: Report, kind: str, now_ns: int, *, patched: bool, restart: bool) -> None:
        """Note once how a report ended, in the words of the users' document."""
        if not any(entry["state"] == "done" for entry in self._of(report.id)):
            self._add("done", report, kind, now_ns, patch_applied=patched, restart_sent=restart)

    def undone(self, number: int, now_ns: int) -> None:
        append_line(self._path, {"state": "undone", "backup": number, "timestamp": _iso(now_ns)})

    def begun_for(self, report_id: str) -> dict[str, Any] | None:
        """What was begun for a report."""
        return next((entry for entry in self._of(report_id) if entry["state"] == "begun"), None)

    def _of(self, report_id: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries() if entry.get("id") == report_id]

    def count(self, kind: str, now_ns: int) -> int:
        """Repairs of a kind that were begun in the last 24 hours."""
        return sum(
            entry["state"] == "begun" and entry["error_type"] == kind and abs(now_ns - entry["at_ns"]) < DAY_NS
            for entry in self.entries()
        )

    def last(self) -> dict[str, Any] | None:
        """The newest repair that was not undone."""
        undone = {entry["backup"] for entry in self.entries() if entry["state"] == "undone"}
        begun = [entry for entry in self.entries() if entry["state"] == "begun" and entry["backup"] not in undone]
        return begun[-1] if begun else None

    def copy(self, notebook: str, number: int) -> Path:
        return self._folder / f"{notebook}.backup.{number}"

    def _add(self, state: str, report: Report, kind: str, now_ns: int, **more: Any) -> None:
        make_directory(self._folder)
        fields = {
            "timestamp": _iso(now_ns),
            "state": state,
            "notebook_id": report.notebook_id,
            "error_type": kind,
            "error_message": report.error_message[:400],
            "iteration": report.iteration,
            "id": report.id,
            "at_ns": now_ns,
        }
        append_line(self._path, fields | more)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(line or b"null")
    except ValueError:  # torn by a crash
        return None
    return fields if isinstance(fields, dict) and "state" in fields else None


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS_PER_SECOND, UTC).isoformat()
