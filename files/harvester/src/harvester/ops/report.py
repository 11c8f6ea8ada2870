"""The report that a pull leaves: one HTML file that shows what was recorded and what not; no script, no network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from harvester.ops.catalogue import Day, check_symbols, load_days, require_days
from harvester.ops.drawing import Span, heat_paths, line_paths, spans
from harvester.ops.query import TIME_ZONE, open_lake
from harvester.ops.store import write_durably

if TYPE_CHECKING:
    import duckdb

COLUMNS = 96
LEVELS = 5
LINE_HEIGHT = 24
DAYS = 10
PANELS_PER_DAY = 40  # beyond this the page would be too heavy to open on a phone; the table still has every symbol


@dataclass(frozen=True)
class Axis:
    """The time axis of a day: from the first opening to the last closing (ns), in so many columns."""

    begin: int
    end: int
    columns: int


@dataclass(frozen=True)
class Panel:
    """One symbol on one day, ready to draw. Spread in paise, depth in shares."""

    symbol: str
    facts: dict[str, Any]
    strip: list[Span]
    causes: list[tuple[str, int]]
    heat: list[tuple[str, int, str]] = field(default_factory=list)
    spread: str = ""
    spread_median: float | None = None
    spread_top: float = 0.0
    profile: list[tuple[str, float, float]] = field(default_factory=list)


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
    files: int
    bytes: int
    unexplained: int
    columns: int
    panels: list[Panel]
    more: int

    @property
    def coverage(self) -> float:
        return self.recorded / self.expected if self.expected else 1.0


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
    engine.filters |= {"grouped": lambda number: f"{number:,}", "duration": say_duration}
    page = engine.get_template("report.html.j2").render(
        sections=sections,
        problems=list(problems),
        older=len({day.date for day in days}) - len(newest),
        causes=sorted({cause for section in sections for panel in section.panels for cause, _ in panel.causes}),
        made_at=datetime.now(ZoneInfo(TIME_ZONE)),
        levels=LEVELS,
        line_height=LINE_HEIGHT,
    )
    write_durably(target, page.encode())
    return target


def say_duration(ns: int) -> str:
    """A duration as a person says it: 35.0 s, 12 min 5 s, 3 h 20 min."""
    seconds = ns / 1e9
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _section(connection: "duckdb.DuckDBPyConnection", day: Day, symbols: Sequence[str]) -> DaySection:
    facts: dict[str, dict[str, Any]] = day.certificate["symbols"]
    chosen = [symbol for symbol in sorted(facts) if not symbols or symbol in symbols]
    # the worst covered first: they are what a reader looks for
    shown = sorted(chosen, key=lambda symbol: (facts[symbol]["coverage"] or 0.0, symbol))[:PANELS_PER_DAY]
    windows = day.certificate["windows"]
    begin, end = (windows[0][0], windows[-1][1]) if windows else (0, 1)
    # never more columns than polls, or a short session would look full of holes
    columns = max(1, min(COLUMNS, (end - begin) // max(1, day.certificate.get("interval_ns") or 1)))
    axis = Axis(begin, end, columns)
    return DaySection(
        date=day.date,
        host=day.host,
        windows=", ".join(f"{_clock(low)} to {_clock(high)}" for low, high in windows),
        hours=_hours(begin, end),
        expected=sum(facts[symbol]["expected"] for symbol in chosen),
        updates=sum(facts[symbol]["updates"] for symbol in chosen),
        recorded=sum(facts[symbol]["recorded_slots"] for symbol in chosen),
        files=len(day.manifest.files),
        bytes=sum(file.bytes for file in day.manifest.files),
        unexplained=day.certificate.get("unexplained_slots", 0),
        columns=columns,
        panels=[_panel(connection, day, symbol, facts[symbol], axis) for symbol in sorted(shown)],
        more=len(chosen) - len(shown),
    )


def _panel(connection: "duckdb.DuckDBPyConnection", day: Day, symbol: str, facts: dict[str, Any], axis: Axis) -> Panel:
    gaps = connection.execute(
        "select from_ns, to_ns, cause, slots from gaps"
        " where feed = 'fyers-rest' and date = ? and host = ? and symbol = ? order by from_ns",
        [day.date, day.host, symbol],
    ).fetchall()
    strip = [
        (low, high, cause, f"{cause}: {_clock(low)} to {_clock(high)}, {slots} polls missed")
        for low, high, cause, slots in gaps
    ]
    causes = sorted((facts.get("gaps_by_cause") or {}).items())
    panel = Panel(symbol, facts, spans(strip, axis.begin, axis.end), causes)
    return _with_books(panel, connection, day, axis)


def _with_books(panel: Panel, connection: "duckdb.DuckDBPyConnection", day: Day, axis: Axis) -> Panel:
    """The panel with depth over time, spread over time and the mean profile of the book, from the depth rows."""
    quantities = [f"ask_qty_{n}" for n in range(LEVELS, 0, -1)] + [f"bid_qty_{n}" for n in range(1, LEVELS + 1)]
    means = ", ".join(f"avg({name})" for name in quantities)
    statement = f"""
        select least(? - 1, (recv_ns - ?) * ? // ?) as bucket, median(ask_px_1 - bid_px_1), {means}
        from depth where date = ? and host = ? and symbol = ? and recv_ns >= ? and recv_ns < ?
        group by bucket order by bucket"""  # noqa: S608  # column names of our own schema
    length = max(1, axis.end - axis.begin)
    bucket_of = [axis.columns, axis.begin, axis.columns, length]
    rows = connection.execute(
        statement, [*bucket_of, day.date, day.host, panel.symbol, axis.begin, axis.end]
    ).fetchall()
    if not rows:
        return panel
    cells = [(int(row[0]), level, row[2 + level] or 0.0) for row in rows for level in range(2 * LEVELS)]
    thickest = max(value for *_, value in cells)
    halves = [
        ("askside", [cell for cell in cells if cell[1] < LEVELS]),
        ("bidside", [cell for cell in cells if cell[1] >= LEVELS]),
    ]
    spreads: list[float | None] = [None] * axis.columns
    for row in rows:
        spreads[int(row[0])] = row[1]
    line, top = line_paths(spreads, LINE_HEIGHT)
    known = sorted(value for value in spreads if value is not None)
    profile = [sum(row[2 + level] or 0.0 for row in rows) / len(rows) for level in range(2 * LEVELS)]
    widest = max(profile) or 1.0
    names = [f"ask {n}" for n in range(LEVELS, 0, -1)] + [f"bid {n}" for n in range(1, LEVELS + 1)]
    return Panel(
        panel.symbol,
        panel.facts,
        panel.strip,
        panel.causes,
        heat=[(side, *path) for side, part in halves for path in heat_paths(part, thickest)],
        spread=line,
        spread_median=known[len(known) // 2] if known else None,
        spread_top=top,
        profile=[(name, mean, 100 * mean / widest) for name, mean in zip(names, profile, strict=True)],
    )


def _hours(begin: int, end: int) -> list[tuple[float, str]]:
    """A few marks on the time axis: position in percent and clock time."""
    length = max(1, end - begin)
    return [(25.0 * step, _clock(begin + length * step // 4)) for step in range(5)]


def _clock(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, ZoneInfo(TIME_ZONE)).strftime("%H:%M:%S")
