"""Candles in the broker's resolutions, made of the same plans and tapes as the books."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import NamedTuple

from exchange.market.model import BookModel
from exchange.market.plan import DayPlan
from exchange.replies import rupees
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local, zone

SECONDS = {f"{n}S": n for n in (5, 10, 15, 30, 45)}
MINUTES = {str(n): n for n in (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 120, 180, 240)}
DAYS = {"D": "D", "1D": "D", "1W": "W", "1M": "M"}
MAX_DAYS_OF_MINUTES, MAX_DAYS = 100, 366
SECONDS_BACK = 30
FIRST_DAY = date(2017, 7, 3)
"""Limits and first day of data: Fyers API docs, history."""
EPOCH, ISO = "0", "1"


class BadHistoryRequest(ValueError):
    """A parameter is missing, malformed or over a documented limit."""


@dataclass(frozen=True)
class HistoryRequest:
    """A checked request: both ends included."""

    symbol: str
    resolution: str
    from_ns: int
    to_ns: int
    with_interest: bool


class Bar(NamedTuple):
    """Prices in ticks."""

    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    interest: int


def parse_request(query: Mapping[str, str], now_ns: int) -> HistoryRequest:
    """Check the parameters of a /history call. Raises BadHistoryRequest with the text for the answer."""
    resolution = query.get("resolution", "").upper()
    if resolution not in SECONDS and resolution not in MINUTES and resolution not in DAYS:
        raise BadHistoryRequest("Please provide a valid resolution")
    if query.get("date_format") not in (EPOCH, ISO):
        raise BadHistoryRequest("Please provide date_format as 0 or 1")
    from_ns = _moment(query.get("range_from", ""), query["date_format"], end=False)
    to_ns = _moment(query.get("range_to", ""), query["date_format"], end=True)
    days = (to_local(to_ns).date() - to_local(from_ns).date()).days
    if from_ns > to_ns:
        raise BadHistoryRequest("range_from is later than range_to")
    if days > (MAX_DAYS if resolution in DAYS else MAX_DAYS_OF_MINUTES):
        raise BadHistoryRequest("The range is longer than this resolution allows")
    if resolution in SECONDS:
        from_ns = max(from_ns, now_ns - SECONDS_BACK * 2 * 86_400 * NS_PER_SECOND)
    return HistoryRequest(query.get("symbol", ""), resolution, from_ns, to_ns, query.get("oi_flag") == "1")


def _moment(text: str, form: str, *, end: bool) -> int:
    try:
        if form == EPOCH:
            return int(text) * NS_PER_SECOND
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone())
    except ValueError as error:
        raise BadHistoryRequest("Please provide range_from and range_to in the form that date_format says") from error
    if end:
        day += timedelta(days=1, seconds=-1)
    return int(day.timestamp()) * NS_PER_SECOND


def candles(
    model: BookModel, asked: HistoryRequest, now_ns: int, revised_ns: int | None = None
) -> list[list[int | float]]:
    """Rows [epoch, open, high, low, close, volume] with prices in rupees, and open interest when asked for.

    `revised_ns`: the candle of minutes that had ended last at this moment is revised.
    """
    instrument = model.instruments[asked.symbol]
    to_ns = min(asked.to_ns, now_ns)
    if asked.resolution in DAYS:
        bars = _long_bars(model, asked, to_ns)
    else:
        bars = (bar for plan in _plans(model, asked, to_ns) for bar in _bars(model, plan, asked, to_ns))
    if revised_ns is not None and asked.resolution in MINUTES:
        width_ns = MINUTES[asked.resolution] * 60 * NS_PER_SECOND
        bars = (_revise(bar, width_ns, revised_ns) for bar in bars)
    rows = []
    for bar in bars:
        ticks = (bar.open, bar.high, bar.low, bar.close)
        prices = (rupees(price * instrument.tick, instrument.per_rupee) for price in ticks)
        row = [bar.start_ns // NS_PER_SECOND, *prices, 0 if instrument.is_index else bar.volume]
        rows.append([*row, bar.interest] if asked.with_interest else row)
    return rows


def _revise(bar: Bar, width_ns: int, moment_ns: int) -> Bar:
    """Of the bar that had ended last at the moment: twice the volume, and high or low as close; any other as it is."""
    if not bar.start_ns + width_ns <= moment_ns < bar.start_ns + 2 * width_ns:
        return bar
    close = max(bar.high, bar.low, key=lambda price: abs(price - bar.close))
    return bar._replace(volume=2 * bar.volume, close=close)


def _plans(model: BookModel, asked: HistoryRequest, to_ns: int) -> Iterator[DayPlan]:
    day = max(FIRST_DAY, to_local(asked.from_ns).date())
    while day <= to_local(to_ns).date():
        plan = model.plan(asked.symbol, day)
        if plan and plan.open:
            yield plan
        day += timedelta(days=1)


def _bars(model: BookModel, plan: DayPlan, asked: HistoryRequest, to_ns: int) -> Iterator[Bar]:
    """Bars of one day that start inside the request; the last one ends with what has traded so far."""
    seconds = SECONDS.get(asked.resolution)
    if seconds:
        pieces, width, origin = _second_bars(model, plan, to_ns), seconds, 0
    else:
        pieces, width = _minute_bars(model, plan, to_ns), MINUTES[asked.resolution] * 60
        origin = next(piece.start_ns for piece in plan.slices() if piece.trading) // (60 * NS_PER_SECOND) * 60
    for bar in _merge(pieces, lambda ns: origin + (ns // NS_PER_SECOND - origin) // width * width):
        if asked.from_ns <= bar.start_ns <= to_ns:
            yield bar


def _minute_bars(model: BookModel, plan: DayPlan, to_ns: int) -> Iterator[Bar]:
    for index, piece in enumerate(plan.slices()):
        if not piece.trading or piece.start_ns > to_ns:
            continue
        if piece.end_ns <= to_ns:
            interest = model.open_interest(plan, piece.volume_before + piece.volume)
            prices = (piece.open, piece.high, piece.low, piece.close)
            yield Bar(piece.start_ns, *prices, piece.volume, interest)
        else:
            yield from _trades(model, plan, index, to_ns)


def _second_bars(model: BookModel, plan: DayPlan, to_ns: int) -> Iterator[Bar]:
    for index, piece in enumerate(plan.slices()):
        if piece.trading and piece.start_ns <= to_ns:
            yield from _trades(model, plan, index, to_ns)


def _trades(model: BookModel, plan: DayPlan, index: int, to_ns: int) -> Iterator[Bar]:
    """One bar per trade of a slice, up to a moment."""
    volume = plan[index].volume_before
    for print_ in model.tape(plan, index).prints:
        if print_.volume > volume and print_.time_ns <= to_ns:
            amount, volume = print_.volume - volume, print_.volume
            price = print_.price
            yield Bar(print_.time_ns, price, price, price, price, amount, model.open_interest(plan, volume))


def _merge(bars: Iterable[Bar], start_of: Callable[[int], int]) -> Iterator[Bar]:
    """Join neighbours with the same start, given in seconds since 1970."""
    for start, group in groupby(bars, lambda bar: start_of(bar.start_ns)):
        yield _join(list(group), start)


def _join(bars: list[Bar], start: int) -> Bar:
    high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
    volume = sum(bar.volume for bar in bars)
    return Bar(start * NS_PER_SECOND, bars[0].open, high, low, bars[-1].close, volume, bars[-1].interest)


def _long_bars(model: BookModel, asked: HistoryRequest, to_ns: int) -> Iterator[Bar]:
    """Daily, weekly and monthly bars, stamped 00:00 UTC of their first calendar day as in the docs' sample."""
    whole = HistoryRequest(asked.symbol, "240", 0, asked.to_ns, asked.with_interest)
    for first, plans in groupby(_plans(model, asked, to_ns), partial(_first_day, DAYS[asked.resolution])):
        bars = [bar for plan in plans for bar in _bars(model, plan, whole, to_ns)]
        if bars:
            yield _join(bars, int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()))


def _first_day(kind: str, plan: DayPlan) -> date:
    day = plan.day
    return {"D": day, "W": day - timedelta(days=day.weekday()), "M": day.replace(day=1)}[kind]
