"""The copy of each closed day in the bucket as a source of dues: met by the receipt of the day's manifest."""

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path

from harvester.dues.due import Due, Found, looking
from harvester.health.days import CLOSE_NS, UPLOAD_NS
from harvester.health.seen_days import UPLOADS, look_at_day
from harvester.health.units import how_to_run
from harvester.jobs.schedule import Hours
from harvester.lake.layout import Partition

NAME = "lake"


class UploadSource:
    """Days of a host that has a bucket. That one does not reach it is told by the list of what must be true."""

    kind = "delivery"
    tells = False

    def __init__(self, data_dir: Path, host: str, hours: Callable[[date], Hours | None]) -> None:
        self._data_dir, self._host, self._hours = data_dir, host, hours

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        """One on each day that is closed, or has a journal to be closed."""
        hours, recorded = self._hours(day), self._data_dir / "journal" / day.isoformat()
        partition = Partition(day, self._host)
        if NAME in without or hours is None:
            return []
        with looking():
            is_here = recorded.is_dir() or (self._data_dir / "lake" / partition.manifest).exists()
        if not is_here:
            return []
        by_ns = hours[1] + CLOSE_NS + UPLOAD_NS
        return [
            Due(
                kind=self.kind,
                name=NAME,
                period=str(day),
                due_ns=hours[1],
                by_ns=by_ns,
                proof="the receipt of its manifest",
                remedy=how_to_run("harvester-upload"),
            )
        ]

    def find(self, due: Due) -> Found:
        partition = Partition(date.fromisoformat(due.period), self._host)
        receipt = self._data_dir / UPLOADS / f"{due.period}_{self._host}.json"
        with looking():
            if not (self._data_dir / "lake" / partition.manifest).exists():
                return Found(cause="the day is not closed, so there is nothing to upload")
            day = look_at_day(self._data_dir, partition, uploads=True)
            if day.uploaded:
                return Found(met_ns=receipt.stat().st_mtime_ns, proof="each file and the manifest are verified there")
        if day.left_out:
            return Found(excused="files of it were cleaned up before there was a bucket")
        return Found(cause="it is not in the bucket")
