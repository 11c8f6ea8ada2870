"""One whole exchange: state directory, world, listener, control socket and proxy, started and stopped together."""

import asyncio
import contextlib
import json
import logging
import os
from typing import TYPE_CHECKING

from exchange.certificates import ensure_certificates, server_context
from exchange.control import Control
from exchange.faults import Armed, FaultSchedule
from exchange.grants import Grants
from exchange.hosts import BROKER_HOSTS
from exchange.limits import RateLimits
from exchange.listener import Listener
from exchange.market.disruptions import Disruptions, Show
from exchange.market.instruments import Instrument, load_instruments
from exchange.market.load import LoadMarket
from exchange.market.model import BookModel
from exchange.market.sessions import AlwaysOpen, CalendarSessions, Sessions, state_hours
from exchange.options import Options
from exchange.proxy import Proxy
from exchange.schwab.tickers import us_instruments
from exchange.server import build_app
from exchange.sockets.market import MarketFeeds
from exchange.sockets.registry import Feeds, Sockets
from exchange.state import StateDir, write_file
from exchange.tokens import Tokens
from exchange.world import DepthSource, ModelDepth, ServedLog, World
from harvester.base.clock import Clock, SystemClock
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import NSE, in_force

if TYPE_CHECKING:
    from exchange.options import ReplayOptions
    from exchange.replay.player import Player

LOOK_SECONDS = 0.05
CALENDAR_SECONDS = 1.0
RESTART_SECONDS = 1.0
log = logging.getLogger("exchange")


class Exchange:
    """Use as `async with Exchange(options) as exchange:`."""

    def __init__(self, options: Options, clock: Clock | None = None) -> None:
        self.options = options
        self.clock = clock or SystemClock()
        named = self._read_named()
        self.state = StateDir(options.state).prepare()
        self.state.lock()
        self.state.register(options.redirect_uris)
        ensure_certificates(self.state.path)
        self.faults = FaultSchedule(self.clock)
        self.player: Player | None = None
        """Of a recorded day."""
        self.world = self._make_world(*named)
        app = build_app(self.world)
        self.listener = Listener(app, options.address, options.port, server_context(self.state.path))
        self._control = Control(self.state.control, app)
        self._watch: asyncio.Task[None] | None = None
        self.proxy_url = ""

    def _read_named(self) -> "tuple[Sessions, dict[str, Instrument], Player | None]":
        """What files that the options name say: read before anything is made. Raises ConfigError."""
        options = self.options
        hours = options.segment_hours
        sessions: Sessions = AlwaysOpen() if options.always_open else CalendarSessions(options.calendar, hours)
        listed = load_instruments(options.symbols_file) if in_force() is NSE else us_instruments()
        instruments = state_hours(listed, hours)
        return sessions, instruments, _open_day(options.day) if options.day else None

    def _make_world(self, sessions: Sessions, instruments: dict[str, Instrument], player: "Player | None") -> World:
        options = self.options
        if player:
            from exchange.replay.feeds import recorded_instruments

            instruments = recorded_instruments(player, instruments)
        load = LoadMarket(0 if player else options.load_symbols, options.load_rate, options.seed)
        model = BookModel(options.seed, instruments, sessions, busy=options.busy)
        show = Disruptions(self.faults, model, self.clock).show
        world = World(
            state=self.state,
            app=self.state.app(),
            clock=self.clock,
            sessions=sessions,
            instruments=instruments | load.instruments,
            load=load,
            model=model,
            candle_model=BookModel(options.seed, instruments, sessions, busy=options.busy),
            depth=self._depth(model, load, show),
            tokens=Tokens(self.state, self.clock, valid_seconds=options.token_seconds),
            limits=RateLimits(self.clock, enabled=options.rate_limits),
            faults=self.faults,
            served=ServedLog(self.state.served),
            sockets=self._sockets(MarketFeeds(model, load, self.clock, show)),
            schwab=Grants(self.state, self.clock, access_seconds=options.token_seconds),
            refresh_allowed=options.refresh_allowed,
            calendar=options.calendar,
            holiday_list=options.holiday_list,
        )
        if player:
            self._serve_day(world, player)
        return world

    def _serve_day(self, world: World, player: "Player") -> None:
        """Put a recorded day in the place of the model."""
        from exchange.replay.answers import RecordedDepth
        from exchange.replay.feeds import ReplayFeeds, recorded_index_names

        self.player = player
        world.depth = RecordedDepth(player, world.instruments)
        world.sockets = self._sockets(ReplayFeeds(player))
        world.index_name = recorded_index_names(player)
        world.replay = player.describe
        player.drained = world.sockets.drained

    def _sockets(self, feeds: Feeds) -> Sockets:
        keep = None
        if self.options.keep_frames:
            keep = self.state.frames
            keep.mkdir(exist_ok=True)
        return Sockets(feeds, self.clock, self.options.sockets, self.faults, keep)

    def _depth(self, model: BookModel, load: LoadMarket, show: Show) -> DepthSource:
        if self.options.replay is None:
            return ModelDepth(model, load, show)
        from exchange.replay.rows import load_replay  # pyarrow is slow to import and seldom needed

        return load_replay(self.options.replay, self.clock.wall_ns(), model.instruments)

    async def __aenter__(self) -> "Exchange":
        self.world.sockets.start()
        await self.listener.start()
        await self._control.start()
        self._proxy = Proxy((self.options.address, self.listener.port))
        self.proxy_url = await self._proxy.start()
        self.world.faults.arm(self.options.faults)
        self._watch = asyncio.create_task(self._watch_clock())
        write_file(self.state.ready, (json.dumps(self.describe()) + "\n").encode(), mode=0o644)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self.state.ready.unlink(missing_ok=True)
        await self._proxy.stop()
        await self._control.stop()
        self.world.sockets.end_all()
        await self.listener.stop()
        await self.world.sockets.stop()
        self.world.served.close()
        self.state.unlock()

    def describe(self) -> dict[str, object]:
        """What a client needs to know; no secret."""
        return {
            "ready": True,
            "pid": os.getpid(),
            "address": self.options.address,
            "port": self.listener.port,
            "hosts": list(BROKER_HOSTS),
            "proxy": self.proxy_url,
            "ca": str(self.state.ca),
            "control": str(self.state.control),
            "app_id": self.world.app.app_id,
        }

    async def _watch_clock(self) -> None:
        """Carry out the faults of the whole exchange when they are due, and follow the calendar file."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for armed in self.world.faults.due():
                await self._happen(armed)
            self.world.sockets.disturb()
            looks += 1
            if looks * LOOK_SECONDS >= CALENDAR_SECONDS:
                looks = 0
                self._follow_calendar()
                self.world.sockets.drop_refused()

    async def _happen(self, armed: Armed) -> None:
        fault = armed.fault
        log.info("fault %s: %s", fault.label, fault.action)
        if fault.action == "revoke":
            self.world.tokens.revoke_all()
            self.world.schwab.revoke_all()
            return
        await self.listener.close()
        await asyncio.sleep(fault.duration_seconds or RESTART_SECONDS)
        try:
            await self.listener.open()
        except HarvesterError as error:
            log.error("the listener is not restored: %s", error)

    def _follow_calendar(self) -> None:
        sessions = self.world.sessions
        if not isinstance(sessions, CalendarSessions):
            return
        try:
            if sessions.reload_if_changed():
                self.world.model.forget()
                self.world.candle_model.forget()
                self.world.sockets.feeds.forget()
                log.info("calendar read again")
        except ConfigError as error:
            log.error("%s", error)


def _open_day(options: "ReplayOptions") -> "Player":
    from exchange.replay.player import Player  # numpy and the archive's reader, seldom needed
    from exchange.replay.recording import open_recording

    return Player(open_recording(options.folder, options.day), options)
