"""HTTP side of the sockets: handshakes, and the two requests that clients make before them."""

from aiohttp import web

from exchange.hosts import DEPTH_SOCKET_URL
from exchange.listings import instrument_of
from exchange.replies import NO_LIST, listed_symbols, refuse, reply, success
from exchange.sockets.connection import serve
from exchange.sockets.hsm_client import HsmClient
from exchange.sockets.order_client import OrderClient
from exchange.sockets.tbt_client import TbtClient
from exchange.world import world_of

MOST_SYMBOLS = 500
TOO_MANY = (-429, "connection limit reached")


async def symbol_token(request: web.Request) -> web.Response:
    """fyTokens of at most 500 tickers (SDK 3.2.0, data_ws:symbol_to_hsmtoken)."""
    symbols = await listed_symbols(request)
    if symbols is None:
        return refuse(*NO_LIST)
    if len(symbols) > MOST_SYMBOLS:
        return refuse(NO_LIST[0], f"Only {MOST_SYMBOLS} symbols are allowed in one request")
    world = world_of(request)
    known = {symbol: world.instruments.get(instrument_of(world, symbol) or "") for symbol in symbols}
    valid = {symbol: instrument.token for symbol, instrument in known.items() if instrument}
    invalid = [symbol for symbol, instrument in known.items() if instrument is None]
    return reply({"s": "ok", "code": 200, "message": "", "validSymbol": valid, "invalidSymbol": invalid})


async def depth_address(_: web.Request) -> web.Response:
    """Where the 50-level socket is."""
    return success(data={"socket_url": DEPTH_SOCKET_URL})


async def data_socket(request: web.Request) -> web.StreamResponse:
    """The data socket (HSM). With an Authorization header the broker accepts and stays silent for ever: so do we."""
    world = world_of(request)
    connection = world.sockets.connection("fyers-hsm", request)
    connection.muted = "Authorization" in request.headers
    socket = await connection.open()
    client = HsmClient(connection, world.sockets.feeds.hsm, world.tokens.check_hsm_key, world.sockets.rules)
    with world.sockets.serving(client) as disorder:
        client.refuses = disorder.refuses_auth
        await serve(connection, bytes, client.take)
    return socket


async def depth_socket(request: web.Request) -> web.StreamResponse:
    """The 50-level depth socket (TBT)."""
    world = world_of(request)
    if not world.sockets.has_room_for_depth():
        return refuse(*TOO_MANY, status=429)
    connection = world.sockets.connection("fyers-tbt", request)
    socket = await connection.open()
    client = TbtClient(connection, world.sockets.feeds.tbt, world.tokens.check_header, request.headers["Authorization"])
    with world.sockets.serving(client):
        await serve(connection, str, client.take)
    return socket


async def order_socket(request: web.Request) -> web.StreamResponse:
    """The order socket."""
    world = world_of(request)
    connection = world.sockets.connection("fyers-orders", request)
    socket = await connection.open()
    client = OrderClient(connection, world.tokens.check_header, request.headers["Authorization"])
    with world.sockets.serving(client):
        await serve(connection, str, client.take)
    return socket
