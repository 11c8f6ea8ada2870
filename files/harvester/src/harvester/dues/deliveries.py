"""The deliveries of a host as a source of dues: met by the receipt of the day's tables."""

from collections.abc import Callable, Collection
from datetime import date, datetime, time
from pathlib import Path

import msgspec

from harvester.base.clock import IST, NS_PER_SECOND
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings
from harvester.dues.due import Due, Found, UnseenError
from harvester.health.units import how_to_run
from harvester.jobs.schedule import Hours
from harvester.lake.layout import Partition

WITHIN_NS = 3600 * NS_PER_SECOND
"""The timer looks every 20 minutes: a day that failed twice is missing."""
LACKING = ("missing", "rejected")


class _Verified(msgspec.Struct):
    verified_at: datetime


class _Receipt(msgspec.Struct):
    """Of a delivery's receipt: the seal of all that is there, the files, and the counts of bars."""

    manifest: str | None = None
    files: list[_Verified] = []
    counts: dict[str, int] = {}


class DeliverySource:
    """Days of a host whose candles go to a place of others. That a run failed is told by its unit."""

    kind = "price-feed"
    tells = True

    def __init__(self, settings: Settings, hours: Callable[[date], Hours | None]) -> None:
        self._settings, self._hours = settings, hours

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        """One of each delivery on each day that has a journal, or is closed."""
        hours, settings = self._hours(day), self._settings
        recorded = settings.data_dir / "journal" / day.isoformat()
        manifest = settings.lake_dir / Partition(day, settings.host_id).manifest
        if hours is None or not (recorded.is_dir() or manifest.exists()):
            return []
        settles_ns = hours[1] + settings.candles.final_after_ns
        return [_due(each, day, settles_ns) for each in settings.deliveries if each.name not in without]

    def find(self, due: Due) -> Found:
        folder = self._settings.data_dir / "deliveries" / due.name / "tables"
        path = folder / f"{due.period}_{self._settings.host_id}.json"
        try:
            receipt = msgspec.json.decode(path.read_bytes(), type=_Receipt)
        except (FileNotFoundError, msgspec.MsgspecError):
            return Found(cause="nothing of the day is verified there")
        except OSError as error:
            raise UnseenError(f"{path}: cannot be looked at ({error.strerror}).") from error
        if receipt.manifest is None:
            return Found(cause=f"{len(receipt.files)} files are verified there, and others are lacking")
        lack = ", ".join(f"{count} bars {what}" for what in LACKING if (count := receipt.counts.get(what)))
        return Found(met_ns=_seen_ns(path, receipt), proof=f"{len(receipt.files)} files are verified there", lack=lack)


def _due(delivery: DeliverySettings, day: date, settles_ns: int) -> Due:
    at = datetime.combine(day, time.fromisoformat(delivery.at), IST)
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


def _seen_ns(path: Path, receipt: _Receipt) -> int:
    """When the last file was verified; of a day without files, when its receipt was written."""
    moments = [int(each.verified_at.timestamp()) * NS_PER_SECOND for each in receipt.files]
    return max(moments, default=path.stat().st_mtime_ns)
