"""The liveness monitor: pings a connection, ends it when it is stale, and notices snapshots that do not come.

Signs of life are the connection's own, an answered ping or any frame; how often symbols change is none.
"""

import asyncio

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.protocol import PING_NS, SNAPSHOT_SECONDS, StreamSession
from harvester.capture.streams.context import FeedContext
from harvester.ledger.outage import Outage
from harvester.net.websocket import WebSocket

BEAT_SECONDS = 0.5
PROBE_NS = 3 * NS_PER_SECOND
SNAPSHOT_NS = int(SNAPSHOT_SECONDS * NS_PER_SECOND)
ASK_AGAIN_NS = 60 * NS_PER_SECOND
LIVED_NS = 3 * NS_PER_SECOND
"""After a life of so long an attempt counts as successful, however it ends."""


class LivenessMonitor:
    """Monitors a connection from its upgrade to its end. Times are monotonic ns."""

    def __init__(self, socket: WebSocket, session: StreamSession, context: FeedContext) -> None:
        self._socket = socket
        self._session = session
        self._context = context
        self._began_ns = context.clock.mono_ns()
        self._began_wall_ns = context.clock.wall_ns()
        self._pinged_ns = self._probed_ns = self._asked_ns = self._began_ns
        self._is_judged = False
        self._probe_ns = min(PROBE_NS, context.stale_ns // 3)
        self._beat_seconds = min(BEAT_SECONDS, self._probe_ns / NS_PER_SECOND)

    @property
    def has_lived(self) -> bool:
        """Whether there were snapshots, and a sign of life well after the beginning."""
        has_snapshots = len(self._session.missing()) < len(self._session.symbols)
        return has_snapshots and self._socket.heard_mono_ns - self._began_ns > LIVED_NS

    async def run(self) -> None:
        """Monitor until cancelled."""
        while True:
            await asyncio.sleep(self._beat_seconds)
            now = self._context.clock.mono_ns()
            if now - self._pinged_ns >= PING_NS:
                self._pinged_ns = now
                self._session.ping(self._socket)
            if now - self._probed_ns >= self._probe_ns:
                self._probed_ns = now
                self._socket.ping()
            self._check_stale(now)
            if now - self._began_ns >= SNAPSHOT_NS:
                self._check_snapshots(now)

    def _check_stale(self, now: int) -> None:
        stale_ns, heard = self._context.stale_ns, "the answer to a ping"
        if self._context.has_heartbeats:
            heard = "a heartbeat"
        elif not self._socket.answers_pings:
            return
        if now - self._socket.heard_mono_ns > stale_ns:
            self._socket.end(Outage("mute", f"nothing came for {stale_ns / NS_PER_SECOND:g} s, not even {heard}"))

    def _check_snapshots(self, now: int) -> None:
        """Judge once what is missing: all, so the connection ends, or some symbols, which are asked for again."""
        missing = self._session.missing()
        if not missing or (self._is_judged and now - self._asked_ns < ASK_AGAIN_NS):
            return
        refusal = self._session.refusal
        waited = f"no snapshot within {SNAPSHOT_SECONDS:g} s of the subscription"
        outage = Outage("refused", refusal) if refusal else Outage("no_snapshot", waited)
        if self._is_judged:
            self._session.ask_again(self._socket)
        elif len(missing) == len(self._session.symbols):
            self._socket.end(outage)
        else:
            self._context.mark_cause(missing, self._began_wall_ns, outage)
        self._is_judged = True
        self._asked_ns = now
