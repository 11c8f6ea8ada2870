"""The report that a pull leaves: one HTML file that shows what was recorded and what not; no script, no network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from zoneinfo import ZoneInfo

from harvester.base.clock import NS_PER_SECOND
from harvester.ledger.outage import Cause
from runbook.pull.store import write_durably
from runbook.report.catalogue import PulledDay, check_symbols, known_symbols, load_days, require_days
from runbook.report.panels import LEVELS, LINE_HEIGHT, Axis, Panel, clock, facts_of, make_panel, worst_coverage
from runbook.report.query import TIME_ZONE, open_lake

if TYPE_CHECKING:
    import duckdb

COLUMNS = 96
DAYS = 10
PANELS_PER_DAY = 40  # beyond this the page would be too heavy to open on a phone; the table still has every symbol


@dataclass(frozen=True)
class DaySection:
    """One day of one host: windows, totals and panels."""

    date: date
    host: str
    windows: str
    hours: list[tuple[float, str]]
    expected: int
    updates: int
    recorded: int
    window_ns: int
    covered_ns: int
    missing: int
    files: int
    bytes: int
    unexplained: int
    columns: int
    panels: list[Panel]
    more: int

    @property
    def coverage(self) -> float:
        """Share of the polls answered, or of the sockets' time covered: whichever is less."""
        polls = self.recorded / self.expected if self.expected else 1.0
        return min(polls, self.covered_ns / self.window_ns if self.window_ns else 1.0)


def write_report(
    lake: Path,
    target: Path,
    *,
    symbols: Sequence[str] = (),
    since: date | None = None,
    until: date | None = None,
    problems: Iterable[str] = (),
) -> Path:
    """Write the report over a lake's days to `target` and return it. ConfigError for no day or an unknown symbol."""
    import jinja2

    days = require_days(lake, load_days(lake, since=since, until=until))
    check_symbols(symbols, days)
    newest = sorted({day.date for day in days})[-DAYS:]
    drawn = [day for day in days if day.date in newest]
    with open_lake(lake, since=since, until=until) as connection:
        sections = [_section(connection, day, symbols) for day in reversed(drawn)]
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    engine = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    engine.filters |= {"grouped": lambda number: f"{number:,}"}
    page = engine.get_template("report.html.j2").render(
        sections=sections,
        problems=list(problems),
        older=len({day.date for day in days}) - len(newest),
        causes=sorted({cause for section in sections for panel in section.panels for cause in panel.causes}),
        all_causes=get_args(Cause),
        made_at=datetime.now(ZoneInfo(TIME_ZONE)),
        levels=LEVELS,
        line_height=LINE_HEIGHT,
    )
    write_durably(target, page.encode())
    return target


def _section(connection: "duckdb.DuckDBPyConnection", day: PulledDay, symbols: Sequence[str]) -> DaySection:
    chosen = [symbol for symbol in known_symbols([day]) if not symbols or symbol in symbols]
    # the worst covered first: they are what a reader looks for
    shown = sorted(chosen, key=lambda symbol: (worst_coverage(day, symbol), symbol))[:PANELS_PER_DAY]
    axis = _axis(day)
    every = [facts for symbol in chosen for facts in facts_of(day, symbol).values()]
    polls = [facts for facts in every if "expected" in facts]
    sockets = [facts for facts in every if "window_ns" in facts]
    windows = day.certificate["windows"]
    return DaySection(
        date=day.date,
        host=day.host,
        windows=", ".join(f"{clock(low)} to {clock(high)}" for low, high in windows),
        hours=_hours(axis),
        expected=sum(facts["expected"] for facts in polls),
        updates=sum(_rows(facts) for facts in every),
        recorded=sum(facts["recorded_slots"] for facts in polls),
        window_ns=sum(facts["window_ns"] for facts in sockets),
        covered_ns=sum(facts["covered_ns"] for facts in sockets),
        missing=sum(facts["sequence"]["missing"] for facts in sockets if "sequence" in facts),
        files=len(day.manifest.files),
        bytes=sum(file.bytes for file in day.manifest.files),
        unexplained=day.certificate.get("unexplained_slots", 0),
        columns=axis.columns,
        panels=[make_panel(connection, day, symbol, axis) for symbol in sorted(shown)],
        more=len(chosen) - len(shown),
    )


def _rows(facts: dict[str, Any]) -> int:
    updates = facts["updates"]
    return sum(updates.values()) if isinstance(updates, dict) else int(updates)


def _axis(day: PulledDay) -> Axis:
    """Never more columns than polls or seconds, or a short session would look full of holes."""
    windows = day.certificate["windows"]
    begin, end = (windows[0][0], windows[-1][1]) if windows else (0, 1)
    step = day.certificate.get("interval_ns") or NS_PER_SECOND
    return Axis(begin, end, max(1, min(COLUMNS, (end - begin) // step)))


def _hours(axis: Axis) -> list[tuple[float, str]]:
    """A few marks on the time axis: position in percent and clock time."""
    length = max(1, axis.end - axis.begin)
    return [(25.0 * step, clock(axis.begin + length * step // 4)) for step in range(5)]
