"""Market data endpoints: /data/depth, /data/quotes, /data/history, and /data/marketStatus."""

import asyncio
from typing import Any

from aiohttp import web

from exchange.listings import instrument_of
from exchange.market.chain import Chain, expiries, yearly_deviation
from exchange.market.history import BadHistoryRequest, candles, parse_request
from exchange.market.path import daily_variances
from exchange.mishaps import LAG_NS, REVISED_NS
from exchange.quotes import quote
from exchange.replies import NO_CANDLES, NO_LIST, listed_symbols, refuse, reply, success
from exchange.world import World, world_of
from harvester.base.market import to_local

MAX_QUOTES = 50
DEFAULT_STRIKES, MOST_STRIKES = 10, 50
INVALID_SYMBOL = (-300, "Please provide a valid symbol")
INVALID_INPUT = -50
OHLCV_KEYS = ("o", "h", "l", "c", "v")
EXCHANGE_NSE, SEGMENT_CASH, SEGMENT_DERIVATIVES = 10, 10, 11


async def depth(request: web.Request) -> web.Response:
    """Five levels a side of one symbol (Fyers API docs, market depth)."""
    world = world_of(request)
    symbol = request.query.get("symbol", "")
    listed = instrument_of(world, symbol)
    row = world.depth.row(listed, world.clock.wall_ns()) if listed else None
    if row is None:
        return refuse(*INVALID_SYMBOL)
    if request.query.get("ohlcv_flag") != "1":
        row = {key: value for key, value in row.items() if key not in OHLCV_KEYS}
    return reply({"s": "ok", "d": {symbol: row}, "message": ""})


async def quotes(request: web.Request) -> web.Response:
    """Quotes of at most fifty symbols (Fyers API docs, quotes)."""
    return _quotes(world_of(request), request.query.get("symbols", "").split(","))


async def quotes_by_post(request: web.Request) -> web.Response:
    """The same with a JSON body, as SDK 3.2.0 sends it from quotes_v2."""
    symbols = await listed_symbols(request)
    return refuse(*NO_LIST) if symbols is None else _quotes(world_of(request), symbols)


def _quotes(world: World, symbols: list[str]) -> web.Response:
    wanted = [symbol for symbol in symbols if symbol]
    if not wanted:
        return refuse(*INVALID_SYMBOL)
    if len(wanted) > MAX_QUOTES:
        return refuse(INVALID_INPUT, f"Only {MAX_QUOTES} symbols are allowed in one request")
    now = world.clock.wall_ns()
    return reply({"s": "ok", "code": 200, "message": "", "d": [_quote(world, symbol, now) for symbol in wanted]})


def _quote(world: World, symbol: str, now: int) -> dict[str, Any]:
    listed = instrument_of(world, symbol)
    instrument = world.instruments.get(listed) if listed else None
    row = world.depth.row(listed, now) if listed else None
    if row is None or instrument is None:
        code, message = INVALID_SYMBOL
        return {"n": symbol, "s": "error", "v": {"s": "error", "code": code, "errmsg": message}}
    return quote(row, instrument)


async def history(request: web.Request) -> web.Response:
    """Candles (Fyers API docs, history)."""
    world = world_of(request)
    try:
        asked = parse_request(request.query, world.clock.wall_ns())
    except BadHistoryRequest as error:
        return refuse(INVALID_INPUT, str(error))
    if asked.symbol not in world.model.instruments:
        return refuse(*INVALID_SYMBOL)
    async with world.candle_lock:
        now_ns = world.clock.wall_ns() - request.get(LAG_NS, 0)
        rows = await asyncio.to_thread(candles, world.candle_model, asked, now_ns, request.get(REVISED_NS))
    return reply({"s": "ok", "candles": rows} if rows else NO_CANDLES)


async def option_chain(request: web.Request) -> web.Response:
    """Calls and puts around the price of an index or a share (Fyers API docs, option chain)."""
    world, query = world_of(request), request.query
    symbol, now = query.get("symbol", ""), world.clock.wall_ns()
    instrument, row = world.model.instruments.get(symbol), world.depth.row(symbol, now)
    if instrument is None or row is None or instrument.is_future:
        return refuse(*INVALID_SYMBOL)
    count = query.get("strikecount", str(DEFAULT_STRIKES))
    if not count.isdecimal() or not 1 <= int(count) <= MOST_STRIKES:
        return refuse(INVALID_INPUT, f"Please provide strikecount from 1 to {MOST_STRIKES}")
    chain = Chain(
        seed=world.model.seed,
        instrument=instrument,
        row=row,
        now=to_local(now),
        share=_share_of_session(world, now),
        deviation=yearly_deviation(sum(daily_variances(world.model.profile(symbol)))),
        lot=next((item.lot for item in world.instruments.values() if item.underlying == instrument), None),
    )
    asked = query.get("timestamp", "")
    for expiry in expiries(chain.root, chain.now):
        if asked in ("", str(expiry.epoch)):
            return success(data=chain.answer(expiry, int(count), greeks=query.get("greeks") == "1"))
    return refuse(INVALID_INPUT, "Please provide a valid timestamp")


def _share_of_session(world: World, now: int) -> float:
    """How much of the day's continuous trading is over; all of it where there is none."""
    session = world.sessions.session(to_local(now).date())
    phases = [phase for phase in session.phases if phase.name == "continuous"] if session else []
    total = sum(phase.close_ns - phase.open_ns for phase in phases)
    done = sum(min(max(now - phase.open_ns, 0), phase.close_ns - phase.open_ns) for phase in phases)
    return done / total if total else 1.0


async def market_status(request: web.Request) -> web.Response:
    """Status of the cash and the derivatives segment, by the calendar (Fyers API docs, market status)."""
    world = world_of(request)
    rows = [
        {"exchange": EXCHANGE_NSE, "segment": segment, "market_type": "NORMAL", "status": _status(world, segment)}
        for segment in (SEGMENT_CASH, SEGMENT_DERIVATIVES)
    ]
    return success(marketStatus=rows)


def _status(world: World, segment: int) -> str:
    """What the docs call the moment; the closing auction has no documented word and counts as open."""
    now = world.clock.wall_ns()
    listed = next((item for item in world.instruments.values() if item.segment == segment), None)
    sessions = world.sessions.of(listed) if listed else world.sessions
    session = sessions.session(to_local(now).date())
    phases = session.phases if session else ()
    for phase in phases:
        if phase.open_ns <= now < phase.close_ns:
            names = {"pre_open": "PREOPEN", "post_close": "POSTCLOSE_START"}
            return names.get(phase.name, "OPEN")
    if any(phase.name == "pre_open" and phase.close_ns <= now for phase in phases) and now < phases[-1].open_ns:
        opened = any(phase.name == "continuous" and phase.open_ns <= now for phase in phases)
        return "CLOSED" if opened else "PREOPEN_CLOSED"
    if phases and phases[-1].name == "post_close" and now >= phases[-1].close_ns:
        return "POSTCLOSE_CLOSED"
    return "CLOSED"
