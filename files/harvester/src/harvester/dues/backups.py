"""The backups of a database as a source of dues: met when the bucket was seen to hold dump and manifest.

On a host without a bucket one is met when it lies there, or a laptop has it; when a laptop comes, nobody can say.

That a backup was made and tested is due as well, as jobs; this is what becomes of it.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone
from harvester.config.database import DatabaseSettings
from harvester.deliver.receipts import DayReceipt, load, made_figure
from harvester.dues.due import Due, Found, looking
from harvester.health.units import how_to_run
from harvester.jobs.records import JOBS, Records
from harvester.jobs.schedule import Hours
from harvester.lake.layout import Partition

WITHIN_NS = 3 * 3600 * NS_PER_SECOND
"""The job has an hour, and the delivery is tried every ten minutes."""
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UNIT = "harvester-deliver-database"
DAILY, FULL = "database-daily", "database-full"
"""The jobs that make them, which the role database_backup puts into the list."""


class _Kind(NamedTuple):
    """`stem` is that of its names at the place: as in `harvester.database.manifests`."""

    job: str
    stem: str
    within_ns: int
    days: int
    """On how many days from the due one on it may be made: a host that slept makes up for it later."""


KINDS = {
    "daily": _Kind(DAILY, "daily/incremental_", WITHIN_NS, 1),
    "full": _Kind(FULL, "weekly/full_", 6 * 24 * 3600 * NS_PER_SECOND, 7),
}


class BackupSource:
    """Backups of a host that has `database_backup`. Their jobs' units tell of runs that failed."""

    kind = "backup"
    tells = True

    def __init__(self, settings: DatabaseSettings, hours: Callable[[date], Hours | None]) -> None:
        self._settings, self._hours = settings, hours

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        """The daily one, and on its day of the week the full one, since their jobs are here."""
        weekday, _, clock = self._settings.full_at.partition(" ")
        is_off = self._settings.days == "trading" and self._hours(day) is None
        wanted = {} if is_off else {"daily": self._settings.export_at}
        if DAYS[day.weekday()] == weekday:
            wanted["full"] = clock
        dues = []
        for name, at in wanted.items():
            due_ns = int(datetime.combine(day, time.fromisoformat(at), zone()).timestamp()) * NS_PER_SECOND
            if name not in without and due_ns >= self._since_ns(KINDS[name].job):
                dues.append(_due(name, day, due_ns, bool(self._settings.place)))
        return sorted(dues, key=lambda due: due.due_ns)

    def find(self, due: Due) -> Found:
        day, stem = date.fromisoformat(due.period), KINDS[due.name].stem
        dump, manifest = f"{stem}{day}.dump.gz", f"{stem}{day}.json"
        if not self._settings.place:
            return self._find_here(due, day)
        for later in range(KINDS[due.name].days):
            if found := self._look(day + timedelta(days=later), stem):
                return found
        with looking():
            is_made = (self._settings.folder / manifest).exists()
        if is_made:
            return Found(cause=f"{dump} is made, and the bucket was not seen to hold it")
        return Found(cause=f"{dump} was not made: see the job {KINDS[due.name].job}", told=True)

    def _find_here(self, due: Due, day: date) -> Found:
        """A backup of a host without a bucket: on this host, or by its receipt on a laptop."""
        job, stem, _, days = KINDS[due.name]
        for later in range(days):
            name = day + timedelta(days=later)
            dump, manifest = (self._settings.folder / f"{stem}{name}.{suffix}" for suffix in ("dump.gz", "json"))
            with looking(), suppress(FileNotFoundError):
                made_ns = manifest.stat().st_mtime_ns
                dump.stat()
                return Found(met_ns=made_ns, proof=f"{dump.name} lies on this host, which has no bucket")
            if pulled := self._look(name, stem):  # the copy here went after it
                made = self._receipt(name).counts.get(made_figure(due.name))
                met_ns = pulled.met_ns if made is None else made * NS_PER_SECOND
                return Found(met_ns=met_ns, proof=f"{dump.name} was pulled, and its copy here is removed")
        return Found(cause=f"{stem}{day}.dump.gz was not made: see the job {job}", told=True)

    def _look(self, day: date, stem: str) -> Found | None:
        """The backup of that name, where dump and manifest were seen at the place."""
        receipt = self._receipt(day)
        dump, manifest = f"{stem}{day}.dump.gz", receipt.files.get(f"{stem}{day}.json")
        if manifest is None or dump not in receipt.files:
            return None
        seen_ns = int(datetime.fromisoformat(manifest.verified_at).timestamp()) * NS_PER_SECOND
        return Found(met_ns=seen_ns, proof=f"{dump} was read back there")

    def _receipt(self, day: date) -> DayReceipt:
        return load(self._settings.receipts, Partition(day, self._settings.host_id), self._settings.home)

    def _since_ns(self, job: str) -> int:
        try:
            return Records(self._settings.data_dir / JOBS / job).since_ns()
        except OSError:  # the source of the jobs says that it cannot be seen
            return 0


def _due(name: str, day: date, due_ns: int, has_bucket: bool) -> Due:
    return Due(
        kind=BackupSource.kind,
        name=name,
        period=str(day),
        due_ns=due_ns,
        by_ns=due_ns + KINDS[name].within_ns,
        proof="the receipt of its dump and manifest" if has_bucket else "its dump and manifest on the host",
        remedy=how_to_run(UNIT if has_bucket else f"harvester-job-{KINDS[name].job}"),
    )
