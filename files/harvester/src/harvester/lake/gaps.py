"""Absence as data: every slot without data gets a cause, so that data and gaps together are what was expected."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from harvester.decode.fyers_rest import BadResponse
from harvester.lake.events import Events, KnownGap, Run
from harvester.lake.schema import GAPS_SCHEMA
from harvester.lake.slots import Grid

RECORDED, DERIVED = "recorded", "derived"


class GapRow(NamedTuple):
    """A stretch [from_ns, to_ns) of `slots` slots of one symbol without data, and why."""

    symbol: str
    from_ns: int
    to_ns: int
    cause: str
    detail: str
    slots: int
    source: str
    """"recorded" by the recorder when it happened, or "derived" afterwards from what is in the journal."""


class _Reason(NamedTuple):
    cause: str
    detail: str
    source: str


@dataclass(frozen=True)
class Ledger:
    """Attributes the missing slots of a day. `grace_ns` is how long a poll may take to be answered and written."""

    grid: Grid
    events: Events
    grace_ns: int

    def rows(self, symbol: str, present: set[int], bad: Mapping[int, BadResponse]) -> list[GapRow]:
        """The gaps of one symbol, from the slots that have data and those whose answer was no data."""
        known = _bound(self.events, symbol, sorted(present))
        missing = [number for number, slot in enumerate(self.grid.slots) if slot not in present]
        reasons = {number: self._explain(self.grid.slots[number], symbol, known, bad) for number in missing}

        def together(item: tuple[int, int]) -> tuple[int, _Reason, object]:
            position, number = item  # consecutive numbers have the same difference to their position
            return number - position, reasons[number], self.grid.window_of(self.grid.slots[number])

        rows = []
        for (_, reason, _), group in groupby(enumerate(missing), key=together):
            numbers = [number for _, number in group]
            begin, end = self.grid.slots[numbers[0]], self.grid.end_of(numbers[-1])
            rows.append(GapRow(symbol, begin, end, reason.cause, reason.detail, len(numbers), reason.source))
        return rows

    def _explain(self, slot: int, symbol: str, known: list[KnownGap], bad: Mapping[int, BadResponse]) -> _Reason:
        for gap in known:
            if gap.to_ns is not None and gap.from_ns <= slot < gap.to_ns:
                return _Reason(gap.cause, gap.detail, RECORDED)
        if slot in bad:
            return _Reason(bad[slot].cause, bad[slot].reason, DERIVED)
        return _Reason(*self._absence(slot, symbol), DERIVED)

    def _absence(self, slot: int, symbol: str) -> tuple[str, str]:
        """Why nobody polled, or wrote down why not: from the lives of the runs."""
        runs = self.events.runs
        number = bisect_right([run.first_ns for run in runs], slot) - 1
        if not runs:
            return "not_running", "no run of the recorder left a record on this day"
        if number < 0:
            return "not_started", "before the first run of the day"
        run = runs[number]
        if slot >= run.last_ns:
            return _after(run)
        if symbol not in run.symbols:
            return "not_running", "the symbol was not in the configuration of this run"
        if slot + self.grace_ns > run.last_ns:
            cause, detail = _after(run)
            return cause, f"{detail}; the poll was under way"
        if slot < run.first_ns + self.grace_ns:
            return "not_started" if number == 0 else "not_running", "the recorder was starting"
        return "unknown", "the recorder was running and wrote down no cause"


def _after(run: Run) -> tuple[str, str]:
    if run.stopped:
        return "stopped", "the recorder was stopped"
    return "not_running", "the recorder wrote nothing more and no new run had begun"


def _bound(events: Events, symbol: str, present: list[int]) -> list[KnownGap]:
    """The symbol's recorded gaps, the one opened last first. One that nothing closed ends at the first sign of life:
    the next good slot, the next gap of the symbol, or the end of its run."""
    lives = {run.run_id: run.last_ns for run in events.runs}
    bounded: list[KnownGap] = []
    following: int | None = None
    for gap in sorted((g for g in events.gaps if symbol in g.symbols), key=lambda g: g.opened_at, reverse=True):
        end = gap.to_ns
        if end is None:
            good = bisect_right(present, gap.from_ns)
            limits = [lives.get(gap.run_id, gap.from_ns) + 1, following, present[good] if good < len(present) else None]
            end = max(gap.from_ns, min(limit for limit in limits if limit is not None))
        bounded.append(_closed(gap, end))
        following = gap.from_ns
    return bounded


def _closed(gap: KnownGap, end: int) -> KnownGap:
    return KnownGap(gap.gap_id, gap.run_id, gap.symbols, gap.from_ns, gap.cause, gap.detail, gap.opened_at, end)


def write_gaps(rows: Iterable[GapRow], path: Path) -> int:
    """Write the ledger as Parquet, by symbol and time; the number of rows is returned."""
    ordered = sorted(rows)
    columns = list(zip(*ordered, strict=True)) or [()] * len(GAPS_SCHEMA)
    pq.write_table(pa.table(columns, schema=GAPS_SCHEMA), path, compression="zstd")
    return len(ordered)


def read_gaps(path: Path) -> list[GapRow]:
    """The rows of a ledger. Raises pyarrow.ArrowException or OSError."""
    table = pq.read_table(path, schema=GAPS_SCHEMA)
    return [GapRow(**row) for row in table.to_pylist()]
