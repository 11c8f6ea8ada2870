"""The conversation with Schwab's streamer: log in, subscribe to minutes, and see why the server ends it.

One connection a user: who logs in ends the connection of who was logged in before (response code 12).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.redaction import one_line
from harvester.brokers.access import Access
from harvester.brokers.bars import Candle
from harvester.brokers.protocol import (
    NOTHING,
    REPLY_SECONDS,
    Address,
    GroupPlan,
    LastState,
    OnLive,
    SymbolTally,
)
from harvester.brokers.schwab.chart import (
    ADMIN,
    CLOSE_CONNECTION,
    DONE,
    LOGIN_DENIED,
    NOT_LOGGED_IN,
    ROUND,
    STOP_STREAMING,
    TAKEN,
    Reply,
    Streamer,
    batch_of,
    batches_of,
    read_frame,
    read_streamer,
    say_login,
    say_subscription,
)
from harvester.brokers.schwab.rest import SchwabRestClient
from harvester.config.feeds import ChartSettings
from harvester.journal.format import SCHWAB_STREAM
from harvester.ledger.outage import Cause, Outage
from harvester.net.websocket import ConnectionEnded, WebSocket
from harvester.tokens.handover import Token

LookUp = Callable[[Token], Awaitable[Streamer]]
"""Asks the broker where its streamer is. Raises ConnectionEnded."""
NO_ANSWER = Outage("timeout", f"the streamer: no answer to the login within {REPLY_SECONDS:g} s")


class ChartSession:
    """One login with its subscriptions. A symbol is live once the server has said that it is subscribed."""

    def __init__(self, symbols: tuple[str, ...], on_live: OnLive, *, look_up: LookUp) -> None:
        self.symbols = symbols
        self.differing: set[str] = set()
        self.refusal = ""
        self.unknown = 0
        self._on_live = on_live
        self._look_up = look_up
        self._batches = batches_of(symbols)
        self._confirmed: set[int] = set()
        self._rounds = 0
        self._tallies = dict.fromkeys(symbols, NOTHING)
        self._streamer: Streamer | None = None
        self._socket: WebSocket | None = None
        self._is_logged_in = asyncio.Event()

    def state(self) -> LastState:
        return {}

    def expect(self, state: LastState) -> None:
        """There are no snapshots to compare: minutes come as they end."""

    async def locate(self, token: Token) -> Address:
        self._streamer = await self._look_up(token)
        return Address(self._streamer.url, {})

    async def subscribe(self, socket: WebSocket, token: Token) -> None:
        streamer = self._streamer
        if streamer is None:
            raise ConnectionEnded(Outage("unknown", "the streamer was not looked up"))
        self._socket = socket
        socket.send(say_login(streamer, token.access_token.get_secret_value()))
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                await self._is_logged_in.wait()
        except TimeoutError as error:
            raise ConnectionEnded(NO_ANSWER) from error
        self._ask(socket, streamer)

    def _ask(self, socket: WebSocket, streamer: Streamer) -> None:
        """Subscribe to every batch that is not confirmed."""
        for place, batch in enumerate(self._batches):
            if place not in self._confirmed:
                socket.send(say_subscription(streamer, self._rounds * ROUND + place + 1, batch))
        self._rounds += 1

    def scan(self, message: bytes, wall_ns: int) -> bool:
        frame = read_frame(message)
        if frame is None:
            self.unknown += 1
            return False
        self.unknown += frame.unknown
        for reply in frame.replies:
            self._take(reply, wall_ns)
        for symbol, candle in frame.minutes:
            if symbol in self._tallies and isinstance(candle, Candle):
                self._tallies[symbol] = self._tallies[symbol].plus(SymbolTally(1, wall_ns))
            else:
                self.unknown += 1
        return bool(frame.minutes)

    def _take(self, reply: Reply, wall_ns: int) -> None:
        said = f"code {reply.code}: {one_line(reply.text, 120)}"
        if reply.code == CLOSE_CONNECTION:
            self._end("refused", f"{TAKEN} ({said})")
        elif reply.code == STOP_STREAMING:
            self._end("disconnect", f"the streamer logged this user out ({said})")
        elif reply.code == NOT_LOGGED_IN:
            self._end("disconnect", f"the streamer does not know the login any more ({said})")
        elif reply.service == ADMIN:
            self._take_login(reply, said)
        elif reply.code in DONE:
            self._confirm(batch_of(reply.request), wall_ns)
        else:
            self.refusal = f"the streamer refuses the subscription ({said})"

    def _take_login(self, reply: Reply, said: str) -> None:
        if reply.code in DONE:
            self._is_logged_in.set()
        else:
            is_denied = reply.code == LOGIN_DENIED
            self._end(
                "token_refused" if is_denied else "refused", f"the streamer refuses the login ({said})", is_denied
            )

    def _end(self, cause: Cause, detail: str, about_token: bool = False) -> None:
        """The server closes as well, yet without saying why."""
        if self._socket:
            self._socket.end(Outage(cause, detail), about_token=about_token)

    def _confirm(self, batch: int, wall_ns: int) -> None:
        if batch in self._confirmed or not 0 <= batch < len(self._batches):
            return
        self._confirmed.add(batch)
        for symbol in self._batches[batch]:
            self._on_live(symbol, wall_ns)

    def hear(self, text: str) -> bool:
        """All text is data, and goes to `scan`."""
        return True

    def ping(self, socket: WebSocket) -> None:
        """The protocol has no ping of its own: its heartbeats come unasked."""

    def describe(self) -> dict[str, Any]:
        return {}

    def missing(self) -> list[str]:
        return [symbol for place, batch in enumerate(self._batches) if place not in self._confirmed for symbol in batch]

    def ask_again(self, socket: WebSocket) -> None:
        if self._streamer and self._is_logged_in.is_set():
            self._ask(socket, self._streamer)

    def tally(self, symbol: str) -> SymbolTally:
        return self._tallies[symbol]


class StreamerLookup:
    """One look-up for each attempt to connect. The answer also proves the token."""

    def __init__(self, client: SchwabRestClient, access: Access, clock: Clock) -> None:
        self._client, self._access, self._clock = client, access, clock

    async def find(self, token: Token) -> Streamer:
        """The streamer. Raises ConnectionEnded with the outage that the limits, or the answer, make."""
        if outage := self._access.check_limits(self._clock.wall_ns(), self._clock.mono_ns()):
            raise ConnectionEnded(outage)
        result = self._access.note_result(await self._client.prove_token(token.access_token), token)
        if result.outage:
            cause, detail = result.outage
            raise ConnectionEnded(Outage(cause, f"look-up of the streamer: {detail}"), about_token=cause == "refused")
        streamer = read_streamer(result.body)
        if streamer is None:
            size = len(result.body)
            raise ConnectionEnded(Outage("bad_response", f"userPreference names no streamer ({size} bytes)"))
        return streamer


class ChartSource:
    """All symbols on one connection: a user has no second one."""

    number = SCHWAB_STREAM

    def __init__(self, symbols: tuple[str, ...], settings: ChartSettings, look_up: LookUp) -> None:
        self.symbols = symbols
        self.stale_ns = int(settings.mute_seconds * NS_PER_SECOND)
        self._plan = GroupPlan(symbols, partial(ChartSession, symbols, look_up=look_up))

    async def plan(self) -> list[GroupPlan]:
        return [self._plan]

    def topics(self) -> dict[str, list[str]]:
        return {}

    def recall(self, topics: dict[str, list[str]]) -> None:
        """Nothing is looked up that a later start could use."""
