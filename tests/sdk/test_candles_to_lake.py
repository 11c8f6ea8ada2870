"""From the exchange's /data/history over our client and the journal to the lake: cell by cell what was served."""

import asyncio
import ssl
from datetime import date, datetime, time
from pathlib import Path

import pytest
from tests.lake_rows import rows
from tests.sdk.test_faults import arm
from tests.storage.lake.candles import CandleRecorder

from exchange.market.history import candles, parse_request
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.market import zone
from harvester.base.redaction import Secret
from harvester.brokers.fyers.candles import FyersCandles
from harvester.brokers.fyers.history import history_query
from harvester.brokers.fyers.rest import FyersRestClient
from harvester.brokers.protocol import PollResult
from harvester.calendar import TradingCalendar
from harvester.calendar.bars import BarDay, bar_day
from harvester.config.broker import BrokerSettings
from harvester.journal.format import FYERS_HISTORY, CandlePoll, encode_candles
from harvester.lake.close import close_day
from harvester.lake.day.candles import CandlesExpected
from harvester.lake.day.model import Expectation
from harvester.lake.gaps.polls import read_gaps
from harvester.lake.layout import Partition, folder_of
from harvester.lake.manifest import load_manifest

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
WIDTH = 900 * NS_PER_SECOND
PHASES = ("pre_open", "continuous", "closing_auction")
FINAL_AFTER = 900 * NS_PER_SECOND


class Asked:
    """One symbol after another, at moments of the exchange's own clock, into a journal."""

    def __init__(self, server, folder: Path) -> None:
        self.server = server
        self.recorder: CandleRecorder | None = None
        self.folder = folder

    def at(self, wall_ns: int, *symbols: str) -> None:
        self.server.clock.move((wall_ns - self.server.clock.wall_ns()) / NS_PER_SECOND)
        results = asyncio.run(self._ask(datetime.fromtimestamp(wall_ns / NS_PER_SECOND, zone()).date(), symbols))
        for symbol, result in zip(symbols, results, strict=True):
            self._journal(wall_ns, symbol, result)

    async def _ask(self, day: date, symbols: tuple[str, ...]) -> list[PollResult]:
        settings = BrokerSettings(self.server.app.app_id)
        tls = ssl.create_default_context(cafile=str(self.server.exchange.describe()["ca"]))
        client = FyersRestClient(settings, timeout_seconds=60, tls=tls, clock=SystemClock())
        token = Secret(self.server.token())
        try:
            return [await FyersCandles(client, "15").fetch(symbol, day, 7, token) for symbol in symbols]
        finally:
            await client.close()

    def _journal(self, wall_ns: int, symbol: str, result: PollResult) -> None:
        if self.recorder is None:
            from tests.journals import HandClock

            self.recorder = CandleRecorder(self.folder / "journal", HandClock(wall_ns), width_ns=WIDTH)
        payload = encode_candles(CandlePoll(wall_ns, wall_ns, result.status, 900, result.body))
        clock = self.recorder.clock
        clock.now_ns = wall_ns + 1_000_000
        number = (SBIN, INFY).index(symbol)
        self.recorder.writer.append(FYERS_HISTORY, number, payload, wall_ns=clock.now_ns, mono_ns=clock.mono_ns())

    def close(self, day: date) -> Path:
        assert self.recorder
        self.recorder.stop()
        session = TradingCalendar.load().session(day)
        phases = session.phases if session else ()
        close_day(
            journal=self.folder / "journal",
            lake=self.folder / "lake",
            partition=Partition(day, "lab1"),
            expectation=Expectation(
                symbols=(),
                windows=(),
                interval_ns=None,
                grace_ns=0,
                phases={"nse_cash": phases},
                candles=CandlesExpected((SBIN, INFY), WIDTH, FINAL_AFTER, PHASES),
            ),
            now_ns=self.recorder.clock.now_ns + NS_PER_SECOND,
        )
        return self.folder / "lake"


def bars_of(day: date) -> BarDay:
    return bar_day(TradingCalendar.load().session(day), WIDTH, PHASES, FINAL_AFTER)


def served(server, symbol: str, day: date, at_ns: int) -> list[tuple[int, ...]]:
    """What the exchange's own book model says of the day, in paise."""
    asked = parse_request(history_query(symbol, "15", day, day), at_ns)
    return [
        (begin * NS_PER_SECOND, *(round(price * 100) for price in prices), volume)
        for begin, *prices, volume in candles(server.world.model, asked, at_ns)
    ]


def stored(lake: Path, day: date, kind: str) -> Path:
    manifest = load_manifest(lake, Partition(day, "lab1"))
    assert manifest
    return lake / next(entry.path for entry in manifest.files if entry.folder == folder_of(kind))


def cells(lake: Path, symbol: str, day: date) -> list[tuple[int, ...]]:
    names = ("ts_begin", "open_paise", "high_paise", "low_paise", "close_paise", "volume")
    last: dict[int, tuple[int, ...]] = {}
    for row in rows(stored(lake, day, "candles")):
        if row["symbol"] == symbol:
            last[row["ts_begin"]] = tuple(row[name] for name in names)
    return [last[begin] for begin in sorted(last)]


@pytest.mark.parametrize(
    "day", [date(2026, 11, 20), date(2026, 2, 1), date(2026, 11, 8)], ids=["auction", "a Sunday", "muhurat"]
)
def test_a_day_of_the_exchange_is_in_the_lake_cell_by_cell(start, tmp_path: Path, day: date) -> None:
    server = start(always_open=False)
    asked, due = Asked(server, tmp_path), bars_of(day)
    late_ns = due.bars[1].end_ns + 5 * NS_PER_SECOND
    for bar in due.bars:
        sent_ns = bar.end_ns + 5 * NS_PER_SECOND
        if sent_ns == late_ns:  # the broker is behind, so that the bar that has just ended changes afterwards
            arm(server, {"action": "candle_lag", "delay_seconds": 120, "symbol": SBIN, "count": 1})
            arm(server, {"action": "error", "status": 503, "symbol": INFY, "path": "*/history", "count": 1})
        asked.at(sent_ns, SBIN, INFY)
    asked.at(due.settles_ns, SBIN, INFY)
    lake = asked.close(day)

    for symbol in (SBIN, INFY):
        assert cells(lake, symbol, day) == served(server, symbol, day, due.settles_ns)
    assert read_gaps(stored(lake, day, "gaps")) == []
    revised = [row for row in rows(stored(lake, day, "candles")) if row["revision"]]
    assert [(row["symbol"], row["ts_begin"]) for row in revised] == [(SBIN, due.bars[1].begin_ns)]


def test_a_symbol_that_fails_all_day_is_in_the_ledger_and_the_other_is_whole(start, tmp_path: Path) -> None:
    day = date(2026, 11, 20)
    server = start(always_open=False)
    arm(server, {"action": "error", "status": 400, "code": -300, "symbol": INFY, "path": "*/history"})
    asked, due = Asked(server, tmp_path), bars_of(day)
    asked.at(due.bars[3].end_ns + 5 * NS_PER_SECOND, SBIN, INFY)
    asked.at(due.settles_ns, SBIN, INFY)
    lake = asked.close(day)

    (gap,) = read_gaps(stored(lake, day, "gaps"))
    assert (gap.symbol, gap.cause, gap.slots) == (INFY, "not_listed", len(due.bars))
    assert len(cells(lake, SBIN, day)) == len(due.bars)


def test_a_holiday_has_no_bar_and_no_gap(start, tmp_path: Path) -> None:
    day = date(2026, 11, 21)
    server = start(always_open=False)
    asked = Asked(server, tmp_path)
    asked.at(int(datetime.combine(day, time(12), zone()).timestamp()) * NS_PER_SECOND, SBIN, INFY)
    lake = asked.close(day)

    assert rows(stored(lake, day, "candles")) == [] and read_gaps(stored(lake, day, "gaps")) == []
