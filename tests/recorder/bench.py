"""A recorder on a bench: time moves by hand, the feed does as told, the journal is real."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from tests.recorder.broker import depth_body
from tests.recorder.fakes import FakeClock, make_token

from harvester.base.clock import NS_PER_SECOND
from harvester.base.monitors import ClockMonitor
from harvester.base.redaction import Secret
from harvester.base.systemd import Notifier
from harvester.brokers.access import Access
from harvester.brokers.protocol import PollResult
from harvester.calendar import TradingCalendar
from harvester.calendar.reload import CalendarReloader
from harvester.capture.candles import CandleFeed
from harvester.capture.context import RecorderContext, TradingState
from harvester.capture.polls import PollFeed
from harvester.capture.recorder import Recorder
from harvester.capture.sink import JournalSink
from harvester.capture.token_keeper import TokenKeeper
from harvester.config.segments import find_segments
from harvester.config.settings import Settings
from harvester.journal.format import CONTROL, FYERS_HISTORY, FYERS_REST, RunInfo, decode_control, decode_poll
from harvester.journal.reader import read_segment
from harvester.ledger.outage import Cause, Outage
from harvester.tokens.handover import Token, write_handover


class Behaviour(NamedTuple):
    """How the feed treats one poll."""

    seconds: float = 0.02
    cause: Cause | None = None
    status: int = 200


GOOD = Behaviour()
Script = Callable[[str, int], Behaviour]


class FakeClient:
    """Answers as its script says, after fake time."""

    number = FYERS_REST

    def __init__(self, clock: FakeClock) -> None:
        self.script: Script = lambda symbol, slot_ns: GOOD
        self.polls: list[tuple[str, int, int, str]] = []
        self.proofs = 0
        self.clock_off_ns = 0
        self.most_in_flight = 0
        self._in_flight = 0
        self._clock = clock

    async def fetch(self, symbol: str, scheduled_ns: int, token: Secret) -> PollResult:
        sent_ns = self._clock.wall_ns()
        self.polls.append((symbol, scheduled_ns, sent_ns, token.get_secret_value()))
        behaviour = self.script(symbol, scheduled_ns)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await self._clock.sleep_until(self._clock.mono_ns() + int(behaviour.seconds * NS_PER_SECOND))
        finally:
            self._in_flight -= 1
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        status = 0 if behaviour.cause in ("timeout", "disconnect") else behaviour.status
        body = depth_body(symbol) if behaviour.cause is None else b"{}"
        return PollResult(
            symbol,
            scheduled_ns,
            sent_ns,
            wall_ns,
            mono_ns,
            status,
            body,
            Outage(behaviour.cause, "as the script says") if behaviour.cause else None,
            server_date_ns=wall_ns - self.clock_off_ns,
        )

    async def prove_token(self, token: Secret) -> PollResult:
        self.proofs += 1
        now = self._clock.wall_ns()
        return PollResult("", 0, now, now, self._clock.mono_ns(), 200, b"{}", server_date_ns=now - self.clock_off_ns)


class FakeCandles:
    """Answers requests for candles as its script says, after fake time; a good answer has no candle at all."""

    number = FYERS_HISTORY

    def __init__(self, clock: FakeClock) -> None:
        self.script: Script = lambda symbol, due_ns: GOOD
        self.asked: list[tuple[str, int, int]] = []
        """Symbol, when it was due, and when it was sent."""
        self._clock = clock

    async def fetch(self, symbol: str, day: date, scheduled_ns: int, token: Secret) -> PollResult:
        sent_ns = self._clock.wall_ns()
        self.asked.append((symbol, scheduled_ns, sent_ns))
        told = self.script(symbol, scheduled_ns)
        await self._clock.sleep_until(self._clock.mono_ns() + int(told.seconds * NS_PER_SECOND))
        outage = Outage(told.cause, "as the script says") if told.cause else None
        status = 0 if told.cause in ("timeout", "disconnect") else told.status
        body = b"{}" if outage else b'{"s":"no_data","candles":[]}'
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        return PollResult(symbol, scheduled_ns, sent_ns, wall_ns, mono_ns, status, body, outage)


class Bench(NamedTuple):
    """A running recorder and what is around it."""

    recorder: Recorder
    client: FakeClient
    clock: FakeClock
    sink: JournalSink
    access: Access
    watch: ClockMonitor
    trading: TradingState
    task: "asyncio.Task[None]"
    candles: FakeCandles
    candle_feed: CandleFeed | None

    async def stop(self) -> None:
        """As SIGTERM does."""
        self.recorder.stop()
        await self.task

    async def kill(self) -> None:
        """As SIGKILL does: the segment stays open, and nothing more is written."""
        writer, self.sink.writer = self.sink.writer, None
        assert writer
        writer._stop_thread()
        writer._release()
        await self.stop()


def hand_over(settings: Settings, clock: FakeClock, version: str = "file:00000001", hours: float = 8) -> str:
    """Put a token where the recorder looks; returns the token."""
    expires_ns = clock.wall_ns() + int(hours * 3600) * NS_PER_SECOND
    token = make_token(expires_ns / NS_PER_SECOND, version=version)
    write_handover(settings.token.handover, Token(Secret(token), version, expires_ns))
    return token


@asynccontextmanager
async def running(
    settings: Settings,
    clock: FakeClock,
    script: Script | None = None,
    streams: Sequence[Any] = (),
    candle_script: Script | None = None,
) -> AsyncIterator[Bench]:
    """A recorder that has started and stands at its first sleep; it is killed, not stopped, at the end."""
    run = RunInfo(host_id=settings.host_id, release="test", config_hash="0", streams=dict(enumerate(settings.symbols)))
    asked = settings.symbols_of("fyers-history") if "fyers-history" in settings.feeds else ()
    run = replace(run, candles=dict(enumerate(asked)))
    candles = FakeCandles(clock)
    candles.script = candle_script or candles.script
    client = FakeClient(clock)
    client.script = script or client.script
    sink = JournalSink(settings, clock=clock, run=run)
    segments = find_segments(settings)
    context = RecorderContext(settings, run, clock, client, sink, Access(settings.limits), segments=segments)

    async def load_calendar() -> TradingCalendar:
        return TradingCalendar.load(settings.calendar.file)

    calendars = CalendarReloader(TradingCalendar.load(settings.calendar.file), settings.calendar.file, load_calendar)
    candle_feed = CandleFeed(context, candles, lambda: calendars.calendar) if asked else None
    recorder = Recorder(
        context,
        feeds=[PollFeed(context, client), *streams, *([candle_feed] if candle_feed else [])],
        keeper=TokenKeeper(context),
        notifier=Notifier(""),
        calendars=calendars,
        after_tick=lambda _: None,
    )
    task = asyncio.create_task(recorder.run())
    await clock.advance(0)
    try:
        yield Bench(
            recorder, client, clock, sink, context.access, context.watch, context.trading, task, candles, candle_feed
        )
    finally:
        if not task.done():
            recorder.stop()
            await task


class JournalView:
    """What the journal says about the slots of each symbol: which have data, and which lie in a gap of what cause."""

    def __init__(self, journal: Path) -> None:
        self.data: dict[str, set[int]] = {}
        self.gaps: dict[str, dict[str, Any]] = {}
        self.controls: list[dict[str, Any]] = []
        for path in sorted(journal.glob("*/*.seg"), key=lambda path: path.name):
            self._read(path)
        for control in self.of_type("gap_close"):
            self.gaps[control["gap_id"]]["to_ns"] = control["to_ns"]

    def _read(self, path: Path) -> None:
        streams: dict[str, str] = {}
        for record in read_segment(path):
            if record.kind == CONTROL:
                control = decode_control(record.payload) or {}
                streams = control.get("streams", streams)
                self.controls.append(control)
                if control["type"] == "gap_open":
                    self.gaps[control["gap_id"]] = {**control, "to_ns": None}
            elif record.feed == FYERS_REST:
                poll = decode_poll(record.payload)
                assert poll is not None
                if poll.status == 200 and b'"s": "ok"' in poll.body:
                    self.data.setdefault(streams[str(record.stream)], set()).add(poll.sched_ns)

    def causes(self, symbol: str, slot_ns: int) -> list[str]:
        """Causes of all gaps that hold the slot."""
        return [
            gap["cause"]
            for gap in self.gaps.values()
            if symbol in gap["symbols"]
            and gap["from_ns"] <= slot_ns
            and (gap["to_ns"] is None or slot_ns < gap["to_ns"])
        ]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [control for control in self.controls if control["type"] == kind]

    def table(self, symbol: str, window: tuple[int, int], interval_ns: int) -> list[str]:
        """One word per slot of the window: "data", a cause, "SILENT" or "CONTRADICTION"."""
        words = []
        for slot_ns in range(window[0], window[1], interval_ns):
            causes = self.causes(symbol, slot_ns)
            has_data = slot_ns in self.data.get(symbol, set())
            if has_data:
                words.append("CONTRADICTION" if causes else "data")
            else:
                words.append(causes[0] if len(causes) == 1 else "CONTRADICTION" if causes else "SILENT")
        return words
