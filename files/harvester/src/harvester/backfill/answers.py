"""Answers as rows of the table history, by the date of their bars, and what was asked of each date.

A row here has before the columns of the table the number of its symbol. A bar of a day begins at midnight in India of
its date, one of a week at that of its Monday, one of a month at that of the first, whatever moment of that date the
broker stamps it with (00:00 UTC in the sample of its documentation).
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import numpy as np

from harvester.backfill.pending import Answer, spoken_for, stretch_of
from harvester.backfill.spool import DaySpool
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import midnight_ns, to_local
from harvester.calendar import TradingCalendar
from harvester.calendar.periods import dates_due, first_day, over_ns
from harvester.config.resolutions import DAY_NS, Resolution, parse_resolution
from harvester.decode.frames import Ints
from harvester.decode.history import read_columns
from harvester.lake.schema import BACKFILL, HISTORY_TABLE
from harvester.ledger.outage import Outage

HEIGHT = 1 + HISTORY_TABLE.height
OTHER_DAY, NOT_OVER = "other_day", "not_over"
"""Why a candle is rejected that is of another day than was asked for; or whose bar was not over when it was asked."""


@dataclass
class Asked:
    """What answers say of the bars of one date: when the last one was asked for (wall ns), and what was no bar."""

    asked_ns: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


@dataclass
class Taken:
    """What was read from a journal. `asked` is by date, symbol and resolution."""

    symbols: dict[str, int] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    asked: dict[date, dict[tuple[str, str], Asked]] = field(default_factory=dict)
    answers: int = 0
    refused: int = 0

    def take(self, answer: Answer, calendar: TradingCalendar, spool: DaySpool) -> None:
        """Rows into the spool, dates into `asked`; of an answer without data nothing. Raises OSError."""
        said = answer.said
        try:
            bars = parse_resolution(said.resolution)
        except ConfigError:
            self.refused += 1
            return
        read = read_columns(said.status, said.body)
        if isinstance(read, Outage):
            self.refused += 1
            return
        self.answers += 1
        begins = read.rows[0, [0, -1]].tolist() if read.rows.size and not read.rejected else None
        spoken = stretch_of(said, (min(begins), max(begins))) if begins else spoken_for(said)
        for day in _dates_due(calendar, bars.name, *spoken):
            self._note(day, answer.symbol, bars).asked_ns = said.sent_ns
        for begin_s, flaw in read.rejected:
            day = to_local((begin_s or 0) * NS_PER_SECOND).date() if begin_s else said.first
            self._reject(min(max(day, said.first), said.last), answer.symbol, bars, flaw)
        self._spread(answer, bars, read.rows, spool)

    def _spread(self, answer: Answer, bars: Resolution, rows: Ints, spool: DaySpool) -> None:
        """The rows of each date; the last of several of one begin counts, as the recorder has it."""
        said = answer.said
        ordinals = (rows[0] * NS_PER_SECOND + _INDIA_NS) // DAY_NS + _EPOCH
        inside = (ordinals >= said.first.toordinal()) & (ordinals <= said.last.toordinal())
        if outside := int(np.count_nonzero(~inside)):
            self._reject(said.first, answer.symbol, bars, OTHER_DAY, outside)
        if not inside.any():
            return
        place = (answer.recv_ns, self._number(self.runs, answer.run_id), answer.seq)
        symbol = self._number(self.symbols, answer.symbol)
        ordinals, rows = ordinals[inside], rows[:, inside]
        order = np.argsort(rows[0], kind="stable")
        ordinals, rows = ordinals[order], rows[:, order]
        last = np.append(rows[0, 1:] != rows[0, :-1], True)[: rows.shape[1]]
        ordinals, rows = ordinals[last], rows[:, last]
        matrix = _matrix(symbol, rows[0] * NS_PER_SECOND, bars.width_ns, rows[1:], place)
        days, starts = np.unique(ordinals, return_index=True)
        edges = [*starts.tolist(), len(ordinals)]
        dates = [first_day(bars.name, date.fromordinal(ordinal)) for ordinal in days.tolist()]
        over = bisect_right(dates, said.sent_ns, key=lambda day: over_ns(bars.name, day))
        for number, (day, start, end) in enumerate(zip(dates, edges, edges[1:], strict=False)):
            if number >= over:
                self._reject(day, answer.symbol, bars, NOT_OVER, end - start)
                continue
            self._note(day, answer.symbol, bars).asked_ns = said.sent_ns
            part = matrix[:, start:end]
            if bars.is_long:
                part[1 + HISTORY_TABLE.at("ts_begin")] = midnight_ns(day)
            spool.add(day, part)

    def _note(self, day: date, symbol: str, bars: Resolution) -> Asked:
        return self.asked.setdefault(day, {}).setdefault((symbol, bars.name), Asked())

    def _reject(self, day: date, symbol: str, bars: Resolution, flaw: str, count: int = 1) -> None:
        rejected = self._note(first_day(bars.name, day), symbol, bars).rejected
        rejected[flaw] = rejected.get(flaw, 0) + count

    @staticmethod
    def _number(numbers: dict[str, int], name: str) -> int:
        return numbers.setdefault(name, len(numbers))


@lru_cache(maxsize=64)
def _dates_due(calendar: TradingCalendar, resolution: str, since: date, until: date) -> list[date]:
    """An order asks for the same days of each symbol."""
    return [*dates_due(calendar, resolution, since, until)]


_INDIA_NS = 5 * 3600 * NS_PER_SECOND + 1800 * NS_PER_SECOND
_EPOCH = date(1970, 1, 1).toordinal()


def _matrix(symbol: int, begins: Ints, width_ns: int, values: Ints, place: tuple[int, int, int]) -> Ints:
    count = len(begins)
    constant: Mapping[str, int] = {
        **{"resolution_ns": width_ns, "final": 1, "revision": 0, "source": BACKFILL},
        **dict(zip(("ts_recv", "run_id", "seq"), place, strict=True)),
    }
    rows = np.empty((HEIGHT, count), np.int64)
    rows[0] = symbol
    for name, at in HISTORY_TABLE.places.items():
        rows[at.start + 1] = constant.get(name, 0)
    rows[1 + HISTORY_TABLE.at("ts_begin")] = begins
    for name, row in zip(("open_paise", "high_paise", "low_paise", "close_paise", "volume"), values, strict=True):
        rows[1 + HISTORY_TABLE.at(name)] = row
    return rows
