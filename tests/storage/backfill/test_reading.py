"""What a backfill brought through the front door, alone and beside what was recorded, and in SQL."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.journals import DAY, OPEN_NS
from tests.storage.backfill.conftest import HOST, INFY, MONDAY, SBIN, Host, candle, said, week
from tests.storage.lake.candles import CandlePlace, bar
from tests.storage.lake.candles import said as served
from tests.storage.lake.conftest import Place
from tests.storage.lake.relisting import relist

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.lake.layout import Partition, history_of
from harvester.reader import ReaderError, open_lake
from harvester.reader.lake import Lake
from harvester.reader.verify import verify_lake
from runbook.report.query import ask as query

WIDTH = 300 * NS_PER_SECOND
DAILY = said([midnight_ns(MONDAY) // NS_PER_SECOND + 19_800, 700, 900, 600, 805, 5_000])


def told(answer: Any, *names: str) -> list[tuple[Any, ...]]:
    table = answer.arrow()
    at = table.schema.get_field_index("ts_begin")
    table = table.set_column(at, "ts_begin", table.column("ts_begin").cast("int64"))
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def brought(host: Host) -> Lake:
    host.answer((SBIN, MONDAY, date(2026, 11, 20), said(*week())))
    host.answer((SBIN, MONDAY, MONDAY, DAILY), resolution="D")
    host.build()
    return open_lake(host.lake)


def test_days_that_were_never_recorded_have_the_broker_s_bars(host: Host) -> None:
    lake = brought(host)
    rows = told(lake.bars("SBIN", source="broker"), "ts_begin", "close", "source", "final", "resolution_ns")

    assert len(rows) == 10
    assert rows[0] == (midnight_ns(MONDAY) + 33_300 * NS_PER_SECOND, 800.5, "backfill", True, WIDTH)
    assert lake.days() == [], "no day was recorded"
    assert [str(day.date) for day in lake.history()][:2] == ["2026-11-16", "2026-11-17"]
    assert len(told(lake.bars(SBIN, "2026-11-17", source="broker"), "volume")) == 2
    assert len(told(lake.bars(SBIN, MONDAY, source="broker", every="15m"), "volume")) == 1
    assert told(lake.bars(SBIN, MONDAY, source="broker", every="10m"), "volume", "close") == [(200, 800.5)]


def test_bars_of_a_day_are_asked_for_by_their_resolution(host: Host) -> None:
    lake = brought(host)

    rows = told(lake.bars(SBIN, source="broker", resolution="1D", host="test1"), "ts_begin", "high", "volume")
    assert rows == [(midnight_ns(MONDAY), 900.0, 5_000)]
    assert told(lake.bars(SBIN, source="broker", resolution="W"), "high") == []


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"resolution": "7", "source": "broker"}, "'7' is no resolution that the broker has"),
        ({"resolution": "D", "source": "broker", "every": "1h"}, "Give either a resolution, or every"),
        ({"resolution": "D"}, "A resolution is the broker's word: ask with source='broker'"),
        ({}, r"^This lake has no closed day\. What a backfill brought, bars\(source='broker'\) answers\.$"),
        ({"source": "broker", "symbols": INFY}, "'NSE:INFY-EQ' is no symbol that this lake has"),
        ({"source": "broker", "host": "other"}, "was not recorded by host 'other', but by test1"),
        ({"source": "broker", "every": "1m"}, "are of 300 s"),
        ({"source": "broker", "days": "2026-11-23"}, "is no day of this lake"),
    ],
)
def test_what_cannot_be_answered_says_why(host: Host, asked: dict[str, Any], says: str) -> None:
    lake = brought(host)

    with pytest.raises(ReaderError, match=says):
        lake.bars(**({"symbols": SBIN} | asked)).arrow()


@pytest.fixture
def both(host: Host, tmp_path: Path) -> Host:
    """DAY was recorded by test1, INFY without its first bar; the backfill has all, and another first close of SBIN."""
    place = CandlePlace(tmp_path / "data", partition=Partition(DAY, "test1"))
    recorder = place.candles()
    recorder.answer(6, SBIN, served(bar(0, 799)))  # revised by the next
    recorder.answer(35, SBIN, served(*(bar(number, 800 + number) for number in range(3))))
    recorder.answer(45, INFY, served(bar(1), bar(2)))
    recorder.stop()
    place.close()
    host.clock.now_ns = OPEN_NS + 2 * 86_400 * NS_PER_SECOND
    first = candle(DAY, 0, 801.25)
    host.answer(
        (SBIN, DAY, DAY, said(first, candle(DAY, 1, 801), candle(DAY, 2, 802))),
        (INFY, DAY, DAY, said(*(candle(DAY, number) for number in range(3)))),
    )
    host.build()
    return host


def test_each_bar_is_given_once_by_the_last_word_on_it(both: Host) -> None:
    lake = open_lake(both.lake)

    rows = told(lake.bars([SBIN, INFY], DAY, source="broker"), "symbol", "ts_begin", "close", "source")
    begins = [OPEN_NS + number * WIDTH for number in range(3)]
    assert [row[:2] for row in rows] == [*((SBIN, begin) for begin in begins), *((INFY, begin) for begin in begins)]
    assert [row[2] for row in rows[:3]] == [801.25, 801.0, 802.0]
    assert rows[3][3] == "backfill", "the gap has a price"
    assert lake.days() == [DAY], "a recorded day is one"
    assert lake.hosts(DAY) == ["test1"]
    assert len(lake.gaps(INFY, DAY).arrow()) > 0, "and its gap stays in the ledger"


def test_a_closed_day_is_not_touched(both: Host) -> None:
    manifest = (both.lake / Partition(DAY, "test1").manifest).read_bytes()
    both.answer((SBIN, DAY, DAY, said(candle(DAY, 5))))
    both.build()

    assert (both.lake / Partition(DAY, "test1").manifest).read_bytes() == manifest


def test_sql_has_the_history_as_a_view_of_its_own(both: Host) -> None:
    counts = query("select source, count(*) from candles group by 1 union all select source, count(*) from history"
                   " group by 1", both.lake)  # fmt: skip

    assert counts.rows == [("live", 6), ("backfill", 6)]
    (row,) = query("select max(close), any_value(host) from history_rupees where symbol like '%SBIN%'", both.lake).rows
    assert (str(row[0]), row[1]) == ("802.00", "test1-history")
    assert query("select count(*) from ohlcv_data", both.lake).rows == [(5,)]


def test_a_day_without_a_bar_is_held_against_its_certificate_too(host: Host) -> None:
    host.answer((SBIN, MONDAY, MONDAY, said()))
    host.build()
    (entry,) = host.manifest(MONDAY).find("certificate")
    path = host.lake / entry.path
    path.write_bytes(path.read_bytes().replace(b'"recorded": 0', b'"recorded": 1'))
    relist(Place(host.settings.data_dir, partition=history_of(MONDAY, HOST)), path)

    first, *_ = verify_lake(host.lake).days
    assert first.problems == [f"{SBIN}, resolution 5: recorded is 1, counted 0"]
