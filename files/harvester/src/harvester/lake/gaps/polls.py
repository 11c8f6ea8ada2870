"""The gap ledger of polls: every due slot without data lies in one gap with its cause."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, zip_longest
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvester.journal.format import FEED_NAMES, FYERS_REST
from harvester.lake.day.events import Events, Run
from harvester.lake.day.known_gaps import KnownGap
from harvester.lake.day.slots import Grid
from harvester.lake.gaps.losses import DAMAGED, Losses
from harvester.lake.layout import GAPS
from harvester.lake.schema import SCHEMAS_OF, version_of
from harvester.ledger.outage import Outage

RECORDED, DERIVED = "recorded", "derived"
REST = FEED_NAMES[FYERS_REST]


class GapRow(NamedTuple):
    """A stretch [from_ns, to_ns) of one symbol without data of one feed, and why.

    Times are wall ns. `slots` is the number of due polls in it; None for a socket.
    """

    symbol: str
    feed: str
    from_ns: int
    to_ns: int
    cause: str
    detail: str
    slots: int | None
    source: str
    """"recorded" by the recorder when it happened, or "derived" afterwards from what is in the journal."""


class Absence(NamedTuple):
    """Cause and detail of a gap; `source` as in GapRow."""

    cause: str
    detail: str
    source: str = DERIVED


@dataclass(frozen=True)
class PollGaps:
    """Finds the cause of each missing slot of a day. `grace_ns`: time from a slot to its answer in the journal."""

    grid: Grid
    events: Events
    grace_ns: int

    @cached_property
    def _losses(self) -> Losses:
        return Losses(self.events.damage, self.events.runs)

    def rows(self, symbol: str, present: set[int], bad: Mapping[int, Outage]) -> list[GapRow]:
        """The gaps of one symbol, given the slots that have data and those whose answer held none."""
        known = self._recorded(symbol, sorted(present))
        missing = [number for number, slot in enumerate(self.grid.slots) if slot not in present]
        reasons = {number: self._explain(number, symbol, known.get(number), bad) for number in missing}

        def together(item: tuple[int, int]) -> tuple[int, Absence, object]:
            position, number = item  # consecutive numbers have the same difference to their position
            return number - position, reasons[number], self.grid.block_of(self.grid.slots[number])

        rows = []
        for (_, reason, _), group in groupby(enumerate(missing), key=together):
            numbers = [number for _, number in group]
            begin, end = self.grid.slots[numbers[0]], self.grid.end_of(numbers[-1])
            rows.append(GapRow(symbol, REST, begin, end, reason.cause, reason.detail, len(numbers), reason.source))
        return rows

    def _recorded(self, symbol: str, present: list[int]) -> dict[int, KnownGap]:
        """The recorded gap of each slot number that has one; where two overlap, the one opened last.

        Of the time before its own start a run counts only where no other gap was recorded: it was not there.
        """
        slots = self.grid.slots
        begins = {run.run_id: run.first_ns for run in self.events.runs}
        witnessed: dict[int, KnownGap] = {}
        hearsay: dict[int, KnownGap] = {}
        for gap, end in bound(self.events.gaps_of(FYERS_REST, symbol), self.events.runs, present):
            began = begins.get(gap.run_id, gap.from_ns)
            for number in range(bisect_left(slots, gap.from_ns), bisect_left(slots, end)):
                (witnessed if began <= slots[number] else hearsay)[number] = gap
        return hearsay | witnessed

    def _explain(self, number: int, symbol: str, known: KnownGap | None, bad: Mapping[int, Outage]) -> Absence:
        slot = self.grid.slots[number]
        if known:
            return Absence(known.cause, known.detail, RECORDED)
        if slot in bad:
            return Absence(*bad[slot])
        if lost := self._losses.between(slot, self.grace_ns) or self._losses.beyond(slot, self.grace_ns):
            return Absence(DAMAGED, lost)
        run = run_at(self.events.runs, slot)
        if isinstance(run, Absence):
            return run
        if symbol not in run.symbols:
            return Absence("not_running", "the symbol was not in the configuration of this run")
        if slot + self.grace_ns > run.last_ns:
            cause, detail, _ = after(run)
            return Absence(cause, f"{detail}; the poll was under way")
        if slot < run.first_ns + self.grace_ns:
            return starting(self.events.runs, run, "the recorder was starting")
        return UNKNOWN


UNKNOWN = Absence("unknown", "the recorder was running and wrote down no cause")


def run_at(runs: list[Run], moment: int) -> Run | Absence:
    """The run of the recorder that was alive at a moment, or why none was. `runs` are by their first record."""
    number = bisect_right([run.first_ns for run in runs], moment) - 1
    if not runs:
        return Absence("not_running", "no run of the recorder left a record on this day")
    if number < 0:
        return Absence("not_started", "before the first run of the day")
    return runs[number] if moment < runs[number].last_ns else after(runs[number])


def starting(runs: list[Run], run: Run, detail: str) -> Absence:
    """The absence at the start of a run; only the first of a day starts late, a later one was not running before."""
    return Absence("not_started" if run is runs[0] else "not_running", detail)


def after(run: Run) -> Absence:
    """The absence after the last record of a run."""
    if run.stopped:
        return Absence("stopped", "the recorder was stopped")
    return Absence("not_running", "the recorder wrote nothing more and no new run had begun")


def bound(gaps: list[KnownGap], runs: list[Run], present: list[int]) -> list[tuple[KnownGap, int]]:
    """Each gap of one symbol with its end; `gaps` are in the order opened, `present` ascending.

    A gap without a closing record ends at the next moment in `present`, at the next gap of the symbol, or with its run.
    """
    lives = {run.run_id: run.last_ns for run in runs}
    bounded = []
    for gap, following in zip_longest(gaps, gaps[1:]):
        end = gap.to_ns
        if end is None:
            good = bisect_right(present, gap.from_ns)
            limits = [lives.get(gap.run_id, gap.from_ns) + 1, *present[good : good + 1]]
            end = min([*limits, following.from_ns] if following else limits)
        bounded.append((gap, end))
    return bounded


def stream_gaps(path: Path) -> Iterator[GapRow]:
    """The rows of a ledger of any schema. Raises pyarrow.ArrowException or OSError, HarvesterError for none."""
    with pq.ParquetFile(path) as file:
        schema = SCHEMAS_OF[version_of(path, file.schema_arrow)][GAPS]
        for batch in file.iter_batches(columns=[*schema.names], use_threads=False):
            columns = pa.Table.from_batches([batch]).cast(schema).columns
            yield from map(GapRow._make, zip(*(_plain(column).to_pylist() for column in columns), strict=True))


def read_gaps(path: Path) -> list[GapRow]:
    """The same as a list."""
    return [*stream_gaps(path)]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments as int64 ns; another column as it is."""
    return pc.cast(column, pa.int64()) if pa.types.is_timestamp(column.type) else column
