"""Sends the polls of a slot: each symbol in a task of its own, at most one in flight per symbol."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import structlog

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.monitors import ClockMonitor
from harvester.brokers.fyers.access import NO_TOKEN, Gate
from harvester.brokers.fyers.poll_result import Arrival, PolledFeed
from harvester.capture.sink import Capture
from harvester.capture.status import Deviations

log = structlog.get_logger()
Observer = Callable[[Arrival], None]
OVERDUE = "overdue"
STUCK_NS = 5 * NS_PER_SECOND
"""How much longer than its timeout a poll may take before it counts as stuck."""


class _Flight(NamedTuple):
    task: "asyncio.Task[None]"
    slot_ns: int
    due_mono_ns: int


class Poller:
    """Starts polls on time and brings each to its one end: data, or a missed slot with its cause."""

    def __init__(
        self,
        feed: PolledFeed,
        *,
        gate: Gate,
        capture: Capture,
        watch: ClockMonitor,
        clock: Clock,
        offsets: dict[str, int],
        timeout_ns: int,
        observer: Observer | None = None,
    ) -> None:
        self.deviations = Deviations()
        self._feed = feed
        self._gate = gate
        self._capture = capture
        self._watch = watch
        self._clock = clock
        self._offsets = offsets
        self._patience_ns = timeout_ns + STUCK_NS
        self._observer = observer
        self._in_flight: dict[str, _Flight] = {}

    def start(self, slot_ns: int, slot_mono_ns: int) -> None:
        """Start the polls of one slot, due at `slot_ns` (wall), which is `slot_mono_ns` on the monotonic clock."""
        for symbol, offset_ns in self._offsets.items():
            due_mono_ns = slot_mono_ns + offset_ns
            before = self._in_flight.get(symbol)
            task = asyncio.create_task(self._poll(symbol, slot_ns, due_mono_ns, before.task if before else None))
            self._in_flight[symbol] = _Flight(task, slot_ns, due_mono_ns)
            task.add_done_callback(partial(self._land, symbol))

    @property
    def is_idle(self) -> bool:
        return not self._in_flight

    @property
    def is_stuck(self) -> bool:
        """Whether a poll is in flight for longer than its timeout allows: the service makes no progress."""
        now = self._clock.mono_ns()
        return any(now - flight.due_mono_ns > self._patience_ns for flight in self._in_flight.values())

    async def cancel(self) -> dict[str, int]:
        """Give up what is in flight, unaccounted: the slot that each of these symbols will not have."""
        flights = dict(self._in_flight)
        for flight in flights.values():
            flight.task.cancel()
        await asyncio.gather(*(flight.task for flight in flights.values()), return_exceptions=True)
        return {symbol: flight.slot_ns for symbol, flight in flights.items()}

    def _land(self, symbol: str, task: "asyncio.Task[None]") -> None:
        current = self._in_flight.get(symbol)
        if current and current.task is task:
            del self._in_flight[symbol]
        if not task.cancelled() and (error := task.exception()):
            log.error("poll_failed", symbol=symbol, exc_info=error)

    async def _poll(self, symbol: str, slot_ns: int, due_mono_ns: int, before: "asyncio.Task[None] | None") -> None:
        await self._clock.sleep_until(due_mono_ns)
        if before and not before.done():
            before.cancel(OVERDUE)
            await asyncio.wait([before])
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        refusal = self._gate.refuse(wall_ns, mono_ns)
        token = self._gate.token
        if refusal or token is None:
            cause, detail = refusal or NO_TOKEN
            self._capture.miss(symbol, [slot_ns], cause, detail)
            return
        self.deviations.add(mono_ns - due_mono_ns)
        try:
            arrival = await self._feed.fetch(symbol, slot_ns, token.access_token)
        except asyncio.CancelledError as cancelled:
            if cancelled.args and cancelled.args[0] == OVERDUE:
                self._capture.miss(symbol, [slot_ns], "timeout", "still unanswered when the next poll was due")
            raise
        except Exception as error:  # whatever a feed does, the slot gets its cause
            self._capture.miss(symbol, [slot_ns], "unknown", f"{type(error).__name__} in the feed")
            raise
        arrival = self._gate.learn(arrival, token)
        self._watch.compare(arrival.server_date_ns, arrival.wall_ns)
        self._capture.accept(arrival)
        if self._observer:
            self._observer(arrival)
