"""pull-data from end to end: hosts, transfer, CSV when wanted, report."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harvester.base.errors import ConfigError
from harvester.config.settings import DATA_DIR
from runbook.fleet.environment import surroundings_of
from runbook.fleet.inventory import Host
from runbook.pull.download import Progress
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult, Problem, pull
from runbook.pull.store import Store
from runbook.pull.transport import LocalTransport, SshTransport, Transport
from runbook.report.catalogue import Day, check_symbols, known_symbols, load_days, require_days
from runbook.report.report import write_report

FORMATS = ("parquet", "csv")
REPORT_NAME = "report.html"
Connect = Callable[[], Transport]


@dataclass
class Delivery:
    """What came home: per host, plus exports and the report."""

    hosts: list[HostResult]
    csv_files: list[Path] = field(default_factory=list)
    report: Path | None = None

    @property
    def problems(self) -> list[Problem]:
        return [problem for host in self.hosts for problem in host.problems]


def parse_format(text: str) -> bool:
    """Whether CSV is wanted besides Parquet; ConfigError for a format that there is not."""
    if text.lower() not in FORMATS:
        raise ConfigError(f"--format {text!r} is none of {' and '.join(FORMATS)}. Parquet is always brought.")
    return text.lower() == "csv"


def lake_of(host: Host) -> str:
    """Where the lake lies on a host: under the data directory that its settings name, or their default."""
    stated = host.settings.get("data_dir") or DATA_DIR
    return f"{stated}/lake"


def connect_to(host: Host) -> Connect:
    """How to open a host's lake: by SSH, or directly where the inventory says that the host is this machine."""
    if host.variables.get("ansible_connection") == "local":
        return partial(LocalTransport, host.name, Path(lake_of(host)))
    return partial(SshTransport, host, lake_of(host))


def choose(source: str, bucket: str | None, limit: str | None, hosts: Callable[[], Sequence[Host]]) -> list[Connect]:
    """What to pull from: the inventory's hosts, or their parts of a bucket, where `limit` is a pattern of host names.

    The inventory is not asked where a bucket is named: what is in it may be of hosts that are long gone. Raises
    ConfigError for a source that there is not.
    """
    if source == "host" and bucket is None:
        return [connect_to(host) for host in hosts()]
    if source != "s3":
        raise ConfigError(f"--from {source!r} is none of host and s3. A --bucket needs --from s3.")
    from runbook.pull.bucket import connections, open_lake
    from runbook.pull.uploads import find_bucket

    known = [] if bucket else hosts()
    with surroundings_of(known[0]) if known else nullcontext():
        lake = open_lake(find_bucket(known, bucket))
    return [*connections(lake, limit)]


def deliver(
    connections: Sequence[Connect],
    store: Store,
    selection: Selection,
    *,
    symbols: Sequence[str] = (),
    csv: bool = False,
    progress: Progress | None = None,
) -> Delivery:
    """Pull, then export and report what is here. Problems of hosts and files are listed, not raised."""
    delivery = Delivery(pull(connections, store, selection, progress))
    days = load_days(store.lake, since=selection.since, until=selection.until)
    if not days:
        if not delivery.problems:
            require_days(store.lake, days)
        return delivery
    check_symbols(symbols, days)
    if csv:
        delivery.csv_files = export_days(store, days, symbols)
    delivery.report = write_report(
        store.lake,
        store.reports / REPORT_NAME,
        symbols=symbols,
        since=selection.since,
        until=selection.until,
        problems=[str(problem) for problem in delivery.problems],
    )
    return delivery


def export_days(store: Store, days: Sequence[Day], symbols: Sequence[str]) -> list[Path]:
    """One CSV per day in the old harvester's format, of all symbols or of these that the day has."""
    from harvester.reader.export import export_csv

    written = []
    for date in sorted({day.date for day in days}):
        known = known_symbols(day for day in days if day.date == date)
        wanted = [symbol for symbol in symbols if symbol in known]
        if not symbols or wanted:
            written.append(export_csv(store.lake, date, store.csv, wanted)[0])
    return written
