"""Where nothing comes although the connection answers pings: was nothing sent, or was it missed?

A second connection is opened beside, and its snapshots are compared with what was known last. Equal: the market is
quiet, which is journalled, and the fresh connection is kept. Different: the old one was deaf since its last data.
A market's silence is no reason to reconnect: each answer makes the next question come later, until data has flowed
again for long enough that another silence is out of the ordinary. Whether other groups have data of the same market
meanwhile makes two kinds of silence: a long halt of all teaches nothing about being silent alone.
"""

import asyncio
from enum import Enum, auto

import structlog

from harvester.base.clock import NS_PER_SECOND
from harvester.capture.pulse import Pulse
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.pair import PairMonitor
from harvester.capture.streams.sides import Sides
from harvester.journal.format import FEED_NAMES
from harvester.ledger.outage import Outage
from harvester.net.websocket import WebSocket

log = structlog.get_logger()
LOOK_SECONDS = 0.2
PATIENCE_GROWTH = 30
"""By default a lasting silence is asked about after 10 s, 5 minutes and hours: most halts once or twice."""
LONGEST_NS = 3600 * NS_PER_SECOND
"""Silence after which a group is asked at the latest: longer than the exchanges' usual halts."""
FLOWS, FLOWS_LONG = 6, 60
"""In units of what a connection may be silent for: after a flow of the one, a silence of the same length is out of the
ordinary, after a flow of the other any silence is. So no market is asked more often than once in the latter.
"""
SLOW_NS, MOST_DOUBLINGS = 60 * NS_PER_SECOND, 10
ANSWER_NS = 20 * NS_PER_SECOND
GRACE_NS = 2 * NS_PER_SECOND
"""What shows on the new connection first is on the old one within this time, if that delivers."""
SPARE = Outage("stopped", "not needed: the connection that it was to replace delivers")
ANEW = Outage("stopped", "connected anew, since neither of the pair had data")
QUIET = Outage("stopped", "replaced after a silence in which nothing was missed")


class Answer(Enum):
    """What a second connection says about the first."""

    DELIVERS = auto()
    """Data came on the first meanwhile."""
    QUIET = auto()
    MISSED = auto()
    NONE = auto()
    """The second connection did not come up."""


class SilenceMonitor:
    """Watches one group, between `run` and its cancellation. Times are monotonic ns."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._context = sides.context
        self._stale_ns = sides.context.stale_ns
        self._patience_ns = {True: self._stale_ns, False: self._stale_ns}
        """After how long a silence is asked about, while it is alone in it or others are silent, too."""
        self._is_alone = False
        self._may_overlap = sides.plan.may_overlap or sides.plan.redundant
        self._misses = 0
        """How often in a row something had been missed, and no update came on the connection made in its place."""
        self._heard_ns = 0
        """What had come on that connection when it was judged."""
        self._pair = PairMonitor(self._stale_ns)
        symbols = sides.plan.symbols
        segments = self._context.ledger.segments_of(symbols)
        self._pulse = Pulse(self._context.feed, frozenset(symbols), frozenset(segments), self._stale_ns)

    async def run(self) -> None:
        """Monitor until cancelled."""
        pulses = self._context.trading.pulses
        pulses.append(self._pulse)
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                await self._look_safely()
        finally:
            pulses.remove(self._pulse)

    async def _look_safely(self) -> None:
        try:
            await self._look()
        except Exception as error:  # a defect of ours must not end the watch, nor be repeated ten times a second
            log.error("silence_not_judged", feed=FEED_NAMES[self._context.feed], exc_info=error)
            self._be_patient()

    async def _look(self) -> None:
        if self._sides.plan.redundant:
            self._pair.look(self._sides.connections, self._context.clock.mono_ns())
        if self._misses and max(self._heard(), default=0) > self._heard_ns:
            self._misses, self._pulse.is_doubted = 0, False
            self._wait_at_most(self._stale_ns)
        self._pulse.beat(self._last_data_ns())
        if self._pulse.flow_ns > self._stale_ns * FLOWS:
            self._wait_at_most(self._stale_ns * FLOWS)
        if self._pulse.flow_ns > self._stale_ns * FLOWS_LONG:
            self._wait_at_most(self._stale_ns)
        if self._overdue():
            async with self._context.replacing:
                if silent_ns := self._overdue():  # it may have waited for its turn
                    await self._ask(silent_ns)

    def _wait_at_most(self, patience_ns: int) -> None:
        self._patience_ns = {kind: min(before_ns, patience_ns) for kind, before_ns in self._patience_ns.items()}

    def _overdue(self) -> int:
        """How long nothing has come that should have, where that is to be asked about; else 0."""
        silent_ns, now = self._silent_for(), self._context.clock.mono_ns()
        others = (pulse for pulse in self._context.trading.pulses if pulse is not self._pulse)
        self._is_alone = any(pulse.speaks_against(self._pulse, now - silent_ns, now) for pulse in others)
        return silent_ns if silent_ns > self._patience_ns[self._is_alone] else 0

    def _silent_for(self) -> int:
        """How long nothing has come that should have; 0: it cannot be said, or another feed's group is asked first."""
        last_ns = self._last_data_ns()
        if not last_ns:
            return 0
        now = self._context.clock.mono_ns()
        for pulse in self._context.trading.pulses:
            if pulse.explains(self._pulse):
                if now - pulse.heard_ns > pulse.stale_ns:
                    return 0
                last_ns = max(last_ns, pulse.rested_ns)
        return now - last_ns

    def _last_data_ns(self) -> int:
        """When data came last, or trading began, on connections that are up while a segment of theirs trades; or 0."""
        ledger, symbols, heard = self._context.ledger, self._sides.plan.symbols, self._heard()
        trading = self._context.trading.since_ns
        since = [trading[segment] for segment in ledger.segments_of(symbols) if segment in trading]
        if not since or not heard or not any(map(ledger.is_live, symbols)):
            return 0
        return max(min(since), *heard)

    def _heard(self) -> list[int]:
        """When data came last on each connection that is up."""
        return [socket.data_mono_ns for each in self._sides.connections if (socket := _open_socket(each))]

    async def _ask(self, silent_ns: int) -> None:
        """Have another connection say whether something was missed, and keep the one that delivers."""
        sides = self._sides
        old = max(sides.connections, key=lambda one: socket.data_mono_ns if (socket := _open_socket(one)) else 0)
        new, socket, session = sides.other(old), old.socket, old.session
        if socket is None or session is None:
            return
        outage = Outage("mute", f"no data for {silent_ns / NS_PER_SECOND:.0f} s, and others had some")
        missing = old.missing()
        old.is_doubted = new.is_doubted = True
        self._be_patient()
        if sides.plan.redundant:
            await new.stop(ANEW)
        elif not self._may_overlap:
            await old.stop(outage)
            sides.active = new
        new.start(session.state())
        answer = await self._answer(old, socket, new, missing, outage)
        log.info("silence_judged", feed=FEED_NAMES[self._context.feed], stream=old.stream, answer=answer.name.lower())
        if answer is Answer.QUIET and new.socket:
            quiet = [symbol for symbol in sides.plan.symbols if symbol not in missing]
            self._context.mark_quiet(quiet, socket.data_wall_ns, new.socket.data_wall_ns)
        await self._keep_one(old, new, answer, outage)

    async def _answer(
        self, old: StreamConnection, socket: WebSocket, new: StreamConnection, missing: set[str], outage: Outage
    ) -> Answer:
        clock = self._context.clock
        began_ns, heard_ns, settled_ns = clock.mono_ns(), socket.data_mono_ns, 0
        while clock.mono_ns() - began_ns < ANSWER_NS:
            if old.is_open and socket.data_mono_ns > heard_ns:
                return Answer.DELIVERS
            if not old.is_open and not self._sides.plan.redundant:
                await old.stop(outage)  # where one connection is allowed, it must not come back and end the new one
            if new.session and new.is_open and new.missing() <= missing:
                settled_ns = settled_ns or clock.mono_ns()
                if not new.session.differing:
                    return Answer.QUIET
                self._pulse.is_doubted = True
                if not old.is_open or clock.mono_ns() - settled_ns > GRACE_NS:
                    return Answer.MISSED
            if old.is_open and _is_limited(new):
                return Answer.NONE
            await asyncio.sleep(LOOK_SECONDS)
        return Answer.NONE

    async def _keep_one(self, old: StreamConnection, new: StreamConnection, answer: Answer, outage: Outage) -> None:
        """After an answer one connection delivers, or both of a pair."""
        is_pair, is_beside = self._sides.plan.redundant, old.is_running
        if answer is Answer.MISSED:
            self._note_miss(new)
            await old.stop(outage)
            if is_pair:
                old.start()
        else:
            old.is_doubted = self._pulse.is_doubted = False
        if is_pair:
            return
        if answer is Answer.QUIET:
            await old.stop(QUIET)
        elif answer is not Answer.MISSED and is_beside:
            if answer is Answer.NONE and _is_limited(new):
                self._may_overlap = False
                self._wait_at_most(self._stale_ns)
            await new.stop(SPARE)
            return
        self._sides.active = new

    def _note_miss(self, new: StreamConnection) -> None:
        """Ask again soon, but not for ever: a server that sends nothing but snapshots is asked once a minute."""
        patience_ns = min(self._stale_ns * 2**self._misses, max(self._stale_ns, SLOW_NS))
        self._patience_ns = dict.fromkeys(self._patience_ns, patience_ns)
        self._heard_ns = new.socket.data_mono_ns if new.socket else 0
        self._pulse.begin_anew(self._heard_ns)
        self._misses = min(self._misses + 1, MOST_DOUBLINGS)

    def _be_patient(self) -> None:
        self._pulse.begin_anew(self._pulse.heard_ns)
        longer_ns = min(self._patience_ns[self._is_alone] * PATIENCE_GROWTH, LONGEST_NS)
        self._patience_ns[self._is_alone] = longer_ns


def _is_limited(connection: StreamConnection) -> bool:
    """Whether the broker did not want it."""
    return connection.outage is not None and connection.outage.cause in ("refused", "rate_limited")


def _open_socket(connection: StreamConnection) -> WebSocket | None:
    return connection.socket if connection.is_open else None
