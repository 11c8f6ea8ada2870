"""Which bars a trading day has, by its hours alone.

They are cut from its continuous trading. In an auction there is one trade, whose moment nobody knows before, so a bar
that lies in one alone is not due.
"""

from collections.abc import Collection
from typing import NamedTuple

from harvester.base.bars import cut_bars
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import day_end_ns
from harvester.calendar.trading import Session

LATEST_NS = 60 * NS_PER_SECOND
"""Before midnight, market time, when the day's records end: later no bar is settled."""


class Bar(NamedTuple):
    """A stretch of wall ns; it ends early where trading does."""

    begin_ns: int
    end_ns: int


class BarDay(NamedTuple):
    """The bars that are due, in order, and from when on an answer settles them all. Wall ns."""

    bars: tuple[Bar, ...]
    settles_ns: int


NO_BARS = BarDay((), 0)


def bar_day(session: Session | None, width_ns: int, phases: Collection[str], final_after_ns: int) -> BarDay:
    """The bars of a trading day; they settle so long after the last of the recorded `phases`."""
    open_ = [phase for phase in session.phases if phase.name == "continuous"] if session else []
    if session is None or not open_:
        return NO_BARS
    ends = cut_bars([(phase.open_ns, phase.close_ns) for phase in open_], width_ns)
    closes_ns = max(phase.close_ns for phase in session.phases if phase.name in phases or phase in open_)
    settles_ns = min(closes_ns + final_after_ns, day_end_ns(session.date) - LATEST_NS)
    return BarDay(tuple(Bar(begin, end) for begin, end in sorted(ends.items())), settles_ns)
