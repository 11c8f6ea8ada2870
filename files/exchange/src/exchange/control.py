"""The control API, HTTP on a unix socket: faults, the served log, sockets, revocation, state."""

import asyncio
from pathlib import Path

import msgspec
from aiohttp import web

from exchange.faults import parse_faults
from exchange.replies import reply
from exchange.world import WORLD, world_of
from harvester.base.errors import ConfigError, HarvesterError

LONGEST_PATH = 107
"""What the kernel allows for the name of a unix socket."""


async def _post_faults(request: web.Request) -> web.Response:
    try:
        faults = parse_faults(await request.read(), "request")
    except ConfigError as error:
        return reply({"error": str(error)}, status=400)
    return reply({"armed": len(world_of(request).faults.arm(faults))})


async def _delete_faults(request: web.Request) -> web.Response:
    world_of(request).faults.clear()
    return reply({"armed": 0})


async def _get_faults(request: web.Request) -> web.Response:
    rows = [
        {"fault": msgspec.to_builtins(armed.fault), "matched": armed.matched, "used": armed.used}
        for armed in world_of(request).faults.armed
    ]
    return reply(rows)


async def _get_log(request: web.Request) -> web.StreamResponse:
    try:
        since = int(request.query.get("since_ns", "0"))
    except ValueError:
        return reply({"error": "since_ns must be a whole number of nanoseconds"}, status=400)
    rows = await asyncio.to_thread(lambda: b"".join(world_of(request).served.since(since)))
    return web.Response(body=rows, content_type="application/x-ndjson")


async def _get_sockets(request: web.Request) -> web.Response:
    return reply(world_of(request).sockets.describe())


async def _revoke(request: web.Request) -> web.Response:
    world_of(request).tokens.revoke_all()
    return reply({"revoked": True})


async def _state(request: web.Request) -> web.Response:
    world = world_of(request)
    return reply(
        {
            "now_ns": world.clock.wall_ns(),
            "seed": world.model.seed,
            "symbols": len(world.instruments),
            "depth_answers": world.served.count,
            "rate_limits": world.limits.enabled,
            "faults": len(world.faults.armed),
            "replay": world.replay() if world.replay else None,
        }
    )


class Control:
    """Serves the control application on a socket that only its owner may open."""

    def __init__(self, path: Path, main: web.Application) -> None:
        if len(str(path)) > LONGEST_PATH:
            raise HarvesterError(
                f"{path}: too long for the name of a unix socket ({LONGEST_PATH} bytes at most). Choose a state"
                " directory with a shorter path."
            )
        self._path = path
        app = web.Application()
        app[WORLD] = main[WORLD]
        app.add_routes(
            [
                web.post("/faults", _post_faults),
                web.get("/faults", _get_faults),
                web.delete("/faults", _delete_faults),
                web.get("/log", _get_log),
                web.get("/sockets", _get_sockets),
                web.post("/revoke", _revoke),
                web.get("/state", _state),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def start(self) -> None:
        """Listen, replacing the socket of an exchange that is gone."""
        await self._runner.setup()
        self._path.unlink(missing_ok=True)
        await web.UnixSite(self._runner, str(self._path)).start()
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        await self._runner.cleanup()
        self._path.unlink(missing_ok=True)
