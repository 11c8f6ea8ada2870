"""verify-data: whether pulled files are still as their manifests state, and which trading days are missing."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.market import Market, to_local
from harvester.calendar import SegmentName, TradingCalendar
from harvester.lake.certificate.shares import share_of
from harvester.lake.layout import recorder_of
from harvester.reader.days import Day
from harvester.reader.files import looks_of
from runbook.pull.plan import Selection
from runbook.pull.store import LocalStore
from runbook.pull.verified import VerifiedFiles
from runbook.report.catalogue import damaged_manifest, find_symbols, load_days


@dataclass
class CheckedDay:
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
    damage: list[str] = field(default_factory=list)
    """What is wrong with the journal that the day was built from."""
    problems: list[str] = field(default_factory=list)

    @property
    def coverage(self) -> float | None:
        """Share of the polls that were answered."""
        return share_of(self.recorded, self.expected)

    @property
    def socket_coverage(self) -> float | None:
        """Share of the sockets' time that is covered, over all symbols."""
        return share_of(self.covered_ns, self.window_ns)


@dataclass
class Verification:
    """What is here, and what is wrong with it."""

    days: list[CheckedDay]
    missing_days: list[str]
    unlisted: list[str]
    """Files in the lake that no manifest names, nor ever named."""
    superseded: list[str]
    """Files of former builds in the lake, which readers of folders count beside the current ones."""
    kept_aside: int
    """Files of former builds that were moved out of the lake."""

    @property
    def ok(self) -> bool:
        return not self.missing_days and not any(day.problems for day in self.days)

    def to_dict(self) -> dict[str, Any]:
        content = {"ok": self.ok, **asdict(self)}
        return content | {"strangers": content.pop("unlisted")}  # its name in the JSON that scripts read


def verify_store(store: LocalStore, selection: Selection, symbols: Collection[str] = ()) -> Verification:
    """Check the selected days. Figures are of `symbols` where some are named; files are always checked whole.

    Raw segments that were never pulled are no fault. HarvesterError when there is nothing to verify.
    """
    from harvester.reader.verify import verify_lake

    report = verify_lake(store.lake, damaged_manifest)
    checked = []
    for found in report.days:
        if not selection.includes(date.fromisoformat(found.date)):
            continue
        unpulled = {problem for problem in found.problems if _is_unpulled_raw(problem, store.lake)}
        problems = [_with_reason(problem, store.lake) for problem in found.problems if problem not in unpulled]
        files = found.files - len(unpulled)
        checked.append(
            CheckedDay(
                found.date, found.host, files, found.bytes, len(unpulled), damage=found.damage, problems=problems
            )
        )
    readable = _readable_days(store.lake, checked)
    here = [*readable.values()]
    recorded = [day for day in checked if recorder_of(day.host) == day.host]
    symbols = find_symbols(symbols, here, here)
    for day in checked:
        if pulled := readable.get((day.date, day.host)):
            _account(day, pulled, symbols, store.lake)
    present = {date.fromisoformat(day.date) for day in recorded}
    missing = set(missing_days(present, selection)) if not here else set[date]()
    for market in {day.market for day in here}:
        theirs = [day for day in here if day.market == market]
        others = {day.date for day in here} - {day.date for day in theirs}
        missing |= set(missing_days(present - others, selection, _days_by_segment(theirs), market=market))
    missed = [day.isoformat() for day in sorted(missing)]
    known = VerifiedFiles(store)
    ours = {path for path in report.unlisted if known.sha256(path)}
    return Verification(
        checked,
        missed,
        [path for path in report.unlisted if path not in ours],
        sorted({*report.superseded} | ours),
        sum(1 for _ in store.superseded.glob("*")),
    )


def market_today(market: Market | None = None) -> date:
    """The date there now; default: in the market in force."""
    return to_local(SystemClock().wall_ns(), market).date()


def missing_days(
    present: Collection[date],
    selection: Selection,
    by_segment: Mapping[SegmentName, Collection[date]] | None = None,
    *,
    today: date | None = None,
    market: Market | None = None,
) -> Iterator[date]:
    """Trading days of the selection before today without data; where it is open, between the first and last day here.

    `by_segment`: days here that have each segment; default: all of them the main one. `today`: default: the market's,
    which is by default the one in force.
    """
    if not present and not (selection.since and selection.until):
        return
    day = selection.since or min(present)
    last = min(selection.until or max(present), (today or market_today(market)) - timedelta(days=1))
    known = TradingCalendar.load(market=market)
    due = [
        _Due.make(known, segment, days, present) for segment, days in (by_segment or {known.segment: present}).items()
    ]
    while day <= last:
        if day not in present and any(each.first <= day <= each.last and each.calendar.session(day) for each in due):
            yield day
        day += timedelta(days=1)


class _Due(NamedTuple):
    """From when to when days of a segment are expected."""

    calendar: TradingCalendar
    first: date
    last: date

    @classmethod
    def make(
        cls, known: TradingCalendar, segment: SegmentName, days: Collection[date], present: Collection[date]
    ) -> "_Due":
        """From its first day here on until the next without it; what the first of all has was always recorded."""
        calendar = known.of(segment) if segment in known.segments else known
        if not present:
            return cls(calendar, date.min, date.max)
        first, last = min(days), max(days)
        end = min((day for day in present if day > last), default=date.max)
        return cls(calendar, date.min if first == min(present) else first, end)


def _days_by_segment(pulled: Iterable[Day]) -> dict[SegmentName, set[date]]:
    from harvester.lake.certificate.balance import segments_of

    found: dict[SegmentName, set[date]] = {}
    for day in pulled:
        for segment in segments_of(day.certificate):
            found.setdefault(segment, set()).add(day.date)
    return found


def _readable_days(lake: Path, checked: list[CheckedDay]) -> dict[tuple[str, str], Day]:
    """Days whose manifest and certificate can be read; why others cannot is among their problems already."""
    readable: dict[tuple[str, str], Day] = {}
    here = {(str(day.date), day.host): day for day in load_days(lake)}
    for day in checked:
        key = (day.date, day.host)
        if recorder_of(day.host) != day.host:
            continue  # what a backfill brought has no polls and no sockets to account for
        try:
            _ = here[key].certificate
            readable[key] = here[key]
        except HarvesterError as error:
            day.problems = day.problems or [str(error)]
    return readable


def _account(day: CheckedDay, pulled: Day, symbols: Collection[str], lake: Path) -> None:
    """Fill in the figures, and hold the accounts against the tables where `verify_lake` stopped at unpulled files."""
    from harvester.lake.certificate.balance import check_day

    missed: Counter[str] = Counter()
    lost_ns: Counter[str] = Counter()
    for symbol, entry in pulled.certificate["symbols"].items():
        if not symbols or symbol in symbols:
            day.rows += entry["updates"]
            day.expected += entry["expected"]
            day.recorded += entry["recorded_slots"]
            missed.update(entry["gaps_by_cause"])
    for stream in pulled.certificate.get("streams", {}).values():
        for symbol, entry in stream["symbols"].items():
            if not symbols or symbol in symbols:
                day.rows += sum(entry["updates"].values())
                day.window_ns += entry["window_ns"]
                day.covered_ns += entry["covered_ns"]
                lost_ns.update({cause: sums["ns"] for cause, sums in entry["gaps_by_cause"].items()})
    day.gaps_by_cause, day.lost_ns_by_cause = dict(sorted(missed.items())), dict(sorted(lost_ns.items()))
    tables = [lake / file.path for file in pulled.manifest.built]
    if day.raw_left_on_host and not day.problems and all(map(Path.exists, tables)):
        try:
            day.problems += check_day(lake, pulled.certificate, pulled.manifest.files)
        except (KeyError, TypeError, ValueError) as error:
            day.problems.append(f"the certificate's accounts cannot be checked ({error})")


def _is_unpulled_raw(problem: str, lake: Path) -> bool:
    path = problem.partition(": ")[0]
    return path.startswith("raw/") and problem.endswith(": it is missing") and not (lake / path).exists()


def _with_reason(problem: str, lake: Path) -> str:
    """The problem with what the file looks like instead, where that says more."""
    path = lake / problem.partition(": ")[0]
    if path.suffix != ".parquet" or not path.is_file():
        return problem
    with path.open("rb") as file:
        looks = looks_of(file)
    return f"{problem}; it looks like {looks}" if looks else problem
