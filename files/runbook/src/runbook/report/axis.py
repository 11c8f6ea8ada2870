"""The report's time axes: a symbol is drawn over the hours of its own segment, and what lies between them is blank."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.lake.certificate.balance import parts_of
from harvester.reader.days import Day

COLUMNS = 96
TITLES = {
    "nse_cash": "NSE cash",
    "nse_cash_other": "NSE cash without derivatives",
    "nse_fo": "NSE F&O",
    "nse_currency": "NSE currency",
    "nse_commodity": "NSE commodities",
    "bse_cash": "BSE cash",
    "bse_cash_other": "BSE cash without derivatives",
    "bse_fo": "BSE F&O",
    "bse_currency": "BSE currency",
    "mcx": "MCX",
    "mcx_agri_global": "MCX agriculture, traded abroad",
    "mcx_agri": "MCX agriculture",
}
"""What people call the segments."""


@dataclass(frozen=True)
class Axis:
    """A time axis: from the first opening to the last closing (ns), in so many columns."""

    begin: int
    end: int
    columns: int
    windows: tuple[tuple[int, int], ...] = ()

    @property
    def closed(self) -> list[tuple[int, int]]:
        """The times in which nothing is due: between windows, or all of it."""
        if not self.windows:
            return [(self.begin, self.end)]
        return [(before[1], after[0]) for before, after in pairwise(self.windows) if before[1] < after[0]]

    @property
    def hours(self) -> list[tuple[float, str]]:
        """A few marks: position in percent and clock time; none without a window."""
        length = max(1, self.end - self.begin)
        return [(25.0 * step, clock(self.begin + length * step // 4)) for step in range(5)] if self.windows else []

    def is_open(self, column: int) -> bool:
        """Whether a part of the column lies in a window."""
        low, high = (self.begin + (self.end - self.begin) * edge // self.columns for edge in (column, column + 1))
        return any(opens < high and low < closes for opens, closes in self.windows)


def axes_of(day: Day) -> dict[str, Axis]:
    """The axis of each segment of the day."""
    return {segment: _axis(part) for segment, part in parts_of(day.certificate).items()}


def _axis(part: dict[str, Any]) -> Axis:
    """Never more columns than polls or seconds, or a short session would look full of holes."""
    windows = tuple(sorted((int(opens), int(closes)) for opens, closes in part["windows"]))
    begin, end = (windows[0][0], windows[-1][1]) if windows else (0, 1)
    step = part.get("interval_ns") or NS_PER_SECOND
    return Axis(begin, end, max(1, min(COLUMNS, (end - begin) // step)), windows)


def say_hours(axes: dict[str, Axis]) -> str:
    """The windows of each segment; segments are named where there are several with windows."""
    told = {segment: _say(axis) for segment, axis in axes.items() if axis.windows}
    if len(told) < 2:
        return "".join(told.values())
    return "; ".join(f"{TITLES.get(segment, segment)} {hours}" for segment, hours in told.items())


def _say(axis: Axis) -> str:
    return ", ".join(f"{clock(opens)} to {clock(closes)}" for opens, closes in axis.windows)


def clock(ns: int) -> str:
    """The market's time of day."""
    return f"{to_local(ns):%H:%M:%S}"
