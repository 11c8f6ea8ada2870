"""The deliveries of a host as a source of dues: met by the receipt of the day's tables."""

from collections.abc import Callable, Collection
from datetime import date, datetime, time
from pathlib import Path

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import zone
from harvester.config.deliveries import POSTGRES, PRICE_FEED, DeliverySettings
from harvester.config.settings import Settings
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, load_any, receipt_path
from harvester.dues.due import Due, Found, UnseenError
from harvester.health.units import how_to_run
from harvester.jobs.schedule import Hours
from harvester.lake.layout import Partition
from harvester.lake.manifest import Manifest, load_manifest

WITHIN_NS = 3600 * NS_PER_SECOND
"""The timer looks every 20 minutes: a day that failed twice is missing."""
LACKING = ("missing", "rejected")
PLACES = {
    PRICE_FEED: ("deliveries", "files", "harvester-deliver"),
    POSTGRES: ("rows", "tables of symbols", "harvester-rows"),
}
"""By the kind of delivery: the folder of receipts below data_dir, what a receipt has, and the unit that brings days."""


class DeliverySource:
    """Days of a host whose candles go to a place of others. That a run failed is told by its unit."""

    tells = True

    def __init__(self, settings: Settings, hours: Callable[[date], Hours | None], kind: str = PRICE_FEED) -> None:
        self.kind = kind
        self._settings, self._hours = settings, hours
        self._deliveries = {each.name: each for each in settings.deliveries if each.kind == kind}
        self._folder, self._what, self._unit = PLACES[kind]

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        """One of each delivery on each day that has a journal, or is closed with candles."""
        hours, manifest = self._hours(day), self._manifest(day)
        recorded = self._settings.data_dir / "journal" / day.isoformat()
        if hours is None or not (manifest or recorded.is_dir()):
            return []
        settles_ns = hours[1] + self._settings.candles.final_after_ns
        return [
            self._due(each, day, settles_ns)
            for name, each in self._deliveries.items()
            if name not in without and (manifest is None or any(map(manifest.find, each.lake_tables)))
        ]

    def find(self, due: Due) -> Found:
        delivery = self._deliveries.get(due.name)
        if delivery is None:
            raise UnseenError(f"{due.name} is no delivery of this host any more")
        partition = Partition(date.fromisoformat(due.period), self._settings.host_id)
        folder = self._settings.data_dir / self._folder / due.name / "tables"
        written_ns = _written_ns(receipt_path(folder, partition))
        receipt = load(folder, partition, delivery.place) if self.kind == PRICE_FEED else load_any(folder, partition)
        if receipt.manifest is None:
            return self._explain(delivery, partition.date, receipt)
        # Of a day without files the receipt alone says when.
        seen_ns = max(map(_verified_ns, receipt.files.values()), default=written_ns)
        lack = ", ".join(f"{count} bars {what}" for what in LACKING if (count := receipt.counts.get(what)))
        return Found(met_ns=seen_ns, proof=f"{len(receipt.files)} {self._what} are verified there", lack=lack)

    def _explain(self, delivery: DeliverySettings, day: date, receipt: DayReceipt) -> Found:
        manifest, tables = self._manifest(day), delivery.lake_tables
        entries = [entry for kind in tables for entry in manifest.find(kind)] if manifest else []
        paths = [self._settings.lake_dir / entry.path for entry in entries]
        if not all(path.exists() for path in paths):
            return Found(excused="its candles were cleaned up before they were delivered")
        if receipt.files:
            return Found(cause=f"{len(receipt.files)} {self._what} are verified there, and others are lacking")
        return Found(cause="nothing of the day is verified there")

    def _due(self, delivery: DeliverySettings, day: date, settles_ns: int) -> Due:
        at = datetime.combine(day, time.fromisoformat(delivery.at), zone())
        due_ns = max(settles_ns, int(at.timestamp()) * NS_PER_SECOND)
        return Due(
            kind=self.kind,
            name=delivery.name,
            period=str(day),
            due_ns=due_ns,
            by_ns=due_ns + WITHIN_NS,
            proof=f"the receipt of its {self._what}",
            remedy=how_to_run(self._unit),
        )

    def _manifest(self, day: date) -> Manifest | None:
        try:
            return load_manifest(self._settings.lake_dir, Partition(day, self._settings.host_id))
        except HarvesterError as error:
            raise UnseenError(str(error)) from error


def _written_ns(path: Path) -> int | None:
    """When a receipt was written; None: there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnseenError(f"{path}: cannot be looked at ({error.strerror}).") from error


def _verified_ns(file: VerifiedObject) -> int:
    return int(datetime.fromisoformat(file.verified_at).timestamp()) * NS_PER_SECOND
