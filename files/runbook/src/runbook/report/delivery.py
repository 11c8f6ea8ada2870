"""pull-data from end to end: hosts, transfer, CSV when wanted, report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harvester.base.errors import ConfigError
from harvester.reader.days import Day
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult, Problem, pull
from runbook.pull.sources import Connect
from runbook.pull.store import LocalStore
from runbook.pull.transport import Progress
from runbook.report.catalogue import damage_of, find_symbols, known_symbols, load_days, require_days
from runbook.report.report import write_report

FORMATS = ("parquet", "csv")
REPORT_NAME = "report.html"


@dataclass
class Delivery:
    """What was pulled: per host, plus exports and the report."""

    hosts: list[HostResult]
    damage: list[str] = field(default_factory=list)
    """What is wrong with the journals of the days that came, or were here and are in the selection."""
    csv_files: list[Path] = field(default_factory=list)
    report: Path | None = None

    @property
    def problems(self) -> list[Problem]:
        return [problem for host in self.hosts for problem in host.problems]


def parse_format(text: str, every: str | None = None) -> tuple[bool, int | None]:
    """Whether CSV is wanted besides Parquet, and how often a line of each symbol, in ns (see `deliver`).

    Raises ConfigError for a format that there is not, and for times of a CSV that is not wanted.
    """
    if text.lower() not in FORMATS:
        raise ConfigError(f"--format {text!r} is none of {' and '.join(FORMATS)}. Parquet is always downloaded.")
    csv = text.lower() == "csv"
    if every is None:
        return csv, None
    if not csv:
        raise ConfigError("--every is about the CSV: give --format csv with it. Parquet has every row.")
    from harvester.reader.export import parse_every

    return csv, parse_every(every)


def deliver(
    connections: Sequence[Connect],
    store: LocalStore,
    selection: Selection,
    *,
    symbols: Sequence[str] = (),
    csv: bool = False,
    every_ns: int | None = None,
    progress: Progress | None = None,
) -> Delivery:
    """Pull, then export and report what is here. Problems of hosts and files are listed, not raised.

    The CSV has a line of each symbol at each scheduled time, or each `every_ns` from the opening.
    """
    delivery = Delivery(pull(connections, store, selection, progress))
    days = load_days(store.lake, since=selection.since, until=selection.until)
    delivery.damage = damage_pulled(days, delivery.hosts)
    if not days:
        if not delivery.problems:
            require_days(store.lake, days)
        return delivery
    symbols = find_symbols(symbols, days, load_days(store.lake))
    if csv:
        delivery.csv_files = export_days(store, days, symbols, every_ns)
    delivery.report = write_report(
        store.lake,
        store.reports / REPORT_NAME,
        symbols=symbols,
        since=selection.since,
        until=selection.until,
        problems=[str(problem) for problem in delivery.problems],
    )
    return delivery


def damage_pulled(days: Sequence[Day], hosts: Sequence[HostResult]) -> list[str]:
    """What is wrong with the journals of the days that were pulled, in sentences with day and host."""
    pulled = {day for host in hosts for day in host.dates}
    return [
        f"{day.date} {day.host}: {sentence}"
        for day in days
        if day.date.isoformat() in pulled
        for sentence in damage_of(day)
    ]


def export_days(store: LocalStore, days: Sequence[Day], symbols: Sequence[str], every_ns: int | None) -> list[Path]:
    """One CSV per day in the old harvester's format, of all symbols or of these that the day has."""
    from harvester.reader.export import export_csv

    written = []
    for date in sorted({day.date for day in days}):
        known = known_symbols(day for day in days if day.date == date)
        wanted = [symbol for symbol in symbols if symbol in known]
        if not symbols or wanted:
            written.append(export_csv(store.lake, date, store.csv, wanted, every_ns)[0])
    return written
