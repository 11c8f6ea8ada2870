"""Jobs as a source of dues: from their records, and from what systemd says of their timers."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.dues.due import Due, Found, UnseenError
from harvester.health.facts import Unit
from harvester.jobs.ask import EARLY_NS
from harvester.jobs.records import Record, Records
from harvester.jobs.schedule import Hours, Schedule

Up = tuple[int, int]


class JobFacts(NamedTuple):
    """A job as the ledger sees it.

    `tells`: its unit has people told of a run that failed, and the ledger of one that never began; False where another
    finding tells of both.
    """

    name: str
    schedule: Schedule
    trading_days: bool
    within_ns: int
    proof: str
    unit: str
    remedy: str
    tells: bool = True


class JobSource:
    """What has records below `folder`. `hours` are a day's, `up` when the host ran: None where nobody knows."""

    kind = "job"
    tells = True

    def __init__(
        self,
        jobs: Sequence[JobFacts],
        folder: Path,
        hours: Callable[[date], Hours | None],
        *,
        timers: Mapping[str, Unit] | None = None,
        up: Sequence[Up] | None = None,
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._folder, self._hours, self._timers, self._up = folder, hours, timers, up
        self._kept: dict[tuple[str, date], list[Record]] = {}
        self._due: dict[tuple[str, date], list[int]] = {}

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        """Only what is due since the job was put on this host."""
        dues = [due for job in self._jobs.values() if job.name not in without for due in self._declare(job, day)]
        return sorted(dues, key=lambda due: due.due_ns)

    def find(self, due: Due) -> Found:
        job = self._jobs.get(due.name)
        if job is None:
            raise UnseenError(f"{due.name} is no job of this host any more")
        self._since(job)
        runs = self._runs_of(job, due)
        if well := next((run for run in runs if run.result == "ok"), None):
            return Found(met_ns=well.ended_ns, proof=well.proof or due.proof)
        if runs:
            last = runs[-1]
            return Found(cause=f"{last.result}: {last.cause}", told=True)
        return msgspec.structs.replace(self._explain(job, due), told=not job.tells)

    def _declare(self, job: JobFacts, day: date) -> list[Due]:
        try:
            since_ns = self._since(job)
        except UnseenError:  # `find` says why
            since_ns = 0
        return [
            Due(
                kind=self.kind,
                name=job.name,
                period=f"{to_local(at_ns):%Y-%m-%d %H:%M:%S}",
                due_ns=at_ns,
                by_ns=at_ns + job.within_ns,
                proof=job.proof,
                remedy=job.remedy,
            )
            for at_ns in self._moments(job, day)
            if at_ns >= since_ns
        ]

    def _since(self, job: JobFacts) -> int:
        try:
            return Records(self._folder / job.name).since_ns()
        except OSError as error:
            raise UnseenError(
                f"{error.filename}: since when the job is due cannot be read ({error.strerror}). ./inv deploy makes it."
            ) from error

    def _moments(self, job: JobFacts, day: date) -> list[int]:
        """When it is due on a day, in order."""
        if (job.name, day) not in self._due:
            hours = self._hours(day)
            is_off = job.trading_days and hours is None
            self._due[job.name, day] = [] if is_off else job.schedule.moments(day, hours)
        return self._due[job.name, day]

    def _runs_of(self, job: JobFacts, due: Due) -> list[Record]:
        """The runs that began from its time on, and before its next one."""
        begin_ns, end_ns = due.due_ns - EARLY_NS, self._next(job, due) - EARLY_NS
        day, last = to_local(begin_ns).date(), to_local(end_ns).date()
        found: list[Record] = []
        for offset in range((last - day).days + 1):
            runs = self._read(job, day + timedelta(days=offset))
            first, end = (bisect_left(runs, at_ns, key=lambda run: run.began_ns) for at_ns in (begin_ns, end_ns))
            found += runs[first:end]
        return found

    def _next(self, job: JobFacts, due: Due) -> int:
        """When it is due again: by then a run is of that time; at most a week later."""
        day = to_local(due.due_ns).date()
        for offset in range(-1, 8):
            moments = self._moments(job, day + timedelta(days=offset))
            place = bisect_right(moments, due.due_ns)
            if place < len(moments):
                return moments[place]
        return due.due_ns + 7 * 86_400 * NS_PER_SECOND

    def _read(self, job: JobFacts, day: date) -> list[Record]:
        if (job.name, day) not in self._kept:
            try:
                self._kept[job.name, day] = Records(self._folder / job.name).read(day, day)
            except OSError as error:
                raise UnseenError(
                    f"{error.filename}: the records of {job.name} cannot be read ({error.strerror}):"
                    " who asks must be in the group harvester."
                ) from error
        return self._kept[job.name, day]

    def _explain(self, job: JobFacts, due: Due) -> Found:
        """Why there is no run of it."""
        try:
            running = Records(self._folder / job.name).running()
        except OSError:
            running = None
        if running and running.began_ns < due.due_ns + EARLY_NS and due.due_ns - running.began_ns > EARLY_NS:
            return Found(cause=f"the run of {_clock(running.began_ns)} was still under way")
        if running:
            return Found(cause=f"it runs since {_clock(running.began_ns)}")
        if not job.schedule.persistent and self._was_off(due.due_ns):
            return Found(excused="the host was off")
        timer = (self._timers or {}).get(f"{job.unit}.timer")
        if timer is None:
            return Found(cause="it did not start")
        if not timer.present:
            return Found(cause=f"it did not start: {job.unit}.timer is not there")
        if timer.active != "active":
            return Found(cause=f"it did not start: {job.unit}.timer does not wait ({timer.active})")
        return Found(cause=f"it did not start, although {job.unit}.timer waits")

    def _was_off(self, at_ns: int) -> bool:
        return self._up is not None and not any(begin <= at_ns <= end for begin, end in self._up)


def _clock(wall_ns: int) -> str:
    return f"{to_local(wall_ns):%H:%M:%S}"
