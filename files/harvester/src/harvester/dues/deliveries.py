"""The deliveries of a host as a source of dues: met by the receipt of the day's tables."""

from collections.abc import Callable, Collection
from datetime import date, datetime, time
from pathlib import Path

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import zone
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings
from harvester.deliver.receipts import DayReceipt, VerifiedObject, load, receipt_path
from harvester.dues.due import Due, Found, UnseenError
from harvester.health.units import how_to_run
from harvester.jobs.schedule import Hours
from harvester.lake.layout import CANDLES, Partition
from harvester.lake.manifest import Manifest, load_manifest

WITHIN_NS = 3600 * NS_PER_SECOND
"""The timer looks every 20 minutes: a day that failed twice is missing."""
LACKING = ("missing", "rejected")


class DeliverySource:
    """Days of a host whose candles go to a place of others. That a run failed is told by its unit."""

    kind = "price-feed"
    tells = True

    def __init__(self, settings: Settings, hours: Callable[[date], Hours | None]) -> None:
        self._settings, self._hours = settings, hours
        self._deliveries = {each.name: each for each in settings.deliveries}

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        """One of each delivery on each day that has a journal, or is closed with candles."""
        hours, manifest = self._hours(day), self._manifest(day)
        recorded = self._settings.data_dir / "journal" / day.isoformat()
        if hours is None or not (manifest.find(CANDLES) if manifest else recorded.is_dir()):
            return []
        settles_ns = hours[1] + self._settings.candles.final_after_ns
        return [_due(each, day, settles_ns) for name, each in self._deliveries.items() if name not in without]

    def find(self, due: Due) -> Found:
        delivery = self._deliveries.get(due.name)
        if delivery is None:
            raise UnseenError(f"{due.name} is no delivery of this host any more")
        partition = Partition(date.fromisoformat(due.period), self._settings.host_id)
        folder = self._settings.data_dir / "deliveries" / due.name / "tables"
        written_ns = _written_ns(receipt_path(folder, partition))
        receipt = load(folder, partition, delivery.place)
        if receipt.manifest is None:
            return self._explain(partition.date, receipt)
        # Of a day without files the receipt alone says when.
        seen_ns = max(map(_verified_ns, receipt.files.values()), default=written_ns)
        lack = ", ".join(f"{count} bars {what}" for what in LACKING if (count := receipt.counts.get(what)))
        return Found(met_ns=seen_ns, proof=f"{len(receipt.files)} files are verified there", lack=lack)

    def _explain(self, day: date, receipt: DayReceipt) -> Found:
        manifest = self._manifest(day)
        paths = [self._settings.lake_dir / entry.path for entry in manifest.find(CANDLES)] if manifest else []
        if not all(path.exists() for path in paths):
            return Found(excused="its candles were cleaned up before they were delivered")
        if receipt.files:
            return Found(cause=f"{len(receipt.files)} files are verified there, and others are lacking")
        return Found(cause="nothing of the day is verified there")

    def _manifest(self, day: date) -> Manifest | None:
        try:
            return load_manifest(self._settings.lake_dir, Partition(day, self._settings.host_id))
        except HarvesterError as error:
            raise UnseenError(str(error)) from error


def _due(delivery: DeliverySettings, day: date, settles_ns: int) -> Due:
    at = datetime.combine(day, time.fromisoformat(delivery.at), zone())
    due_ns = max(settles_ns, int(at.timestamp()) * NS_PER_SECOND)
    return Due(
        kind=DeliverySource.kind,
        name=delivery.name,
        period=str(day),
        due_ns=due_ns,
        by_ns=due_ns + WITHIN_NS,
        proof="the receipt of its files",
        remedy=how_to_run("harvester-deliver"),
    )


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
