"""New York's bars at the places of others: prices as Schwab serves them, in files and in tables."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.candles.conftest import REGION, client  # noqa: F401  # a fixture: S3
from tests.postgres.conftest import base, server  # noqa: F401  # fixtures: PostgreSQL
from tests.postgresql_server import Base
from tests.us.test_chart_frames import data, row
from tests.us.test_us_lake import HALF_DAY, MINUTE, QQQ, Place
from tests.us.test_us_settings import config

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import MARKETS, entered
from harvester.base.redaction import Secret
from harvester.base.validation import validate
from harvester.config.settings import Settings
from harvester.journal.format import SCHWAB_STREAM
from harvester.lake.layout import Partition
from harvester.postgres.days import layouts_of
from harvester.postgres.feed import RowFeed
from harvester.postgres.live import LiveDelivery
from harvester.postgres.place import Database, address_of
from harvester.postgres.trouble import DatabaseError
from harvester.price_feed.feed import PriceFeed
from harvester.price_feed.place import FeedBucket
from harvester.price_feed.raw import deliver_raw

US, NUMBERS = MARKETS["us"], count(1)
BRK = "BRK/B"
CLOSES = ["600.0", "600.005", "600.0625", "599.99", "601.1", "600.015", "600.025", "0.5025", "600.35", "600.4"]
"""As Schwab serves them: cents, half a cent in the middle of a spread, tenths of one; two of them halves of a cent."""
CANDLES = {
    "name": "minutes",
    "rows": "candles",
    "columns": {"symbol": "symbol", "begun": "ts_begin", "close": "close"},
    "key": ["symbol", "begun"],
}


@pytest.fixture(autouse=True)
def _market() -> Iterator[None]:
    with entered("us"):
        yield


class Host(Place):
    """A host of New York with one delivery, and half a day of which ten minutes were traded."""

    def __init__(self, root: Path, delivery: dict[str, Any]) -> None:
        super().__init__(root, HALF_DAY)
        self.settings = validate(Settings, config(data_dir=str(root), deliveries=[delivery]))
        self.partition = Partition(HALF_DAY, "us1")

    def minutes(self, symbol: str = QQQ) -> None:
        self.answer(211.1, symbol, [self.traded(number) for number in range(len(CLOSES))])

    def traded(self, number: int) -> dict[str, Any]:
        close = float(CLOSES[number])
        prices = {"open": close, "high": close, "low": close, "close": close}
        return self.candle(number, volume=100 + number) | prices

    def begin(self, number: int) -> datetime:
        return datetime.fromtimestamp(self.opens // 10**9, UTC) + timedelta(minutes=number)


@pytest.fixture
def feed(tmp_path: Path, client: Any) -> "FeedPlace":  # noqa: F811
    bucket = f"us-feed-{next(NUMBERS)}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return FeedPlace(tmp_path, client, bucket)


class FeedPlace(Host):
    """Its delivery is a price feed."""

    def __init__(self, root: Path, s3: Any, bucket: str) -> None:
        super().__init__(root, {"name": "feed", "kind": "price-feed", "place": f"s3://{bucket}/"})
        self.s3, self.bucket = s3, bucket

    def keys(self, prefix: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", ())
        return [each["Key"] for each in found]

    def get(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def deliver(self) -> None:
        bucket = FeedBucket(self.s3, self.bucket, "")
        feed = PriceFeed(self.settings, self.settings.deliveries[0], bucket, self.clock)
        assert feed.deliver_day(self.partition).outcome.complete

    def closes(self, symbol: str) -> list[str]:
        folder = f"analytics/csv/symbol={symbol}/year=2026/month=11/day=27/"
        (key,) = self.keys(folder)
        text = gzip.decompress(self.get(key)).decode()
        return [row["close"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def test_the_files_of_a_day_have_each_price_as_it_was_served_before_and_after_the_close(feed: FeedPlace) -> None:
    feed.minutes()
    feed.minutes(BRK)
    feed.deliver()
    assert feed.closes("QQQ") == CLOSES and feed.closes("BRK.B") == CLOSES
    listing = feed.keys("analytics/")

    feed.close()
    for path in (feed.settings.data_dir / "deliveries").rglob("*.json"):
        path.unlink()
    with entered("nse"):
        feed.deliver()

    assert feed.keys("analytics/") == listing, "the lake has the same bars as the journal, whoever reads it"
    assert feed.closes("QQQ") == CLOSES


def test_a_raw_file_has_the_answer_as_it_came_and_says_whose_it_is(feed: FeedPlace) -> None:
    feed.minutes()
    feed.clock.now_ns += 60 * 10**9

    outcome = deliver_raw(
        feed.settings, feed.settings.deliveries[0], FeedBucket(feed.s3, feed.bucket, ""), feed.partition, feed.clock
    )

    assert outcome.problems == []
    (key,) = feed.keys("Raw data/")
    assert key.startswith("Raw data/Prices/2026-11-27/raw_file_20261127_")
    content = json.loads(feed.get(key), parse_float=str)
    entry = content["data"][QQQ]
    assert [each["close"] for each in entry["candles"]] == CLOSES
    assert entry["api_response"]["candles"] == entry["candles"] and entry["total_records"] == len(CLOSES)
    stated = content["metadata"]
    assert (stated["api_method"], stated["api_endpoint"]) == ("schwab-history", "api.schwabapi.com")
    assert (stated["resolution"], stated["date_fetched"]) == ("1", "2026-11-27")


class RowPlace(Host):
    """Its delivery is rows in a database."""

    def __init__(self, root: Path, database: Base, **changes: Any) -> None:
        dsn = root / "dsn"
        dsn.write_text(database.dsn + "\n")
        dsn.chmod(0o600)
        super().__init__(root, {"name": "rows", "kind": "postgres", "place": f"file:{dsn}", **changes})
        self.database = database
        self.delivery = self.settings.deliveries[0]

    def open(self) -> Database:
        tables = layouts_of(self.delivery, US)
        return Database(address_of(self.delivery, Secret(self.database.dsn)), "us1 rows", tables)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.run("SET timezone = 'UTC'", query)


def cents(value: str) -> Decimal:
    return Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_EVEN)


EQUITY = "SELECT timestamp, price, volume FROM equity_data WHERE ticker = 'QQQ' ORDER BY 1"
AVERAGES = "SELECT sma9, vwap FROM indicators WHERE ticker = 'QQQ' ORDER BY timestamp"


def averages() -> list[tuple[Decimal, Decimal]]:
    """Computed anew, with decimals."""
    found, closes = [], [Decimal(close) for close in CLOSES]
    for number in range(len(closes)):
        nine = closes[max(0, number - 8) : number + 1]
        shares = [Decimal(100 + each) for each in range(number + 1)]
        turnover = sum(close * volume for close, volume in zip(closes, shares, strict=False))
        mean = sum(nine) / len(nine)
        found.append((cents(str(mean)), cents(str(turnover / sum(shares)))))
    return found


def test_each_minute_is_a_row_in_dollars_rounded_once_and_half_to_even(tmp_path: Path, base: Base) -> None:  # noqa: F811
    host = RowPlace(tmp_path, base, live=True)
    live = LiveDelivery(host.settings, host.delivery, lambda: host.calendar, host.open, host.clock)
    host.minutes()

    assert live.turn(HALF_DAY) == 2 * len(CLOSES)

    found = host.rows(EQUITY)
    assert found == [(host.begin(n), cents(close), 100 + n) for n, close in enumerate(CLOSES)]
    assert [str(row[1]) for row in found][1:3] == ["600.00", "600.06"], "of 600.005 and 600.0625"
    assert host.rows(AVERAGES) == averages()
    assert live.state.watermark == {"QQQ": host.begin(len(CLOSES) - 1).isoformat()}


def test_a_streamed_minute_is_a_row_at_once_and_history_corrects_it_in_place(
    tmp_path: Path,
    base: Base,  # noqa: F811
) -> None:
    host = RowPlace(tmp_path, base, live=True)
    live = LiveDelivery(host.settings, host.delivery, lambda: host.calendar, host.open, host.clock)

    def stream(number: int, **changes: Any) -> int:
        host.clock.now_ns = host.opens + (number + 1) * MINUTE + NS_PER_SECOND
        begin_ms = (host.opens + number * MINUTE) // NS_PER_MS
        frame = data(row(f7=begin_ms, f5=600.0, **changes))
        host.writer.append(SCHWAB_STREAM, 0, frame, wall_ns=host.clock.now_ns, mono_ns=host.clock.mono_ns())
        return live.turn(HALF_DAY)

    assert stream(0, f6=90) == 2
    assert host.rows(EQUITY) == [(host.begin(0), Decimal("600.00"), 90)]
    made = host.rows("SELECT id FROM equity_data")
    host.answer(1.1, "QQQ", [host.candle(0, 600.0, 90)])
    assert live.turn(HALF_DAY) == 0, "history says the same"
    assert stream(1, f6=10) == 2
    host.answer(2.1, "QQQ", [host.candle(0, 600.0, 100), host.candle(1, 600.0, 10)])
    assert live.turn(HALF_DAY) == 1, "the volume of the first minute; the averages are as they were"
    assert stream(0, f6=7) == 0, "what the stream says after history"

    assert host.rows(EQUITY) == [(host.begin(0), Decimal("600.00"), 100), (host.begin(1), Decimal("600.00"), 10)]
    assert host.rows("SELECT id FROM equity_data ORDER BY id")[:1] == made


def test_a_closed_day_corrects_nothing_of_what_was_live(tmp_path: Path, base: Base) -> None:  # noqa: F811
    host = RowPlace(tmp_path, base, live=True)
    host.minutes()
    LiveDelivery(host.settings, host.delivery, lambda: host.calendar, host.open, host.clock).turn(HALF_DAY)
    before = host.rows("SELECT id, price FROM equity_data ORDER BY id")
    host.close()

    with entered("nse"), host.open() as place:
        done = RowFeed(host.settings, host.delivery, place, host.clock).deliver_day(host.partition)

    assert done.outcome.complete
    assert host.rows("SELECT id, price FROM equity_data ORDER BY id") == before
    assert host.rows(AVERAGES) == averages()


def test_candles_of_the_lake_keep_all_four_decimals_in_a_table(tmp_path: Path, base: Base) -> None:  # noqa: F811
    host = RowPlace(tmp_path, base, tables=[CANDLES])
    host.minutes()
    host.close()

    with entered("nse"), host.open() as place:
        done = RowFeed(host.settings, host.delivery, place, host.clock).deliver_day(host.partition)

    assert done.outcome.complete
    assert host.rows("SELECT begun, close FROM minutes ORDER BY 1") == [
        (host.begin(number), Decimal(close)) for number, close in enumerate(CLOSES)
    ]


def test_a_table_with_two_decimals_is_refused_for_candles_of_four(tmp_path: Path, base: Base) -> None:  # noqa: F811
    base.run("CREATE TABLE minutes (symbol text, begun timestamptz, close numeric(14,2), UNIQUE (symbol, begun))")
    host = RowPlace(tmp_path, base, tables=[CANDLES])
    host.minutes()
    host.close()

    with pytest.raises(DatabaseError, match=r"close.*numeric\(14,2\)"), host.open() as place:
        RowFeed(host.settings, host.delivery, place, host.clock).deliver_day(host.partition)
    assert base.run("SELECT count(*) FROM minutes") == [(0,)]
