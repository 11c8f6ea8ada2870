"""A lake says its market: a reader in a process of any market has its dates, clock times and prices."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from tests.candles.conftest import SBIN, FeedHost
from tests.candles.test_tables import record
from tests.us.test_us_lake import HALF_DAY, MONDAY, QQQ, Place

from harvester.base.errors import HarvesterError
from harvester.base.market import MarketName, entered, in_force
from harvester.calendar.model import ENVIRONMENT, packaged
from harvester.lake.close import close_day, expect_day
from harvester.lake.layout import Partition
from harvester.lake.manifest import SELF, load_manifest, self_hash
from harvester.reader import Lake, open_lake
from harvester.reader.errors import OutsideError
from runbook.pull.plan import Selection
from runbook.pull.store import LocalStore
from runbook.report.query import ask
from runbook.report.report import write_report
from runbook.report.verification import verify_store

INDIA_DAY = date(2026, 11, 23)


@pytest.fixture(params=["nse", "us"], autouse=True)
def _process(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test is asked of a process of either market."""
    market: MarketName = request.param
    with entered(market):
        yield


def us_lake(folder: Path, *days: date) -> Path:
    """Whole days of one host in New York: each bar closes at 600.005, the last of a day at 601.0625."""
    with entered("us"):
        for day in days:
            place = Place(folder, day)
            bars = [place.candle(number) for number in range(len(place.bars.bars))]
            bars[-1] |= {"close": 601.0625, "high": 601.0625}
            place.answer(len(bars) + 1.1, QQQ, bars)
            place.close()
        return place.settings.lake_dir


def india_lake(folder: Path) -> Path:
    with entered("nse"):
        host = FeedHost(folder, None, "feed")
        record(host)
        host.close()
        return host.settings.lake_dir


@pytest.fixture
def us(tmp_path: Path) -> Path:
    return us_lake(tmp_path / "us1", MONDAY, HALF_DAY)


@pytest.fixture
def both(tmp_path: Path, us: Path) -> Path:
    """What a laptop has that pulls from hosts of both markets."""
    return copytree(india_lake(tmp_path / "lab1"), us, dirs_exist_ok=True)


def closes(lake: Lake, symbol: str, **asked: Any) -> list[float]:
    found: list[float] = lake.bars(symbol, source="broker", **asked).arrow().column("close").to_pylist()
    return found


def test_a_day_of_the_us_ends_at_its_own_midnight_and_in_dollars(us: Path) -> None:
    lake = open_lake(us)

    assert lake.days() == [MONDAY, HALF_DAY]
    assert len(closes(lake, QQQ, days=MONDAY)) == 390
    assert closes(lake, QQQ, days=HALF_DAY)[-2:] == [600.005, 601.0625]
    exact = lake.bars(QQQ, HALF_DAY, source="broker", prices="decimal").arrow().column("close").to_pylist()
    assert str(exact[-1]) == "601.0625"


def test_dates_and_moments_are_those_of_the_market_of_the_lake(us: Path) -> None:
    """15:59 of Monday in New York is Tuesday in India."""
    lake = open_lake(us)

    late = {"since": "2026-11-02T15:59", "until": "2026-11-02T17:00", "tz": "America/New_York"}
    assert closes(lake, QQQ, **late) == [601.0625]
    assert len(closes(lake, QQQ, days="2026-11-02")) == len(closes(lake, QQQ, since=MONDAY, until=MONDAY)) == 390
    assert closes(lake, QQQ, since=HALF_DAY)[-1] == 601.0625
    with pytest.raises(OutsideError, match="no day from 2026-11-03 to 2026-11-03"):
        closes(lake, QQQ, since="2026-11-03T20:00-05:00", until="2026-11-03T23:00-05:00")
    assert closes(lake, QQQ, since="2026-11-02T23:59-05:00", until="2026-11-03T00:01-05:00") == []


def test_one_folder_may_have_days_of_both_markets(both: Path) -> None:
    lake = open_lake(both)

    assert lake.days() == [MONDAY, INDIA_DAY, HALF_DAY]
    assert closes(lake, SBIN)[0] == 800.5 and len(closes(lake, SBIN)) == 72
    assert closes(lake, QQQ, since=INDIA_DAY)[-1] == 601.0625


def test_a_query_has_the_clock_and_the_units_of_the_lake(us: Path) -> None:
    sql = "select strftime(ts_begin, '%H:%M') as t, close_e4, volume from candles order by begin_ns desc limit 1"
    assert ask(sql, us).rows == [("12:59", 6_010_625, 100)], "whatever the inventory's market is"
    assert str(ask("select max(close) from candles_dollars", us).rows[0][0]) == "601.0625"
    feed = "select symbol_clean, max(close), count(*) from ohlcv_data group by 1"
    assert ask(feed, us).rows == [("QQQ", 601.0625, 600)]


def test_a_query_over_both_markets_keeps_their_prices_apart(both: Path) -> None:
    rupees = ask("select count(*), max(close) from candles_rupees", both).rows
    dollars = ask("select count(*), max(close) from candles_dollars", both).rows
    assert [(rows, str(most)) for rows, most in (*rupees, *dollars)] == [(144, "800.50"), (600, "601.0625")]
    prices = dict(ask("select symbol, max(close) from ohlcv_data group by 1", both).rows)
    assert (prices[SBIN], prices[QQQ]) == (800.5, 601.0625)
    shown = "select current_setting('TimeZone')"
    assert ask(shown, both).rows == [(in_force().zone_name,)], "that of the inventory, where the lake has it"


def test_a_check_finds_the_missing_days_of_each_market_by_its_own_calendar(
    both: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 2 to 27 November New York trades on 17 days more; Thanksgiving is none. India's one day lacks nothing.

    The inventory names a calendar, which is of its own market alone.
    """
    monkeypatch.setenv(ENVIRONMENT, str(packaged(in_force())))
    store = LocalStore(tmp_path / "pulled")
    copytree(both, store.lake)

    checked = verify_store(store, Selection())

    assert [day.problems for day in checked.days] == [[]] * 3
    assert len(checked.missing_days) == 17
    assert {"2026-11-03", "2026-11-26", str(INDIA_DAY)} & {*checked.missing_days} == {"2026-11-03", str(INDIA_DAY)}


def test_the_report_shows_the_hours_and_the_feed_of_new_york(us: Path, tmp_path: Path) -> None:
    page = write_report(us, tmp_path / "report.html").read_text()

    assert "09:30:00 to 13:00:00" in page and "schwab-history" in page
    assert re.search(r"210 of 210 of the broker.{1,6}s bars", page)


def test_the_manifest_names_the_market_and_that_of_india_is_as_it_was(both: Path) -> None:
    for day, host, market, stated in ((HALF_DAY, "us1", "us", "us"), (INDIA_DAY, "lab1", "nse", None)):
        manifest = load_manifest(both, Partition(day, host))
        assert manifest and manifest.market == market
        assert json.loads((both / Partition(day, host).manifest).read_bytes()).get("market") == stated


def test_a_market_that_this_release_does_not_know_is_a_newer_releases_day(us: Path) -> None:
    path = us / Partition(HALF_DAY, "us1").manifest
    value = json.loads(path.read_bytes()) | {"market": "asx"}
    del value[SELF]
    path.write_text(json.dumps({**value, SELF: self_hash(value)}))

    with pytest.raises(HarvesterError, match=r"newer release .* \(market asx, and this one knows nse, us\)"):
        load_manifest(us, Partition(HALF_DAY, "us1"))
    with pytest.raises(HarvesterError, match="market asx"):
        closes(open_lake(us), QQQ)


def test_a_host_of_another_market_does_not_build_the_day_anew(us: Path, tmp_path: Path) -> None:
    partition = Partition(HALF_DAY, "us1")
    before = (us / partition.manifest).read_bytes()
    with entered("nse"):
        host = FeedHost(tmp_path / "us1", None, "feed", host_id="us1")
        with pytest.raises(HarvesterError, match="of the market us, and this host records nse"):
            close_day(
                journal=host.settings.journal_dir,
                lake=us,
                partition=partition,
                expectation=expect_day(host.settings, host.calendar, HALF_DAY),
                now_ns=2 * host.clock.now_ns,
                rebuild=True,
            )
    assert (us / partition.manifest).read_bytes() == before
