"""Schwab's market data: price history, quotes; and the preferences that lead to the streamer.

Source of parameters and forms: Schwab's developer portal, Market Data Production, and schwab-py 1.5.1, which asks them.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from exchange.hosts import SCHWAB_STREAM_HOST, SCHWAB_STREAM_PATH
from exchange.market.history import HistoryRequest, candles
from exchange.market.instruments import FINE
from exchange.mishaps import LAG_NS, REVISED_NS
from exchange.replies import no_candles, reply
from exchange.replies import schwab_refusal as refuse
from exchange.schwab.tickers import LISTED
from exchange.world import World, world_of
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local

MINUTES = ("1", "5", "10", "15", "30")
"""frequency of frequencyType minute."""
MOST_DAYS = {"1": 48, "5": 270, "10": 270, "15": 270, "30": 270}
"""How far back minutes go, as schwab-py found: 48 days of single ones, some nine months of the others."""
DAY_NS = 86_400 * NS_PER_SECOND
CHANNEL, FUNCTION = "N9", "APIAPP"


class BadRequestError(ValueError):
    """A parameter is missing or refused; the text says which."""


async def price_history(request: web.Request) -> web.Response:
    """Candles of minutes, the one under way with what has traded so far. Extended hours are never in it."""
    world, query = world_of(request), request.query
    symbol = query.get("symbol", "").upper()
    now_ns = world.clock.wall_ns() - request.get(LAG_NS, 0)
    try:
        asked = _history(world, query, symbol, world.clock.wall_ns())
    except BadRequestError as error:
        return refuse(400, "Bad Request", str(error))
    if symbol not in LISTED:
        return reply(no_candles(symbol))
    async with world.candle_lock:
        rows = await asyncio.to_thread(candles, world.candle_model, asked, now_ns, request.get(REVISED_NS))
    answer: dict[str, Any] = {"candles": [candle_of(row) for row in rows], "symbol": symbol, "empty": not rows}
    if query.get("needPreviousClose", "").lower() == "true":
        answer["previousClose"] = world.price_limits(symbol).previous_close / FINE
    return reply(answer)


def candle_of(row: list[int | float]) -> dict[str, int | float]:
    """A row of the market's candles in Schwab's form."""
    begin_s, opens, high, low, close, volume = row
    values = {"open": opens, "high": high, "low": low, "close": close}
    return {name: float(value) for name, value in values.items()} | {"volume": volume, "datetime": begin_s * 1000}


def _history(world: World, query: Mapping[str, str], symbol: str, now_ns: int) -> HistoryRequest:
    if not symbol:
        raise BadRequestError("symbol is missing")
    if query.get("periodType", "day") != "day" or query.get("frequencyType", "minute") != "minute":
        raise BadRequestError("this stand-in has minutes of days alone: periodType day and frequencyType minute")
    frequency = query.get("frequency", "1")
    if frequency not in MINUTES:
        raise BadRequestError(f"frequency {frequency} is none of {', '.join(MINUTES)} for frequencyType minute")
    width_ns = int(frequency) * 60 * NS_PER_SECOND
    end_ns = _moment(query, "endDate", now_ns) // width_ns * width_ns + width_ns - 1
    period = query.get("period", "10")
    if not period.isdecimal() or int(period) not in (1, 2, 3, 4, 5, 10):
        raise BadRequestError("period must be one of 1, 2, 3, 4, 5, 10 for periodType day")
    days_ns = _session_days(world, end_ns, int(period))
    begin_ns = max(_moment(query, "startDate", days_ns), now_ns - MOST_DAYS[frequency] * DAY_NS)
    if begin_ns > end_ns:
        raise BadRequestError("startDate is after endDate")
    return HistoryRequest(symbol, frequency, begin_ns, end_ns, with_interest=False)


def _moment(query: Mapping[str, str], name: str, default_ns: int) -> int:
    """Of a parameter in ms since 1970."""
    text = query.get(name)
    if text is None:
        return default_ns
    if not text.lstrip("-").isdecimal():
        raise BadRequestError(f"{name} must be milliseconds since 1970")
    return int(text) * NS_PER_MS


def _session_days(world: World, end_ns: int, count: int) -> int:
    """Midnight of the day with which so many trading days up to a moment begin."""
    day = to_local(end_ns).date()
    while True:
        session = world.sessions.session(day)
        if session and session.phases and session.phases[0].open_ns <= end_ns:
            count -= 1
            if count == 0:
                return midnight_ns(day)
        day = to_local(midnight_ns(day) - 1).date()
        if (to_local(end_ns).date() - day).days > 30:
            return midnight_ns(day)


async def quotes(request: web.Request) -> web.Response:
    """Quotes of several symbols; those that are not listed are named under errors."""
    world, now_ns = world_of(request), world_of(request).clock.wall_ns()
    asked = [name for name in request.query.get("symbols", "").upper().split(",") if name]
    if not asked:
        return refuse(400, "Bad Request", "symbols is missing")
    answer: dict[str, Any] = {name: _quote(world, name, now_ns) for name in asked if name in LISTED}
    unknown = [name for name in asked if name not in LISTED]
    return reply(answer | ({"errors": {"invalidSymbols": unknown}} if unknown else {}))


async def quote(request: web.Request) -> web.Response:
    """Quotes of one symbol."""
    world, symbol = world_of(request), request.match_info["symbol"].upper()
    if symbol not in LISTED:
        return refuse(404, "Not Found", f"Symbol not found: {symbol}")
    return reply({symbol: _quote(world, symbol, world.clock.wall_ns())})


def _quote(world: World, symbol: str, now_ns: int) -> dict[str, Any]:
    book = world.model.book_at(symbol, now_ns)
    units = world.model.instruments[symbol].per_rupee
    bid, ask = book.bids[0], book.asks[0]
    return {
        "assetMainType": "EQUITY",
        "assetSubType": "ETF" if "ETF" in LISTED[symbol] or "TRUST" in LISTED[symbol] else "COE",
        "quoteType": "NBBO",
        "realtime": True,
        "ssid": sum(symbol.encode()),
        "symbol": symbol,
        "reference": {"description": LISTED[symbol], "exchange": "Q", "exchangeName": "NASDAQ"},
        "quote": {
            "bidPrice": bid.price / units,
            "bidSize": bid.quantity,
            "askPrice": ask.price / units,
            "askSize": ask.quantity,
            "lastPrice": book.last_price / units,
            "openPrice": book.open / units,
            "highPrice": book.high / units,
            "lowPrice": book.low / units,
            "totalVolume": book.volume,
            "quoteTime": book.time_ns // NS_PER_MS,
            "tradeTime": book.last_trade_ns // NS_PER_MS,
            "securityStatus": "Normal",
        },
    }


async def user_preference(request: web.Request) -> web.Response:
    """Where the streamer is, and as whom one speaks to it; the account of the stand-in is made up."""
    grants = world_of(request).schwab
    streamer = {
        "streamerSocketUrl": f"wss://{streamer_place(request)}{SCHWAB_STREAM_PATH}",
        "schwabClientCustomerId": grants.app.customer,
        "schwabClientCorrelId": grants.app.customer[:36],
        "schwabClientChannel": CHANNEL,
        "schwabClientFunctionId": FUNCTION,
    }
    offers = [{"level2Permissions": False, "mktDataPermission": "NP"}]
    return reply({"accounts": [], "streamerInfo": [streamer], "offers": offers})


def streamer_place(request: web.Request) -> str:
    """The streamer's own name where this listener has its port; else this machine, since the SDK's WebSocket client
    asks no proxy.
    """
    socket = request.transport.get_extra_info("sockname") if request.transport else None
    port = socket[1] if socket else 443
    return SCHWAB_STREAM_HOST if port == 443 else f"localhost:{port}"
