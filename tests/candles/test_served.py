"""From the exchange's /data/history over our client and the journal to raw JSON and csv.gz, cell by cell."""

import json
from datetime import date
from typing import Any

import pytest
from tests.candles.conftest import INFY, SBIN, FeedHost
from tests.sdk.test_candles_to_lake import Asked
from tests.sdk.test_faults import arm

from exchange.market.history import candles, parse_request
from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.history import history_query
from harvester.calendar.bars import BarDay, bar_day
from harvester.calendar.model import packaged

LATE_CLOSE, DR_SATURDAY = date(2026, 11, 20), date(2026, 11, 21)
SECOND = NS_PER_SECOND


def served(server: Any, symbol: str, day: date, at_ns: int) -> list[list[str]]:
    """What the exchange's own book model says of the day, as the feed's users read it."""
    asked = parse_request(history_query(symbol, "15", day, day), at_ns)
    rows = candles(server.world.model, asked, at_ns)
    return [[str(begin), *(repr(float(price)) for price in prices), str(volume)] for begin, *prices, volume in rows]


def delivered(host: FeedHost, symbol: str, day: date) -> list[list[str]]:
    names = ("timestamp_unix", "open", "high", "low", "close", "volume")
    return [[row[name] for name in names] for row in host.table(symbol, day)]


@pytest.fixture
def quarter(host: FeedHost) -> FeedHost:
    """A host with bars of a quarter of an hour, whose calendar has a disaster-recovery Saturday of two windows."""
    calendar = json.loads(packaged().read_text())
    windows = [["09:15:00", "10:00:00"], ["11:30:00", "12:30:00"]]
    drill = {"date": str(DR_SATURDAY), "kind": "dr_drill", "phases": {"continuous": windows}, "status": "confirmed"}
    calendar["special_sessions"].append({**calendar["special_sessions"][0], **drill})
    path = host.root / "calendar.json"
    path.write_text(json.dumps(calendar))
    host.changes = {"candles": {"resolution": 15, "every_seconds": 900}, "calendar": {"file": str(path)}}
    return host


def bars_of(host: FeedHost, day: date) -> BarDay:
    return bar_day(host.calendar.session(day), 900 * SECOND, host.settings.calendar.phases, 900 * SECOND)


@pytest.mark.parametrize(
    ("day", "bars"),
    [(LATE_CLOSE, 24), (date(2026, 11, 8), 4), (DR_SATURDAY, 7)],
    ids=["a day with a closing auction", "muhurat", "a drill of two windows on a Saturday"],
)
def test_what_the_exchange_served_is_in_the_bucket_cell_by_cell(
    start: Any,
    quarter: FeedHost,
    day: date,
    bars: int,
) -> None:
    server = start(always_open=False, calendar=quarter.settings.calendar.file)
    asked, due = Asked(server, quarter.root), bars_of(quarter, day)
    late_ns = due.bars[1].end_ns + 5 * SECOND
    for bar in (due.bars[1], due.bars[2], due.bars[-1]):
        sent_ns = bar.end_ns + 5 * SECOND
        if sent_ns == late_ns:  # the broker is behind, so that the bar that has just ended changes afterwards
            arm(server, {"action": "candle_lag", "delay_seconds": 120, "symbol": SBIN, "count": 1})
            arm(server, {"action": "error", "status": 503, "symbol": INFY, "path": "*/history", "count": 1})
        asked.at(sent_ns, SBIN, INFY)
    quarter.clock.now_ns = due.bars[-1].end_ns + 60 * SECOND
    assert len(quarter.deliver_raw(day)) == 3
    before = quarter.deliver(day)
    assert before.outcome.complete, "a run before the day has settled"
    asked.at(due.settles_ns, SBIN, INFY)
    assert asked.recorder
    asked.recorder.stop()
    quarter.clock.now_ns = due.settles_ns + 60 * SECOND
    result = quarter.deliver(day).describe()
    assert (result["expected"], result["missing"], result["revised"]) == (2 * bars, 0, 1)
    for name, symbol in (("SBIN", SBIN), ("INFY", INFY)):
        assert delivered(quarter, name, day) == served(server, symbol, day, due.settles_ns)
    raw = [json.loads(quarter.get(key)) for key in quarter.deliver_raw(day)]
    assert [list(each["data"]) for each in raw] == [[SBIN], [SBIN, INFY], [SBIN, INFY], [SBIN, INFY]]
    last = raw[-1]["data"][INFY]["candles"]
    assert [[str(begin), *map(repr, map(float, prices)), str(volume)] for begin, *prices, volume in last] == served(
        server, INFY, day, due.settles_ns
    )
