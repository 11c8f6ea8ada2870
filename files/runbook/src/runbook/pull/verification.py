"""verify-data: whether what was pulled is still what the hosts promised, and which trading days are not here at all."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.calendar import TradingCalendar
from harvester.lake.layout import BUILT
from runbook.pull.plan import Selection
from runbook.pull.store import Store
from runbook.report.catalogue import Day, check_parquet, check_symbols, load_days


@dataclass
class DayVerdict:
    """One day of one host: what is here, what it says of itself, what is wrong with it."""

    date: str
    host: str
    files: int
    bytes: int
    raw_left_on_host: int = 0
    rows: int = 0
    expected: int = 0
    recorded: int = 0
    gaps_by_cause: dict[str, int] = field(default_factory=dict)
    window_ns: int = 0
    covered_ns: int = 0
    lost_ns_by_cause: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def coverage(self) -> float | None:
        """Share of the polls that were answered."""
        return self.recorded / self.expected if self.expected else None

    @property
    def socket_coverage(self) -> float | None:
        """Share of the sockets' time that is covered, over all symbols."""
        return self.covered_ns / self.window_ns if self.window_ns else None


@dataclass
class Verification:
    """The verdict over a store."""

    days: list[DayVerdict]
    missing_days: list[str]
    strangers: list[str]

    @property
    def ok(self) -> bool:
        return not self.missing_days and not any(day.problems for day in self.days)

    def to_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def verify_store(store: Store, selection: Selection, symbols: Collection[str] = ()) -> Verification:
    """Check the selected days. Figures are of `symbols` where some are named; files are always checked whole.

    Raw segments that were never pulled are no fault. HarvesterError when there is nothing to verify.
    """
    from harvester.reader.verify import verify_lake

    report = verify_lake(store.lake)
    verdicts = []
    for found in report.days:
        if not selection.includes(date.fromisoformat(found.date)):
            continue
        absent = {problem for problem in found.problems if _is_unpulled_raw(problem, store.lake)}
        problems = [_with_reason(problem, store.lake) for problem in found.problems if problem not in absent]
        verdict = DayVerdict(found.date, found.host, found.files - len(absent), found.bytes, len(absent))
        verdict.problems = problems
        verdicts.append(verdict)
    days = _readable_days(store.lake, verdicts)
    check_symbols(symbols, days.values())
    for verdict in verdicts:
        day = days.get((verdict.date, verdict.host))
        if day:
            _account(verdict, day, symbols, store.lake)
    present = {date.fromisoformat(verdict.date) for verdict in verdicts}
    return Verification(verdicts, [day.isoformat() for day in missing_days(present, selection)], report.unlisted)


def missing_days(
    present: Collection[date], selection: Selection, calendar: TradingCalendar | None = None
) -> Iterator[date]:
    """Trading days of the selection without data; where it is open, between the first and the last day here."""
    calendar = calendar or TradingCalendar.load()
    if not present and not (selection.since and selection.until):
        return
    day = selection.since or min(present)
    last = selection.until or max(present)
    while day <= last:
        if day not in present and calendar.session(day):
            yield day
        day += timedelta(days=1)


def _readable_days(lake: Path, verdicts: list[DayVerdict]) -> dict[tuple[str, str], Day]:
    """Days whose manifest and certificate can be read; why others cannot is among their problems already."""
    days: dict[tuple[str, str], Day] = {}
    for verdict in verdicts:
        day = date.fromisoformat(verdict.date)
        try:
            found = load_days(lake, since=day, until=day)
        except HarvesterError as error:
            verdict.problems = verdict.problems or [str(error)]
            continue
        days |= {(entry.date.isoformat(), entry.host): entry for entry in found}
    return days


def _account(verdict: DayVerdict, day: Day, symbols: Collection[str], lake: Path) -> None:
    """Fill in the figures, and hold the accounts against the tables where `verify_lake` stopped at unpulled files."""
    from harvester.lake.certificate.balance import check_day

    causes: Counter[str] = Counter()
    for symbol, facts in day.certificate["symbols"].items():
        if symbols and symbol not in symbols:
            continue
        verdict.rows += facts["updates"]
        verdict.expected += facts["expected"]
        verdict.recorded += facts["recorded_slots"]
        causes.update(facts["gaps_by_cause"])
    verdict.gaps_by_cause = dict(sorted(causes.items()))
    _account_sockets(verdict, day, symbols)
    tables = [lake / entry.path for kind in BUILT for entry in day.manifest.find(kind)]
    if verdict.raw_left_on_host and not verdict.problems and all(map(Path.exists, tables)):
        try:
            verdict.problems += check_day(lake, day.certificate, day.manifest.files)
        except (KeyError, TypeError, ValueError) as error:
            verdict.problems.append(f"the certificate's accounts cannot be checked ({error})")


def _account_sockets(verdict: DayVerdict, day: Day, symbols: Collection[str]) -> None:
    lost: Counter[str] = Counter()
    for facts in day.certificate.get("streams", {}).values():
        for symbol, entry in facts["symbols"].items():
            if not symbols or symbol in symbols:
                verdict.rows += sum(entry["updates"].values())
                verdict.window_ns += entry["window_ns"]
                verdict.covered_ns += entry["covered_ns"]
                lost.update({cause: sums["ns"] for cause, sums in entry["gaps_by_cause"].items()})
    verdict.lost_ns_by_cause = dict(sorted(lost.items()))


def _is_unpulled_raw(problem: str, lake: Path) -> bool:
    path = problem.partition(": ")[0]
    return path.startswith("raw/") and problem.endswith(": it is missing") and not (lake / path).exists()


def _with_reason(problem: str, lake: Path) -> str:
    """The problem with what the file looks like instead, where that says more."""
    path = lake / problem.partition(": ")[0]
    if path.suffix != ".parquet" or not path.is_file():
        return problem
    try:
        check_parquet(path)
    except HarvesterError as error:
        return f"{problem}; {error}"
    return problem
