"""The watch over one connection: pings, silence that means trouble, snapshots that do not come."""

import asyncio

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.adapter import PING_NS, SNAPSHOT_SECONDS, Session
from harvester.capture.streams.context import Desk
from harvester.ledger.streams import Reason
from harvester.net.websocket import Link

BEAT_SECONDS = 0.5
PROBE_NS = 3 * NS_PER_SECOND
SNAPSHOT_NS = int(SNAPSHOT_SECONDS * NS_PER_SECOND)
ASK_AGAIN_NS = 60 * NS_PER_SECOND
WELL_NS = 3 * NS_PER_SECOND
"""A connection that has delivered for so long has done its work, whatever ends it."""


class Vigil:
    """Watches from the upgrade to the end. Times are monotonic ns."""

    def __init__(self, link: Link, session: Session, desk: Desk) -> None:
        self._link = link
        self._session = session
        self._desk = desk
        self._began_ns = desk.clock.mono_ns()
        self._began_wall_ns = desk.clock.wall_ns()
        self._pinged_ns = self._probed_ns = self._asked_ns = self._began_ns
        self._judged = False

    @property
    def has_delivered(self) -> bool:
        """Whether data still came well after the beginning."""
        return self._link.data_mono_ns - self._began_ns > WELL_NS

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = self._desk.clock.mono_ns()
            if now - self._pinged_ns >= PING_NS:
                self._pinged_ns = now
                self._session.beat(self._link)
            if now - self._probed_ns >= PROBE_NS:
                self._probed_ns = now
                self._link.ping()
            self._look_for_silence(now)
            if now - self._began_ns >= SNAPSHOT_NS:
                self._look_for_snapshots(now)

    def _look_for_silence(self, now: int) -> None:
        mute_ns = self._desk.mute_ns
        patience = f"for {mute_ns / NS_PER_SECOND:g} s"
        since = self._desk.session.trading_since_ns
        if since is not None and now - max(self._link.data_mono_ns, since) > mute_ns:
            self._link.end("mute", f"no data in continuous trading {patience}")
        elif self._link.answers_pings and now - self._link.heard_mono_ns > mute_ns:
            self._link.end("mute", f"nothing came {patience}, not even the answer to a ping")

    def _look_for_snapshots(self, now: int) -> None:
        missing = self._session.missing()
        if not missing or (self._judged and now - self._asked_ns < ASK_AGAIN_NS):
            return
        refusal = self._session.refusal
        waited = f"no snapshot within {SNAPSHOT_SECONDS:g} s of the subscription"
        reason = Reason("refused", refusal) if refusal else Reason("no_snapshot", waited)
        if not self._judged and len(missing) == len(self._session.symbols):
            self._link.end(*reason)
        elif not self._judged:
            self._desk.explain(missing, self._began_wall_ns, reason)
        else:
            self._session.ask_again(self._link)
        self._judged = True
        self._asked_ns = now
