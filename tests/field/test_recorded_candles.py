"""Recorded 5-minute bars of NSE as the broker's answers: a day stored twice, an opening at 10:00, short sessions.

The prices go through as the recording's own text, so what the lake has is compared with that text to the paisa.
"""

import csv
import gzip
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.journals import HandClock
from tests.lake_rows import rows
from tests.storage.lake.candles import CandleRecorder

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.calendar import Phase
from harvester.journal.format import FYERS_HISTORY, CandlePoll, encode_candles
from harvester.lake.close import close_day
from harvester.lake.day.candles import CandlesExpected
from harvester.lake.day.model import Expectation
from harvester.lake.gaps.polls import GapRow, read_gaps
from harvester.lake.layout import Partition, folder_of
from harvester.lake.manifest import load_manifest
from harvester.reader import open_lake
from harvester.reader.verify import verify_lake

SBIN = "NSE:SBIN-EQ"
WIDTH = 300 * NS_PER_SECOND
FINAL_AFTER = 3 * WIDTH
ORDINARY = [(time(9, 15), time(15, 30))]


class Recorded(NamedTuple):
    """A row of the recording, as text but for its begin."""

    begin_ns: int
    prices: tuple[str, ...]
    volume: str

    @property
    def candle(self) -> str:
        return f"[{self.begin_ns // NS_PER_SECOND},{','.join(self.prices)},{self.volume}]"


def recorded(folder: Path, stock: str, day: date) -> list[Recorded]:
    with gzip.open(folder / f"nse_ohlcv_5min/{stock}_20230703_20240328.csv.gz", "rt") as file:
        return [
            Recorded(
                int(datetime.fromisoformat(row["date"]).timestamp()) * NS_PER_SECOND,
                tuple(row[name] for name in ("open", "high", "low", "close")),
                row["volume"],
            )
            for row in csv.DictReader(file)
            if row["date"].startswith(day.isoformat())
        ]


def replay(tmp_path: Path, day: date, told: list[Recorded], hours: list[tuple[time, time]]) -> Path:
    """The lake of a day in which a recorder asked after each bar, and once more when the day had settled."""
    spans = [(_at(day, opens), _at(day, closes)) for opens, closes in hours]
    clock = HandClock(spans[0][0])
    recorder = CandleRecorder(tmp_path / "journal", clock)
    settles_ns = spans[-1][1] + FINAL_AFTER
    moments = [end + 5 * NS_PER_SECOND for opens, closes in spans for end in range(opens + WIDTH, closes + 1, WIDTH)]
    for sent_ns in (*moments, settles_ns):
        candles = ",".join(each.candle for each in told if each.begin_ns < sent_ns)
        body = f'{{"s":"ok","candles":[{candles}]}}' if candles else '{"s":"no_data","candles":[]}'
        clock.now_ns = sent_ns + 40_000_000
        payload = encode_candles(CandlePoll(sent_ns, sent_ns, 200, 300, body.encode()))
        recorder.writer.append(FYERS_HISTORY, 0, payload, wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())
    recorder.stop()
    close_day(
        journal=tmp_path / "journal",
        lake=tmp_path / "lake",
        partition=Partition(day, "lab1"),
        expectation=Expectation(
            symbols=(),
            windows=tuple(spans),
            interval_ns=None,
            grace_ns=WIDTH,
            phases={"nse_cash": tuple(Phase("continuous", *span) for span in spans)},
            candles=CandlesExpected((SBIN,), WIDTH, FINAL_AFTER),
        ),
        now_ns=settles_ns + WIDTH,
    )
    return tmp_path / "lake"


def _at(day: date, moment: time) -> int:
    return midnight_ns(day) + (moment.hour * 60 + moment.minute) * 60 * NS_PER_SECOND


def file_of(lake: Path, day: date, kind: str) -> Path:
    manifest = load_manifest(lake, Partition(day, "lab1"))
    assert manifest
    return lake / next(entry.path for entry in manifest.files if entry.folder == folder_of(kind))


def gaps_of(lake: Path, day: date) -> list[GapRow]:
    return [gap for gap in read_gaps(file_of(lake, day, "gaps")) if gap.symbol == SBIN]


@pytest.mark.parametrize(
    ("stock", "day", "hours", "bars"),
    [
        ("SBIN", date(2023, 10, 9), ORDINARY, 75),
        ("HDFCBANK", date(2024, 1, 17), ORDINARY, 75),
        ("INFY", date(2023, 11, 12), [(time(18, 15), time(19, 15))], 12),
        ("ADANIENT", date(2024, 3, 2), [(time(9, 15), time(10, 0)), (time(11, 30), time(12, 30))], 21),
    ],
)
def test_every_value_of_a_recorded_day_is_in_the_lake_once(
    tmp_path: Path, recorded_data: Path, stock: str, day: date, hours: list[tuple[time, time]], bars: int
) -> None:
    told = recorded(recorded_data, stock, day)
    lake = replay(tmp_path, day, told, hours)

    found = {
        row["ts_begin"]: (*(row[f"{name}_paise"] for name in ("open", "high", "low", "close")), row["volume"])
        for row in rows(file_of(lake, day, "candles"))
    }
    assert found == {row.begin_ns: (*(Decimal(price) * 100 for price in row.prices), int(row.volume)) for row in told}
    assert len(found) == bars == len(rows(file_of(lake, day, "candles")))
    assert gaps_of(lake, day) == []
    assert verify_lake(lake).ok


def test_a_stock_that_opens_at_ten_lacks_nine_bars_and_the_ledger_says_so(tmp_path: Path, recorded_data: Path) -> None:
    day = date(2023, 7, 20)
    lake = replay(tmp_path, day, recorded(recorded_data, "RELIANCE", day), ORDINARY)

    (gap,) = gaps_of(lake, day)
    assert (gap.cause, gap.slots) == ("no_data", 9)
    assert (gap.from_ns, gap.to_ns) == (_at(day, time(9, 15)), _at(day, time(10, 0)))
    first = open_lake(lake).bars(SBIN, day, source="broker", tz="Asia/Kolkata").arrow().to_pylist()[0]
    assert (first["ts_begin"].time(), first["open"]) == (time(10, 0), 2599.0)


def test_a_stock_that_opened_on_time_beside_it_lacks_none(tmp_path: Path, recorded_data: Path) -> None:
    day = date(2023, 7, 20)
    lake = replay(tmp_path, day, recorded(recorded_data, "SBIN", day), ORDINARY)
    assert gaps_of(lake, day) == []
