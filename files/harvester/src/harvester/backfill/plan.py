"""The requests that an order takes: of each symbol the days that no answer has brought yet, in the broker's windows."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from harvester.backfill.order import Order, first_day_asked
from harvester.calendar import TradingCalendar
from harvester.calendar.periods import dates_due, next_first_day
from harvester.calendar.segments import guess_segment
from harvester.config.resolutions import Resolution
from harvester.config.segments import find_segments
from harvester.config.settings import Settings
from harvester.journal.format import BACKFILL, MAX_PAYLOAD

CANDLE_BYTES = 64
"""Of a candle in an answer at most: ten digits of seconds, four prices, a volume."""
ROOM = 0.9
"""Of a journal's record, whose limit no answer may pass."""
TRADED_NS = 24 * 3600 * 10**9


class Piece(NamedTuple):
    """One request: a symbol and its days, both included."""

    symbol: str
    first: date
    last: date


def calendars_of(settings: Settings, calendar: TradingCalendar, symbols: Iterable[str]) -> dict[str, TradingCalendar]:
    """The calendar of each symbol's segment; NSE cash's where that segment has no hours."""
    known = find_segments(settings)
    segments = {symbol: known.get(symbol) or guess_segment(symbol) for symbol in symbols}
    return {
        symbol: calendar.of(segment) if segment in calendar.segments else calendar
        for symbol, segment in segments.items()
    }


def due_of(order: Order, calendar: TradingCalendar) -> Iterator[date]:
    """The dates of the bars that an order asks for of a symbol, as far as the broker can have them."""
    return dates_due(calendar, order.bars.name, first_day_asked(order), order.until)


def plan(order: Order, calendars: Mapping[str, TradingCalendar], answered: Mapping[str, set[date]]) -> list[Piece]:
    """The requests that are left, symbol by symbol, oldest days first."""
    pieces = []
    for symbol in order.symbols:
        calendar, known = calendars[symbol], answered.get(symbol, set())
        missing = [day for day in due_of(order, calendar) if day not in known]
        pieces += [Piece(symbol, *days) for days in windows(missing, order.bars, window_days(order.bars, calendar))]
    return pieces


def window_days(bars: Resolution, calendar: TradingCalendar) -> int:
    """Days that one request may ask for: as the broker allows, and as an answer fits into a record of the journal."""
    if bars.is_long:
        return bars.most_days
    traded_ns = min(TRADED_NS, calendar.longest_day_ns(("pre_open", "continuous", "closing_auction", "post_close")))
    day_bytes = -(-traded_ns // bars.width_ns) * CANDLE_BYTES
    return max(1, min(bars.most_days, int((MAX_PAYLOAD - BACKFILL.size) * ROOM / day_bytes)))


def windows(missing: list[date], bars: Resolution, most_days: int) -> Iterator[tuple[date, date]]:
    """Stretches of days that hold the missing ones, in order, each so long at most, both ends included."""
    at = 0
    while at < len(missing):
        first = missing[at]
        end = at
        while end + 1 < len(missing) and (_last(bars, missing[end + 1]) - first).days < most_days:
            end += 1
        yield first, _last(bars, missing[end])
        at = end + 1


def _last(bars: Resolution, day: date) -> date:
    """The last day of the bar that begins with a day."""
    return next_first_day(bars.name, day) - timedelta(days=1)
