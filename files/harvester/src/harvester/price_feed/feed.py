"""One price feed of a host: which days are due, and what a run did for each."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.market import MARKETS, zone
from harvester.calendar import TradingCalendar
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings
from harvester.deliver.protocol import DayOutcome
from harvester.deliver.receipts import DayReceipt
from harvester.deliver.run import deliver
from harvester.lake.layout import CANDLES, Partition, find_partitions
from harvester.lake.manifest import load_manifest
from harvester.price_feed.days import Source
from harvester.price_feed.folder import folder_of_delivery, partition_of, working
from harvester.price_feed.place import FeedBucket
from harvester.price_feed.tables import TableDelivery
from harvester.upload.retries import Retries


@dataclass(frozen=True)
class DayResult:
    """What a run did for a day, and the day's receipt after it."""

    outcome: DayOutcome
    receipt: DayReceipt

    def describe(self) -> dict[str, Any]:
        """For scripts, by the names that the feed's users know, and the counts of bars besides."""
        counts = dict(self.receipt.counts)
        symbols = sorted(path.partition("symbol=")[2].partition("/")[0] for path in self.receipt.files)
        return {
            "processed_files": counts.pop("files", 0),
            "total_records": counts.pop("records", 0),
            "symbols_processed": len(symbols),
            "uploaded_files": self.outcome.put,
            "date": self.receipt.date,
            "symbols": symbols,
            **counts,
        }


class PriceFeed:
    """Delivers the tables of this host's days to one place."""

    def __init__(self, settings: Settings, delivery: DeliverySettings, bucket: FeedBucket, clock: Clock) -> None:
        self._settings, self._delivery, self._clock = settings, delivery, clock
        self._bucket, self._retries = bucket, Retries()
        self._calendar = TradingCalendar.load(settings.calendar.file, MARKETS[settings.market])
        self._folder = folder_of_delivery(settings, delivery, "tables")
        self._source = Source(settings, self._calendar, self._folder / ".work")

    @property
    def home(self) -> str:
        return self._bucket.home

    def partition(self, day: date | None = None) -> Partition:
        """A day of this host; default: today in the market."""
        return partition_of(self._settings, day, self._clock)

    def due(self) -> list[Partition]:
        """Closed days with candles, and today once it has settled and the time of the delivery has come."""
        return days_due(self._settings, self._source, self._delivery, self.partition(), self._clock)

    def deliver_day(self, day: Partition) -> DayResult:
        """Bring a day's tables as they are here now. Raises HarvesterError as `deliver`."""
        tables = TableDelivery(self._source, self._folder, self._bucket, self._retries)
        if nothing := self._source.explain_nothing(day):
            return DayResult(DayOutcome(day, left_out=nothing), tables.receipt(day))
        with working(self._folder):
            outcome = deliver(tables, day)
        return DayResult(outcome, tables.receipt(day))


def days_due(
    settings: Settings, source: Source, delivery: DeliverySettings, today: Partition, clock: Clock
) -> list[Partition]:
    """Closed days with what a delivery takes, and today once its bars have settled and the time has come."""
    lake, kinds = settings.lake_dir, delivery.lake_tables
    closed = [each for each in find_partitions(lake) if each.host == settings.host_id and _has(lake, each, kinds)]
    settles_ns = source.settles_ns(today) if CANDLES in kinds else 0
    at = datetime.combine(today.date, time.fromisoformat(delivery.at), zone())
    is_due = clock.wall_ns() >= max(settles_ns, int(at.timestamp()) * NS_PER_SECOND)
    if is_due:
        return [*closed, *([today] if settles_ns and today not in closed else [])]
    return [each for each in closed if each != today]


def _has(lake: Path, day: Partition, kinds: Collection[str]) -> bool:
    manifest = load_manifest(lake, day)
    return bool(manifest and any(manifest.find(kind) for kind in kinds))
