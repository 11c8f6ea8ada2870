"""The record of each run: when it began and ended, how, what proves it. A folder a job, a file a day, a line a run.

`<data_dir>/jobs/<name>/2026-12-01.jsonl`, the market day on which the run began. `running.json` beside them is there
while a run is under way; what is left of it by a run that died becomes its record.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file, sync_directory, write_all
from harvester.base.market import to_local
from harvester.base.redaction import redact

log = structlog.get_logger()
JOBS = "jobs"
"""Folder of all records in data_dir."""
SINCE, RUNNING, ASKED = "since", "running.json", "asked-for"
ASKED_NS = 600 * NS_PER_SECOND
"""The start follows at once. Of one that was refused, or joined a run under way, the note stays, and counts no more."""
KEPT_DAYS = 62
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
MOST_CAUSE, MOST_PROOF = 600, 200
Result = Literal["ok", "failed", "timeout", "unproven", "killed", "interrupted"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times are wall ns. `cause`: why it is not ok. `invocation`: systemd's id of the run."""

    job: str
    began_ns: int
    ended_ns: int
    result: Result
    proof: str = ""
    cause: str = ""
    invocation: str = ""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has not ended."""

    job: str
    began_ns: int
    invocation: str = ""

    def end(self, ended_ns: int, result: Result, *, cause: str = "", proof: str = "") -> Record:
        """Its record, without any secret that this process knows."""
        return Record(
            job=self.job,
            began_ns=self.began_ns,
            ended_ns=ended_ns,
            result=result,
            proof=redact(proof)[:MOST_PROOF],
            cause=redact(cause)[:MOST_CAUSE],
            invocation=self.invocation,
        )


class Records:
    """The folder of one job."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the job for this run. Raises HarvesterError while another process runs it, and OSError.

        The kernel lets go of it with the process, so a run that died is in nobody's way.
        """
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HarvesterError(
                    f"{self._folder.name}: another run of this job is at work. Nothing was done twice; run the command"
                    " again when that one has ended."
                ) from None
            yield
        finally:
            os.close(descriptor)

    def begin(self, running: Running) -> None:
        """Note that a run begins; one before it that never ended gets its record. Raises OSError."""
        left = self.running()
        if left is not None:
            self.append(left.end(running.began_ns, "interrupted", cause="the host or the run ended without a word"))
        replace_file(self._folder / RUNNING, msgspec.json.encode(running), 0o640)

    def append(self, record: Record) -> None:
        """Write a record durably; then nothing runs any more. Files that are too old go. Raises OSError."""
        path = self._folder / f"{to_local(record.began_ns).date()}.jsonl"
        descriptor = os.open(path, APPEND, 0o640)
        try:
            # A line that a power cut tore must not take this one with it.
            torn = os.fstat(descriptor).st_size and path.read_bytes()[-1:] != b"\n"
            write_all(descriptor, (b"\n" if torn else b"") + msgspec.json.encode(record) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        (self._folder / RUNNING).unlink(missing_ok=True)
        sync_directory(self._folder)
        oldest = f"{to_local(record.began_ns).date() - timedelta(days=KEPT_DAYS)}.jsonl"
        for old in self._folder.glob("????-??-??.jsonl"):
            if old.name < oldest:
                old.unlink(missing_ok=True)

    def running(self) -> Running | None:
        """The run that is under way, or was when the host went down. Raises OSError."""
        try:
            return msgspec.json.decode((self._folder / RUNNING).read_bytes(), type=Running)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            log.warning("running_unreadable", path=str(self._folder / RUNNING))
            return None

    def ask(self, now_ns: int) -> None:
        """Note that the next run is asked for by a person, whatever its times say. Raises OSError."""
        replace_file(self._folder / ASKED, str(now_ns), 0o644, synced=False)

    def take_asked(self, now_ns: int) -> bool:
        """Whether somebody asked for this run. Raises OSError."""
        try:
            asked = (self._folder / ASKED).read_bytes()
            (self._folder / ASKED).unlink()
        except FileNotFoundError:
            return False
        return asked.isdigit() and abs(now_ns - int(asked)) < ASKED_NS

    def newest(self, last: date, days: int) -> Record | None:
        """The last run that began on one of so many days, the last of which is this one. Raises OSError."""
        for back in range(days):
            if found := self.read(day := last - timedelta(days=back), day):
                return found[-1]
        return None

    def since_ns(self) -> int:
        """When the job was put on this host. Raises OSError."""
        return (self._folder / SINCE).stat().st_mtime_ns

    def read(self, first: date, last: date) -> list[Record]:
        """The records of runs that began on these days, both included, in order of their begin. Raises OSError."""
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        found = [record for day in days for record in _read(self._folder / f"{day}.jsonl")]
        return sorted(found, key=lambda record: record.began_ns)


def _read(path: Path) -> Iterable[Record]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, 1):
        try:
            yield msgspec.json.decode(line, type=Record)
        except msgspec.MsgspecError:
            if line:
                log.warning("record_unreadable", path=str(path), line=number)
