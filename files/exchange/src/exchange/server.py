"""The HTTP application: routes by host name, and what every request passes through."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from exchange import account, data, handshakes, holidays, indices, mishaps, public, signin, surface
from exchange.hosts import (
    API_HOST,
    ARCHIVE_HOST,
    DATA_SOCKET_PATH,
    DEPTH_ADDRESS_PATH,
    DEPTH_SOCKET_HOST,
    DEPTH_SOCKET_PATH,
    LIST_HOST,
    LOOPBACK,
    ORDER_SOCKET_PATH,
    PUBLIC_HOST,
    SCHWAB_HOST,
    SCHWAB_HOSTS,
    SCHWAB_STREAM_HOST,
    SCHWAB_STREAM_PATH,
    SOCKET_HOST,
    SYMBOL_TOKEN_PATH,
)
from exchange.replies import refuse, unauthorized
from exchange.schwab import routes as schwab
from exchange.world import WORLD, World, world_of
from harvester.base.market import NSE, in_force

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DEPTH_PATH = "/data/depth"
OPEN_PATHS = {"/api/v3/generate-authcode", "/api/v3/validate-authcode", "/api/v3/validate-refresh-token"}
HOSTS = {
    DATA_SOCKET_PATH: SOCKET_HOST, DEPTH_SOCKET_PATH: DEPTH_SOCKET_HOST, ORDER_SOCKET_PATH: SOCKET_HOST,
    holidays.PAGE: LIST_HOST, holidays.LIST: LIST_HOST, SCHWAB_STREAM_PATH: SCHWAB_STREAM_HOST,
}  # fmt: skip
FOLDERS = {"/sym_details/": PUBLIC_HOST, indices.PREFIX: ARCHIVE_HOST} | dict.fromkeys(
    (schwab.OAUTH, schwab.TRADER, schwab.MARKET), SCHWAB_HOST
)
MAX_BODY = 1024 * 1024
log = logging.getLogger("exchange")


def build_app(world: World) -> web.Application:
    """All endpoints of one exchange."""
    app = web.Application(middlewares=[_log, _mishap, _host, _admit], client_max_size=MAX_BODY)
    app[WORLD] = world
    app.add_routes(
        [
            web.get("/api/v3/generate-authcode", signin.show),
            web.post("/api/v3/generate-authcode", signin.submit),
            web.post("/api/v3/validate-authcode", account.validate_authcode),
            web.post("/api/v3/validate-refresh-token", account.validate_refresh_token),
            web.post("/api/v3/logout", account.logout),
            web.get("/api/v3/profile", account.profile),
            web.get(DEPTH_PATH, data.depth),
            web.get("/data/quotes", data.quotes),
            web.post("/data/quotes", data.quotes_by_post),
            web.get("/data/history", data.history),
            web.get("/data/marketStatus", data.market_status),
            web.get("/data/options-chain-v3", data.option_chain),
            *surface.account_routes(),
            web.post(SYMBOL_TOKEN_PATH, handshakes.symbol_token),
            web.get(DEPTH_ADDRESS_PATH, handshakes.depth_address),
            web.get(DATA_SOCKET_PATH, handshakes.data_socket),
            web.get(DEPTH_SOCKET_PATH, handshakes.depth_socket),
            web.get(ORDER_SOCKET_PATH, handshakes.order_socket),
            web.get("/sym_details/index_hsm_mapping.json", public.index_map),
            web.get("/sym_details/{name}_sym_master.json", public.symbol_master_json),
            web.get("/sym_details/{name}.csv", public.symbol_master_csv),
            web.get(holidays.PAGE, holidays.page),
            web.get(holidays.LIST, holidays.holiday_list),
            web.get(indices.PREFIX + "{name}", indices.member_list),
        ]
    )
    if in_force() is not NSE:
        schwab.add_routes(app, world.clock)
    return app


def _symbols(request: web.Request) -> list[str]:
    return [name for key in ("symbol", "symbols") for name in request.query.get(key, "").split(",") if name]


@web.middleware
async def _log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line per request: method, path and status; never a query, header or body, which may hold secrets."""
    response = await handler(request)
    log.debug("%s %s%s %d", request.method, request.host, request.path, response.status)
    return response


@web.middleware
async def _mishap(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Apply the faults that match, and write what became of a /depth request to the served log."""
    world = world_of(request)
    chosen = world.faults.match(request.path, _symbols(request))
    shifts = [armed for armed in chosen if armed.fault.action == "date"]
    others = [armed for armed in chosen if armed.fault.action != "date"]
    label = chosen[0].fault.label if chosen else None
    response: web.StreamResponse
    try:
        if others:
            response = await mishaps.apply(others[0], world.clock.mono_ns(), request, handler)
        else:
            response = await handler(request)
    except mishaps.NoAnswerError:
        _note(request, None, label)
        raise web.HTTPServiceUnavailable from None  # the connection is gone: this reaches nobody
    for armed in shifts:
        mishaps.shift_date(response, armed.fault.offset_seconds)
    _note(request, response, label)
    return response


def _note(request: web.Request, response: web.StreamResponse | None, fault: str | None) -> None:
    if request.path != DEPTH_PATH:
        return
    world = world_of(request)
    body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else None
    gone = request.transport is None or request.transport.is_closing()
    delivered = not gone and response is not None and not isinstance(response, mishaps.Truncated)
    status = response.status if response is not None else 0
    world.served.add(world.clock.wall_ns(), request.query.get("symbol", ""), status, body, fault, delivered=delivered)


@web.middleware
async def _host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Each path belongs to one of the broker's hosts."""
    by_prefix = (host for prefix, host in FOLDERS.items() if request.path.startswith(prefix))
    wanted = next(by_prefix, HOSTS.get(request.path, API_HOST))
    host = request.host.partition(":")[0].lower()
    if host != wanted and not (wanted == SCHWAB_STREAM_HOST and host == LOOPBACK):
        return refuse(404, "not found", status=404)
    return await handler(request)


@web.middleware
async def _admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check the token, then count the request against the app's limits."""
    host = request.host.partition(":")[0].lower()
    if host in SCHWAB_HOSTS or request.path == SCHWAB_STREAM_PATH:
        return await schwab.admit(request, handler)
    is_public = request.host.startswith((PUBLIC_HOST, LIST_HOST, ARCHIVE_HOST))
    if is_public or request.path in OPEN_PATHS or request.path == DATA_SOCKET_PATH:
        return await handler(request)
    if request.match_info.http_exception is not None:
        return refuse(404, "not found", status=404)
    world = world_of(request)
    header = request.headers.get("Authorization")
    if request.path == SYMBOL_TOKEN_PATH and header and ":" not in header:
        header = f"{world.app.app_id}:{header}"  # the SDK sends the bare token here
    refusal = world.tokens.check_header(header)
    if refusal:
        return unauthorized(refusal)
    wait = world.limits.take((header or "").partition(":")[0])
    if wait is None:
        return await handler(request)
    transactional = request.path.startswith("/api/")
    headers = {"Retry-After": str(int(wait) + 1), "X-Retry-After-Ms": str(int(wait * 1000) + 1)}
    return refuse(-429, "request limit reached", status=429, headers=headers if transactional else None)
