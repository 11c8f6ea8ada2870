"""The polled feed: sends each symbol's scheduled polls, at most one in flight a symbol, and journals the answers."""

import asyncio
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import structlog

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.brokers.access import NO_TOKEN
from harvester.brokers.protocol import PollClient, PollResult
from harvester.capture.context import RecorderContext
from harvester.capture.feed import Feed, SymbolCounters, Turn
from harvester.capture.history import ReplayedFeed
from harvester.capture.segments import marked, part_id
from harvester.journal.format import FEED_NAMES, Poll, encode_poll
from harvester.ledger.gaps import ControlRecord
from harvester.ledger.outage import Outage
from harvester.ledger.polls import PollLedger

log = structlog.get_logger()
Observer = Callable[[PollResult], None]
KEPT = 5000
OVERDUE = "overdue"
STUCK_NS = 5 * NS_PER_SECOND
"""How much longer than its timeout a poll may take before it counts as stuck."""


class Deviations:
    """How late polls start: the last `KEPT` for percentiles, and the largest since the start."""

    def __init__(self) -> None:
        self._recent = array("q")
        self._largest = 0

    def add(self, deviation_ns: int) -> None:
        """Take in one poll's start minus its schedule, in ns."""
        size = abs(deviation_ns)
        self._largest = max(self._largest, size)
        self._recent.append(size)
        del self._recent[:-KEPT]

    def describe(self) -> dict[str, float | None]:
        """p50, p99 and max in milliseconds; None before the first poll."""
        ordered = sorted(self._recent)
        if not ordered:
            return {"p50": None, "p99": None, "max": None}
        last = len(ordered) - 1
        chosen = {"p50": ordered[last // 2], "p99": ordered[last * 99 // 100], "max": self._largest}
        return {name: round(size / NS_PER_MS, 3) for name, size in chosen.items()}


class _Flight(NamedTuple):
    task: "asyncio.Task[None]"
    slot_ns: int
    due_mono_ns: int


class PollFeed(Feed):
    """Polls every slot of a window or, as REST fallback, those in which a connection of another feed is down."""

    def __init__(
        self,
        context: RecorderContext,
        client: PollClient,
        *,
        down_for: Callable[[], int] | None = None,
        observer: Observer | None = None,
    ) -> None:
        """`down_for` says for how long, in ns, the feed that polls replace as fallback has been down."""
        settings, run = context.settings, context.run
        self.number = client.number
        self.name = FEED_NAMES[self.number]
        is_used = self.name in settings.feeds
        symbols = settings.symbols if is_used else ()
        always = is_used and settings.poll.when == "always"
        self.interval_ns = settings.poll.interval_ns if always else None
        shares = context.split(symbols)
        self.ledgers: dict[str, PollLedger] = {
            segment: PollLedger(part_id(run.run_id, segment), share, settings.poll.interval_ns, always=always)
            for segment, share in shares.items()
        }
        self._ledger_of = {symbol: self.ledgers[segment] for segment, share in shares.items() for symbol in share}
        for segment, share in shares.items():
            self.ledgers[segment].others = self._ledger_of.keys() - set(share)
        self.deviations = Deviations()
        self._context = context
        self._client = client
        self._sink = context.sink
        self._clock = context.clock
        self._down_for = down_for if is_used and not always else None
        self._observer = observer
        self._fallback_ns = settings.poll.fallback_ns
        self._stuck_ns = int(settings.poll.timeout * NS_PER_SECOND) + STUCK_NS
        self._offsets = dict(zip(symbols, settings.poll_offsets(), strict=False))
        self._streams = {symbol: number for number, symbol in run.streams.items()}
        self._counters = {symbol: SymbolCounters() for symbol in symbols}
        self._in_flight: dict[str, list[_Flight]] = {symbol: [] for symbol in symbols}
        """By symbol: the newest waits for its turn while the one before is still unanswered."""

    @property
    def next_due_ns(self) -> int | None:
        return min((each.next_ns for each in self.ledgers.values() if each.next_ns is not None), default=None)

    @property
    def is_stuck(self) -> bool:
        now = self._clock.mono_ns()
        return any(now - flight.due_mono_ns > self._stuck_ns for row in self._in_flight.values() for flight in row)

    @property
    def messages(self) -> int:
        return sum(counters.updates for counters in self._counters.values())

    def follow(self, turn: Turn) -> None:
        for segment, ledger in self.ledgers.items():
            self._poll_due(ledger, turn)
            if self._down_for and ledger.window:
                down_ns = self._down_for()
                if down_ns >= self._fallback_ns:
                    self._mark_all(segment, ledger.start_polling(turn.wall_ns))
                elif down_ns == 0:
                    self._mark_all(segment, ledger.stop_polling())

    def finish_window(self, turn: Turn, segment: str) -> bool:
        ledger = self.ledgers[segment]
        self._poll_due(ledger, turn)
        return not any(self._in_flight[symbol] for symbol in ledger.states)

    def change_token(self) -> None:
        """Each poll takes the token that is in force."""

    def recall(self, history: ReplayedFeed) -> None:
        for ledger in self.ledgers.values():
            ledger.recall(history.accounted)

    def checkpoint(self) -> dict[str, Any]:
        parts = [ledger.checkpoint() for ledger in self.ledgers.values()]
        accounted = {symbol: ns for part in parts for symbol, ns in part["accounted"].items()}
        return {"accounted": accounted, "open": [gap for part in parts for gap in part["open"]]}

    @property
    def symbols(self) -> Collection[str]:
        return self._counters

    def count(self, symbol: str) -> SymbolCounters:
        counters, state = self._counters[symbol], self._ledger_of[symbol].states[symbol]
        counters.slots, counters.accounted_ns = state.slots, state.accounted_ns
        counters.last_error = f"{state.outage.cause}: {state.outage.detail}" if state.outage else ""
        return counters

    async def stop(self, outage: Outage) -> None:
        flights = {symbol: [each for each in row if not each.task.done()] for symbol, row in self._in_flight.items()}
        tasks = [flight.task for row in flights.values() for flight in row]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for symbol, row in flights.items():
            ledger = self._ledger_of[symbol]
            if not ledger.is_polling:
                continue
            coming = [] if ledger.next_ns is None else [ledger.next_ns]
            for slot_ns in [flight.slot_ns for flight in row if flight.task.cancelled()] or coming:
                self._miss([symbol], [slot_ns], outage)

    def _mark_all(self, segment: str, records: list[ControlRecord]) -> None:
        polling = ("polling", "polling_end")
        self._sink.write_all([marked(each, segment) if each["type"] in polling else each for each in records])

    def _poll_due(self, ledger: PollLedger, turn: Turn) -> None:
        due = ledger.take_due(turn.wall_ns)
        if due.missed:
            self._miss(ledger.states, due.missed, turn.late)
        if due.slot_ns is not None and turn.hold:
            self._miss(ledger.states, [due.slot_ns], turn.hold)
        elif due.slot_ns is not None:
            self._start(ledger.states, due.slot_ns, turn.mono_ns + due.slot_ns - turn.wall_ns)

    def _start(self, symbols: Iterable[str], slot_ns: int, slot_mono_ns: int) -> None:
        """Start the symbols' polls of the slot at `slot_ns` (wall), which is `slot_mono_ns` on the monotonic clock."""
        for symbol in symbols:
            due_mono_ns = slot_mono_ns + self._offsets[symbol]
            flights = self._in_flight[symbol]
            before = flights[-1].task if flights else None
            task = asyncio.create_task(self._poll(symbol, slot_ns, due_mono_ns, before))
            flights.append(_Flight(task, slot_ns, due_mono_ns))
            task.add_done_callback(partial(self._land, symbol))

    async def _poll(self, symbol: str, slot_ns: int, due_mono_ns: int, before: "asyncio.Task[None] | None") -> None:
        """Bring one poll to its end: an answer in the journal, or a missed slot with its cause."""
        await self._clock.sleep_until(due_mono_ns)
        if before and not before.done():
            before.cancel(OVERDUE)
            await asyncio.wait([before])
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        outage = self._context.access.check_request(wall_ns, mono_ns)
        token = self._context.access.token
        if outage or token is None:
            self._miss([symbol], [slot_ns], outage or NO_TOKEN)
            return
        self.deviations.add(mono_ns - due_mono_ns)
        try:
            result = await self._client.fetch(symbol, slot_ns, token.access_token)
        except asyncio.CancelledError as cancelled:
            if cancelled.args and cancelled.args[0] == OVERDUE:
                self._miss([symbol], [slot_ns], Outage("timeout", "still unanswered when the next poll was due"))
            raise
        except Exception as error:  # whatever a client does, the slot gets its cause
            self._miss([symbol], [slot_ns], Outage("unknown", f"{type(error).__name__} in the feed"))
            raise
        result = self._context.access.note_result(result, token)
        self._context.watch.compare(result.server_date_ns, result.wall_ns)
        self._record(result)
        if self._observer:
            self._observer(result)

    def _land(self, symbol: str, task: "asyncio.Task[None]") -> None:
        self._in_flight[symbol] = [flight for flight in self._in_flight[symbol] if flight.task is not task]
        if not task.cancelled() and (error := task.exception()):
            log.error("poll_failed", symbol=symbol, exc_info=error)

    def _record(self, result: PollResult) -> None:
        """Journal what arrived, then account for the slot."""
        counters, outage = self._counters[result.symbol], result.outage
        counters.last_http = result.status or counters.last_http
        if result.status:
            payload = encode_poll(Poll(result.scheduled_ns, result.sent_ns, result.status, result.body))
            stream = self._streams[result.symbol]
            if not self._sink.append(self.number, stream, payload, result.wall_ns, result.mono_ns):
                outage = Outage("disk_full", self._sink.failure or "the journal refused the record")
        if outage:
            self._miss([result.symbol], [result.scheduled_ns], outage)
        else:
            counters.updates += 1
            counters.last_recv_ns = result.wall_ns
            self._sink.write_all(self._ledger_of[result.symbol].record(result.symbol, result.scheduled_ns))

    def _miss(self, symbols: Iterable[str], slots: Sequence[int], outage: Outage) -> None:
        for symbol in symbols:
            records = self._ledger_of[symbol].miss([symbol], slots, outage)
            self._sink.write_all(records)
            if records:
                log.warning("gap_opened", symbol=symbol, **outage._asdict())
