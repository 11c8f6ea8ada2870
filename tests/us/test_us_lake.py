"""Days of New York in the lake: a half day, the Monday after a 25-hour Sunday, a revised minute, gaps."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.journals import HandClock
from tests.lake_rows import rows
from tests.us.test_us_settings import config

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import entered
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.calendar.bars import bar_day
from harvester.config.settings import Settings
from harvester.journal.format import SCHWAB_HISTORY, CandlePoll, RunInfo, encode_candles
from harvester.journal.writer import JournalWriter
from harvester.lake.close import close_day, expect_day
from harvester.lake.layout import Partition, table_of
from harvester.reader import open_lake

MINUTE = 60 * NS_PER_SECOND
HALF_DAY, MONDAY = date(2026, 11, 27), date(2026, 11, 2)
QQQ, OTHER = "QQQ", "BRK/B"


@pytest.fixture(autouse=True)
def _market() -> Iterator[None]:
    with entered("us"):
        yield


class Place:
    """A host's journal of one day, written in still time, and its close."""

    def __init__(self, folder: Path, day: date, **changes: Any) -> None:
        """`changes` of the configuration."""
        self.settings = validate(Settings, config(data_dir=str(folder), **changes))
        self.calendar = TradingCalendar.load()
        self.day, self.clock = day, HandClock()
        self.bars = bar_day(self.calendar.session(day), MINUTE, self.settings.calendar.phases, MINUTE)
        self.opens = self.bars.bars[0].begin_ns
        self.clock.now_ns = self.opens - MINUTE
        run = RunInfo("us1", "r1", "c0ffee", {}, dict(enumerate(self.settings.symbols)))
        self.writer = JournalWriter(self.settings.journal_dir, clock=self.clock, run=run)
        self.writer.append_control({"type": "start"})

    def candle(self, number: int, close: float = 600.005, volume: int = 100) -> dict[str, Any]:
        begin_ms = (self.opens + number * MINUTE) // NS_PER_MS
        return {"open": 600.0, "high": 600.5, "low": 599.5, "close": close, "volume": volume, "datetime": begin_ms}

    def answer(self, minutes: float, symbol: str, candles: list[dict[str, Any]], status: int = 200) -> None:
        """What a request was answered that was sent so many minutes after the opening."""
        sent_ns = self.opens + int(minutes * MINUTE)
        self.clock.now_ns = max(self.clock.now_ns, sent_ns + 40 * NS_PER_MS)
        body = json.dumps({"symbol": symbol, "empty": not candles, "candles": candles}).encode()
        payload = encode_candles(CandlePoll(sent_ns, sent_ns, status, 60, body))
        number = self.settings.symbols.index(symbol)
        now = self.clock.now_ns
        self.writer.append(SCHWAB_HISTORY, number, payload, wall_ns=now, mono_ns=self.clock.mono_ns())

    def close(self) -> dict[str, Any]:
        """Stop, close the day, and its certificate."""
        self.writer.append_control({"type": "stop"})
        self.writer.close()
        done = close_day(
            journal=self.settings.journal_dir,
            lake=self.settings.lake_dir,
            partition=Partition(self.day, "us1"),
            expectation=expect_day(self.settings, self.calendar, self.day),
            now_ns=self.bars.settles_ns + MINUTE,
        )
        certificate: dict[str, Any] = done.certificate
        return certificate

    def table(self, kind: str) -> list[dict[str, Any]]:
        partition = Partition(self.day, "us1")
        manifest = json.loads((self.settings.lake_dir / partition.path("manifest") / "manifest.json").read_bytes())
        [path] = [each["path"] for each in manifest["files"] if table_of(each["path"].split("/", 1)[0]) == kind]
        return rows(self.settings.lake_dir / path)


@pytest.mark.parametrize(("day", "bars"), [(HALF_DAY, 210), (MONDAY, 390)])
def test_a_whole_day_is_whole_and_reads_back_in_dollars(tmp_path: Path, day: date, bars: int) -> None:
    place = Place(tmp_path, day)
    whole = [place.candle(number) for number in range(bars)]
    for symbol in place.settings.symbols:
        place.answer(bars + 1.1, symbol, whole)

    section = place.close()["candles"]

    assert (section["feed"], section["unexplained_bars"]) == ("schwab-history", 0)
    assert {name: entry["coverage"] for name, entry in section["symbols"].items()} == {QQQ: 1.0, OTHER: 1.0}
    assert section["symbols"][QQQ]["final"] == bars
    stored = [row for row in place.table("candles") if row["symbol"] == QQQ]
    assert [row["ts_begin"] for row in stored] == [bar.begin_ns for bar in place.bars.bars]
    assert {(row["open_e4"], row["close_e4"]) for row in stored} == {(6_000_000, 6_000_050)}
    read = open_lake(place.settings.lake_dir).bars(QQQ, day, source="broker").arrow()
    assert read.num_rows == bars and set(read.column("close").to_pylist()) == {600.005}


def test_a_minute_is_as_the_poll_of_the_next_one_says_and_that_settles_it(tmp_path: Path) -> None:
    place = Place(tmp_path, HALF_DAY)
    place.answer(1.1, QQQ, [place.candle(0, volume=90), place.candle(1, volume=1)])
    place.answer(2.1, QQQ, [place.candle(0, volume=100), place.candle(1, volume=50)])
    place.answer(3.1, QQQ, [place.candle(0, volume=100), place.candle(1, volume=50), place.candle(2)])

    place.close()

    told = [(row["revision"], row["volume"], row["final"]) for row in place.table("candles") if row["symbol"] == QQQ]
    assert told == [(0, 90, False), (1, 100, True), (0, 50, True), (0, 100, False)]


def test_minutes_that_nobody_brought_are_gaps_with_their_cause(tmp_path: Path) -> None:
    place = Place(tmp_path, HALF_DAY)
    place.answer(10.1, QQQ, [place.candle(number) for number in range(10) if number != 4])
    place.answer(211.0, QQQ, [], status=401)
    place.answer(211.1, OTHER, [])

    section = place.close()["candles"]["symbols"]

    assert section[QQQ]["gaps_by_cause"] == {"no_data": 1, "token_refused": 200}
    assert section[OTHER]["gaps_by_cause"] == {"no_data": 210}
    assert {row["feed"] for row in place.table("gaps")} == {"schwab-history"}
