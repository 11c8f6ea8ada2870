"""A real PostgreSQL server, and a host whose bars go there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from tests.journals import DAY, HandClock
from tests.postgresql_server import Base, Server, stoppable_server
from tests.storage.lake.candles import CandleRecorder

from harvester.base.market import NSE
from harvester.calendar import TradingCalendar
from harvester.config.deliveries import DeliverySettings
from harvester.config.file import load_settings
from harvester.config.settings import Settings
from harvester.lake.close import Closing, close_day, expect_day
from harvester.lake.layout import Partition
from harvester.postgres.columns import layout_of
from harvester.postgres.days import layouts_of
from harvester.postgres.feed import DayResult, RowFeed
from harvester.postgres.live import LiveDelivery
from harvester.postgres.place import Database, address_of, owner_of
from harvester.tokens.places import open_place

MINUTE_NS = 60_000_000_000
SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Not to be stopped: a test that stops one has its own."""
    with stoppable_server() as running:
        yield running


@pytest.fixture
def base(server: Server) -> Base:
    """A database of this test alone."""
    return server.create()


@dataclass
class RowHost:
    """A host that records minutes of two symbols and delivers them."""

    root: Path
    base: Base
    changes: dict[str, Any] = field(default_factory=dict)
    delivery_changes: dict[str, Any] = field(default_factory=dict)
    clock: HandClock = field(default_factory=HandClock)
    dsn: str = ""
    recording: CandleRecorder | None = None

    @property
    def settings(self) -> Settings:
        dsn = self.root / "dsn"
        dsn.parent.mkdir(parents=True, exist_ok=True)
        dsn.write_text((self.dsn or self.base.dsn) + "\n", "utf-8")
        dsn.chmod(0o600)
        delivery = {"name": "rows", "kind": "postgres", "place": f"file:{dsn}", "live": True}
        content = {
            "host_id": "lab1",
            "data_dir": str(self.root),
            "symbols": [SBIN, INFY],
            "broker": {"app_id": "ABCDE12345-100"},
            "feeds": ["fyers-history"],
            "candles": {"resolution": 1, "every_seconds": 60},
            "deliveries": [delivery | self.delivery_changes],
        }
        path = self.root / "config.json"
        path.write_text(json.dumps(content | self.changes))
        return load_settings(path)

    @property
    def delivery(self) -> DeliverySettings:
        return self.settings.deliveries[0]

    @property
    def calendar(self) -> TradingCalendar:
        return TradingCalendar.load(self.settings.calendar.file)

    def open(self) -> Database:
        delivery = self.delivery
        stored = open_place(delivery.place).read()
        assert stored
        tables = tuple(map(layout_of, delivery.row_tables)) if delivery.live else layouts_of(delivery, NSE)
        return Database(address_of(delivery, stored.value), owner_of(self.settings, delivery), tables)

    def live(self) -> LiveDelivery:
        return LiveDelivery(self.settings, self.delivery, lambda: self.calendar, self.open, self.clock)

    def deliver(self, day: date = DAY) -> DayResult:
        with self.open() as place:
            return RowFeed(self.settings, self.delivery, place, self.clock).deliver_day(Partition(day, "lab1"))

    def recorder(self) -> CandleRecorder:
        """The one that records."""
        if self.recording is None:
            self.recording = CandleRecorder(self.root / "journal", self.clock, (SBIN, INFY), MINUTE_NS)
        return self.recording

    def close(self, day: date = DAY) -> Closing:
        settings = self.settings
        return close_day(
            journal=settings.journal_dir,
            lake=settings.lake_dir,
            partition=Partition(day, "lab1"),
            expectation=expect_day(settings, self.calendar, day),
            now_ns=self.clock.now_ns,
        )

    def rows(self, table: str = "equity_data", ticker: str = "SBIN") -> list[tuple[Any, ...]]:
        """Without id and created_at, by their time."""
        columns = sql.SQL("price, volume" if table == "equity_data" else "sma9, vwap")
        query = sql.SQL("SELECT timestamp, {} FROM {} WHERE ticker = {} ORDER BY 1")
        return self.base.run("SET timezone = 'UTC'", query.format(columns, sql.Identifier(table), ticker))


@pytest.fixture
def host(tmp_path: Path, base: Base) -> RowHost:
    return RowHost(tmp_path, base)
