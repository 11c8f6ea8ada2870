"""The feed of the broker's own candles: rounds of requests for the bars that are due, spaced out, journalled raw."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import date
from functools import partial
from typing import Any, NamedTuple

import structlog

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.brokers.access import NO_TOKEN, USED_UP
from harvester.brokers.protocol import CandleClient, PollResult
from harvester.calendar import SegmentName, TradingCalendar
from harvester.calendar.bars import BarDay, bar_day
from harvester.capture.context import RecorderContext
from harvester.capture.feed import Feed, SymbolCounters, Turn
from harvester.capture.history import ReplayedFeed
from harvester.journal.format import FEED_NAMES, CandlePoll, encode_candles
from harvester.ledger.bars import BarLedger
from harvester.ledger.outage import Outage
from harvester.tokens.handover import Token

log = structlog.get_logger()
STUCK_NS = 5 * NS_PER_SECOND
"""How much longer than its timeout a request may take before it counts as stuck."""


class _Due(NamedTuple):
    symbol: str
    due_ns: int


class CandleFeed(Feed):
    """Asks for the day so far of each symbol with a bar that is due, one request after the other."""

    interval_ns = None

    def __init__(self, context: RecorderContext, client: CandleClient, calendar: Callable[[], TradingCalendar]) -> None:
        """`calendar` gives the one in force."""
        settings = context.settings
        self.number = client.number
        self.name = FEED_NAMES[client.number]
        self.ledgers = {}
        """A bar is due by its end, not by a window: the windows' accounting has no part in it."""
        self._context = context
        self._client = client
        self._calendar = calendar
        self._candles = settings.candles
        self._phases = settings.calendar.phases
        self._spacing_ns = settings.candle_spacing_ns()
        self._stuck_ns = int(settings.poll.timeout * NS_PER_SECOND) + STUCK_NS
        shares = context.split(settings.symbols_of(settings.history))
        self._bars: dict[SegmentName, BarLedger] = {
            segment: BarLedger(self.number, share, self._candles.every_ns) for segment, share in shares.items() if share
        }
        self._ledger_of = {symbol: ledger for ledger in self._bars.values() for symbol in ledger.symbols}
        self._numbers = {symbol: number for number, symbol in context.run.candles.items()}
        self._counters = {symbol: SymbolCounters() for symbol in self._ledger_of}
        self._waiting: deque[_Due] = deque()
        self._in_flight: dict[str, tuple[asyncio.Task[None], int]] = {}
        """By symbol: the request, and when it was sent (monotonic ns)."""
        self._next_mono_ns = 0
        self._known: tuple[TradingCalendar, date] | None = None
        """The calendar and the date that `_days` are of."""
        self._days: dict[SegmentName, BarDay] = {}

    @property
    def next_due_ns(self) -> int | None:
        if not self._waiting:
            return None
        clock = self._context.clock
        return clock.wall_ns() + max(0, self._next_mono_ns - clock.mono_ns())

    @property
    def is_stuck(self) -> bool:
        now = self._context.clock.mono_ns()
        return any(now - sent_ns > self._stuck_ns for _, sent_ns in self._in_flight.values())

    @property
    def messages(self) -> int:
        return sum(counters.updates for counters in self._counters.values())

    def follow(self, turn: Turn) -> None:
        """Take the round that is due, and send the next request of the one under way."""
        calendar = self._calendar()
        today = calendar.trading_date(turn.wall_ns)
        if (calendar, today) != self._known:
            self._known, self._days = (calendar, today), {name: self._day_of(calendar, name) for name in self._bars}
        for segment, ledger in self._bars.items():
            ledger.follow_day(*self._days[segment], turn.wall_ns)
            if round_ := ledger.take_due(turn.wall_ns):
                asked = {due.symbol for due in self._waiting} | self._in_flight.keys()
                self._waiting += [_Due(symbol, round_.due_ns) for symbol in round_.symbols if symbol not in asked]
        if self._waiting and turn.hold:
            self._miss([self._waiting.popleft().symbol for _ in range(len(self._waiting))], turn.hold)
        if self._waiting and turn.mono_ns >= self._next_mono_ns:
            self._send(turn)

    def _day_of(self, calendar: TradingCalendar, segment: SegmentName) -> BarDay:
        today = calendar.trading_date(self._context.clock.wall_ns())
        session = calendar.of(segment).session(today)
        return bar_day(session, self._candles.width_ns, self._phases, self._candles.final_after_ns)

    def _send(self, turn: Turn) -> None:
        """Send one request; where none may go out for a reason that is all symbols', the round ends with it."""
        access = self._context.access
        self._next_mono_ns = turn.mono_ns + self._spacing_ns
        outage = access.check_request(turn.wall_ns, turn.mono_ns)
        if outage == USED_UP:
            return  # the polls had their turn: the request goes out a little later
        token = access.token
        if outage or token is None:
            symbols = [due.symbol for due in self._waiting]
            self._waiting.clear()
            self._miss(symbols, outage or NO_TOKEN)
            return
        due = self._waiting.popleft()
        task = asyncio.create_task(self._ask(due, token))
        self._in_flight[due.symbol] = task, turn.mono_ns
        task.add_done_callback(partial(self._land, due.symbol))

    async def _ask(self, due: _Due, token: Token) -> None:
        clock, context = self._context.clock, self._context
        day = to_local(clock.wall_ns()).date()
        result = await self._client.fetch(due.symbol, day, due.due_ns, token.access_token)
        result = context.access.note_result(result, token)
        context.watch.compare(result.server_date_ns, result.wall_ns)
        self._record(result)

    def _land(self, symbol: str, task: "asyncio.Task[None]") -> None:
        del self._in_flight[symbol]
        if not task.cancelled() and (error := task.exception()):
            log.error("candles_failed", symbol=symbol, exc_info=error)
            self._miss([symbol], Outage("unknown", f"{type(error).__name__} in the feed"))

    def _record(self, result: PollResult) -> None:
        """Journal what arrived, then account for the bars."""
        symbol, outage = result.symbol, result.outage
        counters, ledger, sink = self._counters[symbol], self._ledger_of[symbol], self._context.sink
        counters.last_http = result.status or counters.last_http
        counters.last_error = f"{outage.cause}: {outage.detail}" if outage else ""
        if not result.status:
            self._miss([symbol], outage or NO_TOKEN)
            return
        poll = CandlePoll(result.scheduled_ns, result.sent_ns, result.status, self._candles.bar_seconds, result.body)
        if not sink.append(self.number, self._numbers[symbol], encode_candles(poll), result.wall_ns, result.mono_ns):
            self._miss([symbol], Outage("disk_full", sink.failure or "the journal refused the record"))
        elif outage:
            ledger.note_bad_answer(symbol, outage)
            log.warning("candles_refused", symbol=symbol, **outage._asdict())
        else:
            counters.updates += 1
            counters.last_recv_ns = result.wall_ns
            settled = ledger.note_answer(symbol, result.sent_ns)
            sink.write_all(settled)
            if settled and self._is_day_settled():
                sink.end_segment()  # nothing more is due: the day can be closed without waiting for the segment's age

    def _is_day_settled(self) -> bool:
        return all(ledger.is_settled(symbol) for ledger in self._bars.values() for symbol in ledger.symbols)

    def _miss(self, symbols: Sequence[str], outage: Outage) -> None:
        """No answer came for these symbols, or none was asked for."""
        wall_ns = self._context.clock.wall_ns()
        for ledger in self._bars.values():
            mine = [symbol for symbol in symbols if self._ledger_of[symbol] is ledger]
            self._context.sink.write_all(ledger.note_failure(mine, wall_ns, outage))
        for symbol in symbols:
            self._counters[symbol].last_error = f"{outage.cause}: {outage.detail}"
        log.warning("candles_missed", symbols=len(symbols), **outage._asdict())

    def describe(self) -> dict[str, Any]:
        """For the status: what is due today, how much of it is answered, and what is overdue."""
        wall_ns = self._context.clock.wall_ns()
        ledgers = self._bars.values()
        return {
            "resolution": str(self._candles.resolution),
            "bars": sum(len(ledger.bars) * len(ledger.symbols) for ledger in ledgers),
            "answered": sum(ledger.answered_bars() for ledger in ledgers),
            "settled": sum(ledger.is_settled(symbol) for ledger in ledgers for symbol in ledger.symbols if ledger.bars),
            "overdue": [gap._asdict() for ledger in ledgers for gap in ledger.overdue(wall_ns)],
        }

    def change_token(self) -> None:
        """Each request takes the token that is in force."""

    def recall(self, history: ReplayedFeed) -> None:
        for ledger in self._bars.values():
            ledger.recall(history.accounted)

    def checkpoint(self) -> dict[str, Any]:
        answered = {symbol: ledger.answered_ns(symbol) for symbol, ledger in self._ledger_of.items()}
        return {"open": [], "accounted": {symbol: moment for symbol, moment in answered.items() if moment}}

    @property
    def symbols(self) -> Collection[str]:
        return self._counters

    def count(self, symbol: str) -> SymbolCounters:
        return self._counters[symbol]

    async def stop(self, outage: Outage) -> None:
        """End what is under way; a later run asks again, so it is no gap."""
        tasks = [task for task, _ in self._in_flight.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
