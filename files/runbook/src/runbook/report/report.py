"""The report that a pull leaves: one HTML file that shows what was recorded and what not; no script, no network."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from harvester.base.files import replace_file
from harvester.base.market import entered, zone_of
from harvester.lake.certificate.shares import in_percent, share_of
from harvester.ledger.outage import Cause
from harvester.reader.days import Day
from runbook.pull.store import writing
from runbook.report.axis import axes_of, say_hours
from runbook.report.catalogue import damage_of, find_symbols, known_symbols, load_days, require_days
from runbook.report.panels import (
    LEVELS,
    LINE_HEIGHT,
    figures_of,
    make_panel,
    worst_coverage,
)
from runbook.report.query import open_lake

if TYPE_CHECKING:
    import duckdb

DAYS = 10
PANELS_PER_DAY = 40  # beyond this the page would be too heavy to open on a phone; the table still has every symbol


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
    symbols = find_symbols(symbols, days, load_days(lake))
    newest = sorted({day.date for day in days})[-DAYS:]
    drawn = [day for day in days if day.date in newest]
    with open_lake(lake, since=since, until=until) as connection:
        sections = []
        for day in reversed(drawn):
            with entered(day.market.name):  # clock times on the page are those of the day's market
                sections.append(_section(connection, day, symbols))
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    engine = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    engine.filters |= {"grouped": lambda number: f"{number:,}", "percent": in_percent}
    page = engine.get_template("report.html.j2").render(
        sections=sections,
        problems=list(problems),
        older=len({day.date for day in days}) - len(newest),
        causes=sorted({cause for section in sections for panel in section["panels"] for cause in panel.causes}),
        all_causes=get_args(Cause),
        breaks=any(section["has_breaks"] for section in sections),
        made_at=datetime.now(zone_of(drawn[-1].market)),
        levels=LEVELS,
        line_height=LINE_HEIGHT,
    )
    with writing(target):
        replace_file(target, page)
    return target


def _section(connection: "duckdb.DuckDBPyConnection", day: Day, symbols: Sequence[str]) -> dict[str, Any]:
    """What the template shows of one day of one host: its windows, totals and panels."""
    chosen = [symbol for symbol in known_symbols([day]) if not symbols or symbol in symbols]
    # the worst covered first: they are what a reader looks for
    shown = sorted(chosen, key=lambda symbol: (worst_coverage(day, symbol), symbol))[:PANELS_PER_DAY]
    axes = axes_of(day)
    every = [figures for symbol in chosen for figures in figures_of(day, symbol).values()]
    polls = [figures for figures in every if "expected" in figures]
    sockets = [figures for figures in every if "window_ns" in figures]
    expected, recorded = (sum(figures[key] for figures in polls) for key in ("expected", "recorded_slots"))
    window_ns, covered_ns = (sum(figures[key] for figures in sockets) for key in ("window_ns", "covered_ns"))
    socket_coverage = share_of(covered_ns, window_ns)
    return {
        "date": day.date,
        "host": day.host,
        "windows": say_hours(axes),
        "expected": expected,
        "updates": sum(_rows(figures) for figures in every),
        "recorded": recorded,
        "coverage": min(share for share in (share_of(recorded, expected), socket_coverage, 1.0) if share is not None),
        "socket_coverage": socket_coverage,
        "missing": sum(figures["sequence"]["missing"] for figures in sockets if "sequence" in figures),
        "files": len(day.manifest.files),
        "bytes": sum(file.bytes for file in day.manifest.files),
        "damage": damage_of(day),
        "unexplained": day.certificate.get("unexplained_slots", 0),
        "has_breaks": any(axis.closed for axis in axes.values()),
        "panels": [make_panel(connection, day, symbol, axes[day.segments[symbol]]) for symbol in sorted(shown)],
        "more": len(chosen) - len(shown),
    }


def _rows(figures: dict[str, Any]) -> int:
    updates = figures["updates"]
    return sum(updates.values()) if isinstance(updates, dict) else int(updates)
