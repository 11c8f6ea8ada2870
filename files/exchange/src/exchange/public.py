"""Files of the public host: symbol masters as CSV and JSON, and the map of index names."""

from collections.abc import Iterable

from aiohttp import web

from exchange.listings import master_text
from exchange.market.instruments import Instrument
from exchange.replies import reply, rupees
from exchange.sockets.topics import INDEX_SUFFIX
from exchange.world import World, world_of

SEGMENTS = {
    "NSE_CM": (10, 10), "NSE_FO": (10, 11), "NSE_CD": (10, 12), "NSE_COM": (10, 20),
    "BSE_CM": (12, 10), "BSE_FO": (12, 11), "MCX_COM": (11, 20),
}  # fmt: skip
KEYS = (
    "fyToken", "symDetails", "exInstType", "minLotSize", "tickSize", "isin", "tradingSession", "lastUpdate",
    "expiryDate", "symTicker", "exchange", "segment", "exToken", "exSymbol", "underFyTok", "strikePrice", "optType",
)  # fmt: skip


def _select(world: World, name: str) -> Iterable[Instrument]:
    return (item for item in world.instruments.values() if (item.exchange, item.segment) == SEGMENTS[name])


async def symbol_master_csv(request: web.Request) -> web.Response:
    """The symbol master without a header, 21 columns."""
    name = request.match_info["name"]
    if name not in SEGMENTS:
        raise web.HTTPNotFound
    world = world_of(request)
    return web.Response(text=master_text(world, _select(world, name)), content_type="text/csv")


async def symbol_master_json(request: web.Request) -> web.Response:
    """The symbol master as an object by ticker, with prices of the day."""
    world, name = world_of(request), request.match_info["name"]
    if name not in SEGMENTS:
        raise web.HTTPNotFound
    return reply({item.ticker: _details(world, item) for item in _select(world, name)})


def _details(world: World, item: Instrument) -> dict[str, object]:
    row = dict(zip(KEYS, (*item.row[:14], item.row[17], item.row[15], item.row[16]), strict=True))
    prices = world.price_limits(item.ticker)
    return {
        **row,
        "exInstType": int(item.kind),
        "minLotSize": item.lot,
        "tickSize": rupees(item.tick, item.per_rupee),
        "exchange": item.exchange,
        "segment": item.segment,
        "previousClose": rupees(prices.previous_close, item.per_rupee),
        "upperPrice": rupees(prices.upper, item.per_rupee),
        "lowerPrice": rupees(prices.lower, item.per_rupee),
        "qtyMultiplier": 1.0,
        "tradeStatus": 1,
    }


async def index_map(request: web.Request) -> web.Response:
    """Names by which the data socket knows the indices."""
    world = world_of(request)
    tickers = [ticker for ticker in world.instruments if ticker.endswith(INDEX_SUFFIX)]
    return reply({ticker: world.index_name(ticker) for ticker in tickers})
