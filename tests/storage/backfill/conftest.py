"""A host with a backfill: answers put into its journal by hand, a broker that says what it is told, and the build."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.journals import HandClock
from tests.recorder.fakes import make_settings

from harvester.backfill.ask import Asker, Tools
from harvester.backfill.build import Built, build
from harvester.backfill.order import Order, journal_of, make_order
from harvester.backfill.pace import Pace
from harvester.backfill.plan import calendars_of
from harvester.backfill.progress import Progress, Reporter
from harvester.backfill.work import what_is_left
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import INDIA, midnight_ns
from harvester.base.redaction import Secret
from harvester.brokers.access import Access
from harvester.brokers.fyers.history import judge_range
from harvester.brokers.protocol import PollResult
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_BACKFILL, BackfillAnswer, RunInfo, encode_backfill
from harvester.journal.writer import JournalWriter
from harvester.lake.layout import history_of
from harvester.lake.manifest import Manifest, load_manifest
from harvester.ledger.outage import Outage
from harvester.tokens.handover import HandoverReader, Token, write_handover

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
MONDAY, FRIDAY = date(2026, 11, 16), date(2026, 11, 20)
EVENING = int(datetime(2026, 11, 24, 20, 0, tzinfo=INDIA).timestamp()) * NS_PER_SECOND
OPENS_S, BAR_S = 33_300, 300
HOST = "test1"


def candle(day: date, number: int, close: float = 800.5, volume: int = 100) -> list[Any]:
    """The five-minute bar of that number on a day."""
    begin_s = midnight_ns(day) // NS_PER_SECOND + OPENS_S + number * BAR_S
    return [begin_s, 800, max(801.25, close), min(799.95, close), close, volume]


def said(*candles: Sequence[Any]) -> bytes:
    return json.dumps({"s": "ok" if candles else "no_data", "candles": candles}, separators=(",", ":")).encode()


def week(count: int = 2) -> list[list[Any]]:
    """The first bars of each day from Monday to Friday."""
    return [candle(MONDAY + timedelta(days=at), number) for at in range(5) for number in range(count)]


class SleepClock(HandClock):
    """Others get to run whenever somebody sleeps; its monotonic clock is that of the wall."""

    def mono_ns(self) -> int:
        return self.now_ns

    async def sleep_until(self, mono_ns: int) -> None:
        for _ in range(4):
            await asyncio.sleep(0)
        await super().sleep_until(mono_ns)


@dataclass
class Host:
    """Its settings, clock and calendar; `run` counts the runs of its asking."""

    settings: Settings
    clock: HandClock = field(default_factory=partial(SleepClock, EVENING))
    calendar: TradingCalendar = field(default_factory=TradingCalendar.load)
    run: int = 0

    @property
    def lake(self) -> Path:
        return self.settings.lake_dir

    @property
    def journal(self) -> Path:
        return journal_of(self.settings.data_dir)

    def write(self, symbols: Sequence[str] = (SBIN, INFY)) -> JournalWriter:
        self.run += 1
        info = RunInfo(HOST, "r1", "c0ffee", {}, dict(enumerate(symbols)), run_id=f"run{self.run}", boot_id="b")
        return JournalWriter(self.journal, clock=self.clock, run=info)

    def answer(self, *answers: tuple[str, date, date, bytes], resolution: str = "5", status: int = 200) -> None:
        """One run that kept these answers: symbol, first and last day, body."""
        with self.write() as writer:
            for symbol, first, last, body in answers:
                self.clock.now_ns += NS_PER_SECOND
                payload = encode_backfill(BackfillAnswer(self.clock.now_ns, status, first, last, resolution, body))
                number, now = (SBIN, INFY).index(symbol), self.clock
                writer.append(FYERS_BACKFILL, number, payload, wall_ns=now.wall_ns(), mono_ns=now.mono_ns())

    def build(self) -> Built:
        return build(self.journal, self.lake, HOST, partial(calendars_of, self.settings, self.calendar))

    def order(self, since: date = MONDAY, until: date = FRIDAY, resolution: str = "5", *symbols: str) -> Order:
        return make_order(since, until, resolution, symbols or (SBIN, INFY), EVENING)

    def left(self, order: Order) -> list[tuple[str, str, str]]:
        pieces = what_is_left(self.settings, order, self.calendar)
        return [(piece.symbol, str(piece.first), str(piece.last)) for piece in pieces]

    def manifest(self, day: date) -> Manifest:
        manifest = load_manifest(self.lake, history_of(day, HOST))
        assert manifest
        return manifest

    def certificate(self, day: date) -> dict[str, Any]:
        (entry,) = self.manifest(day).find("certificate")
        content: dict[str, Any] = json.loads((self.lake / entry.path).read_bytes())
        return content

    def entry(self, day: date, symbol: str = SBIN, resolution: str = "5") -> dict[str, Any]:
        found: dict[str, Any] = self.certificate(day)["history"]["symbols"][symbol]["resolutions"][resolution]
        return found

    def log_in(self, version: str = "v1") -> None:
        token = Token(Secret(f"a-token-{version}"), version, EVENING + 12 * 3600 * NS_PER_SECOND)
        write_handover(self.settings.token.handover, token)


Say = Callable[[str, date, date], bytes | Outage]


class Broker:
    """Answers by `say`, and notes what it was asked, and when."""

    def __init__(self, clock: HandClock, say: Say) -> None:
        self.clock, self.say = clock, say
        self.asked: list[tuple[str, str, str]] = []
        self.moments: list[int] = []

    async def fetch(self, symbol: str, resolution: Any, first: date, last: date, token: Secret) -> PollResult:
        self.asked.append((symbol, str(first), str(last)))
        self.moments.append(self.clock.wall_ns())
        await asyncio.sleep(0)
        said_ = self.say(symbol, first, last)
        now = self.clock.wall_ns(), self.clock.wall_ns(), self.clock.mono_ns()
        if isinstance(said_, Outage):
            status = 0 if said_.cause in ("timeout", "disconnect") else 403
            return PollResult(symbol, 0, *now, status=status, body=b"{}", outage=said_)
        return PollResult(symbol, 0, *now, status=200, body=said_, outage=judge_range(200, said_))


def ask(host: Host, order: Order, broker: Broker) -> Progress:
    """One run of the asking. Raises as it does."""
    pieces = what_is_left(host.settings, order, host.calendar)
    pace = Pace(host.settings, host.calendar)
    reporter = Reporter(host.settings.data_dir, Progress(ordered_ns=order.ordered_ns))
    with host.write(order.symbols) as writer:
        access = Access(host.settings.limits._replace(per_day=pace.daily()))
        handover = HandoverReader(host.settings.token.handover)
        tools = Tools(host.settings, host.clock, broker, access, pace, handover, writer)
        calendars = calendars_of(host.settings, host.calendar, order.symbols)
        asyncio.run(Asker(tools, order, pieces, calendars, reporter).run())
    return reporter.progress


@pytest.fixture(autouse=True)
def logs_of_this_test() -> Iterator[None]:
    """A command that logs writes to the output of the process that it was configured in: here that of its test."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    settings = make_settings(tmp_path, calendar={"phases": ["pre_open", "continuous"]}, poll={"interval_seconds": 5.0})
    (settings.data_dir / "backfill").mkdir()
    found = Host(settings)
    found.log_in()
    return found
