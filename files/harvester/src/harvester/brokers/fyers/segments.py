"""The segment of each listed symbol, and where the master's own session field contradicts the calendar."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import NamedTuple

from harvester.calendar import SegmentName, TradingCalendar
from harvester.calendar.segments import CASH_CLASSES, Hours, candidates, choose_cash, parse_hours

FEWEST_UNDERLYINGS = 50
"""The exchanges list over 200 names with derivatives: a master with fewer is not whole, and says nothing of classes."""


class MasterRow(NamedTuple):
    """What decides a symbol's segment: four columns of its row in the master."""

    symbol: str
    fy_token: str
    session: str
    """Trading hours, such as 0915-1540|1815-1915:."""
    underlying: str


def assign_segments(
    listings: Iterable[MasterRow], underlyings: Collection[str], calendar: TradingCalendar, day: date
) -> dict[str, SegmentName]:
    """The segment of each symbol whose fyToken has a known code.

    Cash symbols are classed by `underlyings`, the names that have derivatives; other classes by the master's hours.
    """
    with_derivatives = underlyings if len(underlyings) >= FEWEST_UNDERLYINGS else ()
    segments: dict[str, SegmentName] = {}
    for listing in listings:
        names = candidates(listing.fy_token)
        if names and names[0] in CASH_CLASSES:
            segments[listing.symbol] = choose_cash(names[0], listing.symbol, listing.underlying, with_derivatives)
        elif names:
            stated = parse_hours(listing.session)
            segments[listing.symbol] = next(
                (name for name in names if stated and stated == _hours(calendar, name, day)), names[0]
            )
    return segments


def find_contradictions(
    listings: Iterable[MasterRow], segments: Mapping[str, SegmentName], calendar: TradingCalendar, day: date
) -> list[str]:
    """A sentence for each segment and hours in which the master says other hours than the calendar for ordinary days.

    The calendar goes on to decide: the master is known to lag. Symbols of segments without hours are left out.
    """
    found: dict[tuple[SegmentName, Hours], list[str]] = {}
    for listing in listings:
        segment, stated = segments.get(listing.symbol), parse_hours(listing.session)
        expected = segment and _hours(calendar, segment, day)
        if segment and stated and expected and stated != expected:
            found.setdefault((segment, stated), []).append(listing.symbol)
    return [
        f"{segment}: the symbol master says {stated}, the calendar {_hours(calendar, segment, day)}, for"
        f" {len(symbols)} symbol{'s' if len(symbols) > 1 else ''} such as {symbols[0]}"
        for (segment, stated), symbols in found.items()
    ]


def _hours(calendar: TradingCalendar, segment: SegmentName, day: date) -> Hours | None:
    return calendar.of(segment).master_hours(day) if segment in calendar.segments else None
