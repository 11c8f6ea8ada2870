"""From the exchange's /data/history by the backfill's requests, journal and build to the reader, cell by cell."""

from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.fakes import make_settings
from tests.sdk.conftest import start  # noqa: F401  # a fixture: the exchange
from tests.sdk.test_faults import arm

from exchange.market.history import candles, parse_request
from harvester.backfill.build import Built, build
from harvester.backfill.order import Order, journal_of, make_order
from harvester.backfill.plan import calendars_of
from harvester.backfill.progress import Progress, load_progress
from harvester.backfill.summary import summarise
from harvester.backfill.work import ask, what_is_left
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import INDIA
from harvester.base.redaction import Secret
from harvester.brokers.fyers.history import history_query
from harvester.calendar import TradingCalendar
from harvester.config.resolutions import parse_resolution
from harvester.config.settings import Settings
from harvester.reader import open_lake
from harvester.reader.verify import verify_lake
from harvester.tokens.handover import Token, write_handover

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
EVENING = int(datetime(2026, 11, 24, 20, 0, tzinfo=INDIA).timestamp()) * NS_PER_SECOND
SINCE, UNTIL = date(2026, 7, 1), date(2026, 11, 22)


class Backfill:
    """A host that backfills from an exchange, whose clock both have."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server = server
        self.settings: Settings = make_settings(folder, symbols=[SBIN, INFY], broker={"app_id": server.app.app_id})
        self.calendar = TradingCalendar.load()
        server.clock.move((EVENING - server.clock.wall_ns()) / NS_PER_SECOND)
        self.log_in("v1")

    def log_in(self, version: str) -> None:
        token = Token(Secret(self.server.token()), version, EVENING + 3600 * NS_PER_SECOND)
        write_handover(self.settings.token.handover, token)

    def order(self, resolution: str, since: date = SINCE, symbols: tuple[str, ...] = (SBIN, INFY)) -> Order:
        return make_order(since, UNTIL, resolution, symbols, EVENING)

    def ask(self, order: Order) -> Progress:
        return ask(self.settings, order, self.calendar, "c0ffee", self.server.clock)

    def build(self) -> Built:
        calendars = partial(calendars_of, self.settings, self.calendar)
        return build(journal_of(self.settings.data_dir), self.settings.lake_dir, self.settings.host_id, calendars)

    def left(self, order: Order) -> int:
        return len(what_is_left(self.settings, order, self.calendar))

    def summary(self, order: Order) -> dict[str, Any]:
        calendars = calendars_of(self.settings, self.calendar, order.symbols)
        return summarise(self.settings.lake_dir, self.settings.host_id, order, calendars)

    def rows(self, symbol: str, resolution: str) -> list[list[Any]]:
        lake = open_lake(self.settings.lake_dir)
        table = lake.bars(symbol, source="broker", resolution=resolution, session="all").arrow()
        begins = table.column("ts_begin").cast("int64").to_pylist()
        columns = [table.column(name).to_pylist() for name in ("open", "high", "low", "close", "volume")]
        return [list(row) for row in zip(begins, *columns, strict=True)]

    def served(self, symbol: str, resolution: str, since: date = SINCE) -> list[list[Any]]:
        """What the exchange's own book model says of all these days, a bar of a day from midnight in India on."""
        bars = parse_resolution(resolution)
        first, last = (parse_request(history_query(symbol, bars.wire, day, day), EVENING) for day in (since, UNTIL))
        rows = candles(self.server.world.model, replace(first, to_ns=last.to_ns), EVENING)
        shift = 5 * 3600 + 1800 if bars.is_long else 0
        return [[(begin - shift) * NS_PER_SECOND, *values] for begin, *values in rows]


@pytest.fixture
def host(start: Any, tmp_path: Path) -> Backfill:  # noqa: F811
    return Backfill(start(always_open=False), tmp_path)


@pytest.mark.parametrize(
    ("resolution", "since", "requests", "bars"),
    [("60", SINCE, 2, 618), ("D", SINCE, 1, 100), ("W", date(2026, 7, 6), 1, 20), ("M", SINCE, 1, 4)],
)
def test_what_the_exchange_served_is_what_the_reader_gives(
    host: Backfill, resolution: str, since: date, requests: int, bars: int
) -> None:
    """The muhurat session of a Sunday and the closing auction are in it; of a month that goes on there is no bar."""
    order = host.order(resolution, since, (SBIN,))
    progress = host.ask(order)
    built = host.build()

    assert (progress.state, progress.asked, progress.left) == ("done", requests, 0)
    wanted = host.served(SBIN, resolution, since)
    if resolution == "M":
        del wanted[-1]
    assert host.rows(SBIN, resolution) == wanted
    assert (len(wanted), built.rows) == (bars, bars)
    assert host.left(order) == 0
    entry = host.summary(order)["symbols"][SBIN]
    assert (entry["expected"], entry["recorded"], entry["to_ask"]) == (bars, bars, 0)
    assert entry["without"] == {"days": 0, "first": [], "last": []}
    assert verify_lake(host.settings.lake_dir).ok


def test_faults_in_the_middle_cost_nothing_but_time(host: Backfill) -> None:
    order = host.order("240")
    arm(host.server, {"action": "error", "status": 503, "symbol": INFY, "path": "*/history", "count": 2})
    arm(host.server, {"action": "rate_limit", "path": "*/history", "count": 1, "retry_after_seconds": 1})
    progress = host.ask(order)
    host.build()

    assert progress.state == "done"
    for symbol in (SBIN, INFY):
        assert host.rows(symbol, "240") == host.served(symbol, "240")


def test_an_ended_token_and_a_symbol_that_is_none_are_said_and_the_rest_comes(host: Backfill) -> None:
    order = host.order("D", SINCE, (SBIN, "NSE:NOSUCH-EQ", INFY))
    token = Token(Secret("x.y.z"), "bad", EVENING + 3600 * NS_PER_SECOND)
    write_handover(host.settings.token.handover, token)
    with pytest.raises(HarvesterError, match=r"Log in \(\./inv token-push\)"):
        host.ask(order)
    ended = load_progress(host.settings.data_dir)
    assert ended and ended.state == "ended"
    host.log_in("v2")
    progress = host.ask(order)
    host.build()

    assert [refused.symbol for refused in progress.refused] == ["NSE:NOSUCH-EQ"]
    symbols = host.summary(order)["symbols"]
    assert [symbols[name]["recorded"] for name in order.symbols] == [100, 0, 100]
    assert symbols["NSE:NOSUCH-EQ"]["to_ask"] == 100
    assert host.summary(order)["not_recorded"]["days"] == 100, "depth stays missing"
