"""The liveness monitor: pings a connection, ends it when it is stale, and notices snapshots that do not come."""

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
DELIVERED_NS = 3 * NS_PER_SECOND
"""After data for so long an attempt counts as successful, however it ends."""


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

    @property
    def has_delivered(self) -> bool:
        """Whether data still came well after the beginning."""
        return self._socket.data_mono_ns - self._began_ns > DELIVERED_NS

    async def run(self) -> None:
        """Monitor until cancelled."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = self._context.clock.mono_ns()
            if now - self._pinged_ns >= PING_NS:
                self._pinged_ns = now
                self._session.ping(self._socket)
            if now - self._probed_ns >= PROBE_NS:
                self._probed_ns = now
                self._socket.ping()
            self._check_stale(now)
            if now - self._began_ns >= SNAPSHOT_NS:
                self._check_snapshots(now)

    def _check_stale(self, now: int) -> None:
        stale_ns = self._context.stale_ns
        limit = f"for {stale_ns / NS_PER_SECOND:g} s"
        since = self._context.trading.since_ns
        if since is not None and now - max(self._socket.data_mono_ns, since) > stale_ns:
            self._socket.end(Outage("mute", f"no data in continuous trading {limit}"))
        elif self._socket.answers_pings and now - self._socket.heard_mono_ns > stale_ns:
            self._socket.end(Outage("mute", f"nothing came {limit}, not even the answer to a ping"))

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
