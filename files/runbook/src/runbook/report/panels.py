"""Panels of the report: one symbol on one day, its coverage by feed, book, spread, rate and sequence numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import NSE
from harvester.journal.format import FEED_NAMES, FYERS_REST
from harvester.lake.certificate.shares import share_of
from harvester.lake.layout import DEPTH, DEPTH50, FORMER_NAMES, INDICES
from harvester.reader.days import Day
from runbook.report.axis import Axis, clock
from runbook.report.comparison import compare_bars
from runbook.report.drawing import Span, heat_paths, line_paths, spans

if TYPE_CHECKING:
    import duckdb

LEVELS = 5
LINE_HEIGHT = 24
POLLS = FEED_NAMES[FYERS_REST]
CLOSED = "closed"
"""The kind of span in which nothing is due."""
PLAIN_BOOK = "bid_px_paise[1] > 0 and ask_px_paise[1] > bid_px_paise[1]"
"""Books with a spread. Before an opening bids and asks cross, and orders at the market have the price 0."""
MOST_SKEW_MS = 60_000


@dataclass(frozen=True)
class Strip:
    """The coverage of one feed over the day, and what to say of it; `gaps` is how many there are."""

    feed: str
    coverage: float | None
    gaps: int
    words: list[str]
    spans: list[Span]


@dataclass(frozen=True)
class Curve:
    """Something over time: a path, its median and the top of its scale."""

    path: str = ""
    median: float | None = None
    top: float = 0.0


@dataclass(frozen=True)
class Panel:
    """One symbol on one day, ready to draw. Spread in paise, depth in shares, rate in updates a second."""

    symbol: str
    axis: Axis
    strips: list[Strip]
    causes: set[str]
    heat: list[tuple[str, int, str]] = field(default_factory=list)
    spread: Curve = Curve()
    rate: Curve = Curve()
    profile: list[tuple[str, float, float]] = field(default_factory=list)


def figures_of(day: Day, symbol: str) -> dict[str, dict[str, Any]]:
    """What the certificate says of a symbol, by feed; polls only where some were due or came."""
    polls = day.certificate["symbols"].get(symbol)
    found = {POLLS: polls} if polls and (polls["expected"] or polls["updates"]) else {}
    for feed, figures in day.certificate.get("streams", {}).items():
        if symbol in figures["symbols"]:
            found[feed] = figures["symbols"][symbol]
    return found or ({POLLS: polls} if polls else {})


def worst_coverage(day: Day, symbol: str) -> float:
    """The smallest coverage of its feeds; 0 where nothing is known."""
    found = [*figures_of(day, symbol).values(), *filter(None, [_candles_of(day, symbol)])]
    return min((figures["coverage"] or 0.0 for figures in found), default=0.0)


def _candles_of(day: Day, symbol: str) -> dict[str, Any] | None:
    """What the certificate says of a symbol's bars of the broker."""
    found: dict[str, Any] | None = day.certificate.get("candles", {"symbols": {}})["symbols"].get(symbol)
    return found


def make_panel(connection: "duckdb.DuckDBPyConnection", day: Day, symbol: str, axis: Axis) -> Panel:
    """Everything about one symbol on one day."""
    figures = figures_of(day, symbol)
    rows = connection.execute(
        "select feed, from_ns, to_ns, cause, slots from gaps"
        " where date = ? and host = ? and symbol = ? order by from_ns",
        [day.date, day.host, symbol],
    ).fetchall()
    strips = [_strip(feed, entry, [row[1:] for row in rows if row[0] == feed], axis) for feed, entry in figures.items()]
    strips += _strips_of_candles(connection, day, symbol, rows, axis)
    causes = {str(row[3]) for row in rows}
    table = _table_of(figures)
    if table is None:
        return Panel(symbol, axis, strips, causes)
    panel = Panel(symbol, axis, strips, causes, rate=_rate(connection, day, symbol, axis, table))
    return panel if table == INDICES else _with_books(panel, connection, day, axis, table)


def _strips_of_candles(
    connection: "duckdb.DuckDBPyConnection", day: Day, symbol: str, rows: list[tuple[Any, ...]], axis: Axis
) -> Iterator[Strip]:
    """That of the broker's own bars, where they are recorded, with what they say of ours."""
    figures = _candles_of(day, symbol)
    if figures is None:
        return
    feed = day.market.history
    gaps = [row[1:] for row in rows if row[0] == feed]
    drawn = [
        (low, high, cause, f"{cause}: {clock(low)} to {clock(high)}, {bars} bars") for low, high, cause, bars in gaps
    ]
    drawn += [(low, high, CLOSED, _closed(low, high, axis)) for low, high in axis.closed]
    words = [f"{figures['recorded']:,} of {figures['expected']:,} of the broker's bars"]
    words += [f"{figures['revised']:,} revised"] if figures["revised"] else []
    provisional = sum(figures.get("provisional_by_cause", {}).values())
    words += [f"{provisional:,} provisional, without the history's word"] if provisional else []
    words += [f"{count:,} rejected: {flaw.replace('_', ' ')}" for flaw, count in figures["rejected"].items()]
    if day.market is NSE and (compared := compare_bars(connection, day, symbol)):  # elsewhere are no bars of ours
        words += compared.words()
    yield Strip(feed, figures["coverage"], len(gaps), words, spans(drawn, axis.begin, axis.end))


def _strip(feed: str, figures: dict[str, Any], gaps: list[tuple[Any, ...]], axis: Axis) -> Strip:
    drawn = [
        (low, high, cause, f"{cause}: {clock(low)} to {clock(high)}, " + _lost(high - low, slots))
        for low, high, cause, slots in gaps
    ]
    drawn += [(low, high, CLOSED, _closed(low, high, axis)) for low, high in axis.closed]
    whole, part = ("expected", "recorded_slots") if "expected" in figures else ("window_ns", "covered_ns")
    return Strip(
        feed, share_of(figures[part], figures[whole]), len(gaps), _words(figures), spans(drawn, axis.begin, axis.end)
    )


def _closed(low: int, high: int, axis: Axis) -> str:
    return f"closed: {clock(low)} to {clock(high)}" if axis.windows else "nothing due on this day"


def _lost(length_ns: int, slots: int | None) -> str:
    return say_duration(length_ns) if slots is None else f"{slots} polls missed"


def _words(figures: dict[str, Any]) -> list[str]:
    """What there is to say of a feed besides its coverage, in short sentences."""
    words = []
    if "expected" in figures:
        words.append(f"{figures['recorded_slots']:,} of {figures['expected']:,} polls answered")
    else:
        words += [f"{count:,} rows of {table}" for table, count in figures["updates"].items()]
        words += [f"{figures['minutes']:,} minutes streamed"] if "minutes" in figures else []
    if figures.get("longest_silence_ns"):
        words.append(f"longest silence {say_duration(figures['longest_silence_ns'])}")
    for cause, sums in (figures.get("gaps_by_cause") or {}).items():
        name = cause.replace("_", " ")
        words.append(f"{name} {sums} polls" if isinstance(sums, int) else f"{name} {say_duration(sums['ns'])}")
    if deviation := figures.get("poll_deviation_ms"):
        words.append(f"polls sent after their time: p50 {deviation['p50']:.1f} ms, p99 {deviation['p99']:.1f} ms")
    if skew := figures.get("skew_ms"):
        words.append(_skew(skew))
    if "sequence" in figures:
        words.append(_sequence(figures["sequence"]))
    for stream, sums in (figures.get("copies") or {}).items():
        words.append(f"connection {stream}: first with {sums['first']:,}, alone with {sums['alone']:,}")
    return words


def _skew(skew: dict[str, float]) -> str:
    """Receipt against the exchange's time; what no clock can explain is explained."""
    said = f"receipt after the exchange's time, which has whole seconds: p50 {skew['p50']:,.0f} ms"
    if skew["p50"] < 0:
        return f"{said}, before it was sent: this host's clock is behind, or the exchange's ahead"
    if skew["p99"] >= MOST_SKEW_MS:
        return f"{said}; the longest are of updates with an old time, such as snapshots"
    return f"{said}, p99 {skew['p99']:,.0f} ms"


def _sequence(sequence: dict[str, Any]) -> str:
    chains = sequence["connections"]
    if not chains:
        return "no sequence numbers came"
    spans_ = ", ".join(f"{chain['first']:,} to {chain['last']:,}" for chain in chains[:3])
    more = f" and {len(chains) - 3} connections more" if len(chains) > 3 else ""
    missing = "none missing" if not sequence["missing"] else f"{sequence['missing']:,} missing"
    return f"sequence numbers {spans_}{more}: {missing}"


def _table_of(figures: dict[str, dict[str, Any]]) -> str | None:
    """The table that shows most of the symbol."""
    rows: dict[str, int] = {DEPTH: 0}
    for feed, entry in figures.items():
        if feed == POLLS:
            rows[DEPTH] += entry["updates"]
        else:
            for name, count in entry["updates"].items():
                table = FORMER_NAMES.get(name, name)
                rows[table] = rows.get(table, 0) + count
    return next((table for table in (DEPTH, DEPTH50, INDICES) if rows.get(table)), None)


def _bucketed(axis: Axis, table: str, values: str) -> tuple[str, list[int]]:
    """A statement that gathers values by column of the axis, and its first parameters."""
    statement = f"""
        select least(? - 1, (recv_ns - ?) * ? // ?) as bucket, {values} from "{table}"
        where date = ? and host = ? and symbol = ? and recv_ns >= ? and recv_ns < ? and in_session
        group by bucket order by bucket"""  # noqa: S608  # column names of our own schema
    return statement, [axis.columns, axis.begin, axis.columns, max(1, axis.end - axis.begin)]


def _rate(connection: "duckdb.DuckDBPyConnection", day: Day, symbol: str, axis: Axis, table: str) -> Curve:
    statement, parameters = _bucketed(axis, table, "count(*)")
    rows = connection.execute(statement, [*parameters, day.date, day.host, symbol, axis.begin, axis.end]).fetchall()
    seconds = max(1e-9, (axis.end - axis.begin) / axis.columns / NS_PER_SECOND)
    counts: dict[int, float | None] = {int(bucket): count / seconds for bucket, count in rows}
    return _line([counts.get(column, 0.0 if axis.is_open(column) else None) for column in range(axis.columns)])


def _line(values: list[float | None]) -> Curve:
    path, top = line_paths(values, LINE_HEIGHT)
    known = sorted(value for value in values if value is not None)
    return Curve(path, known[len(known) // 2] if known else None, top)


def _with_books(panel: Panel, connection: "duckdb.DuckDBPyConnection", day: Day, axis: Axis, table: str) -> Panel:
    """The panel with depth over time, spread over time and the mean profile of the book."""
    quantities = [f"ask_qty[{n}]" for n in range(LEVELS, 0, -1)] + [f"bid_qty[{n}]" for n in range(1, LEVELS + 1)]
    means = ", ".join(f"avg({name})" for name in quantities)
    statement, parameters = _bucketed(
        axis, table, f"median(ask_px_paise[1] - bid_px_paise[1]) filter ({PLAIN_BOOK}), {means}"
    )
    rows = connection.execute(
        statement, [*parameters, day.date, day.host, panel.symbol, axis.begin, axis.end]
    ).fetchall()
    if not rows:
        return panel
    cells = [(int(row[0]), level, row[2 + level] or 0.0) for row in rows for level in range(2 * LEVELS)]
    thickest = max(value for *_, value in cells)
    halves = [
        ("askside", [cell for cell in cells if cell[1] < LEVELS]),
        ("bidside", [cell for cell in cells if cell[1] >= LEVELS]),
    ]
    profile = [sum(row[2 + level] or 0.0 for row in rows) / len(rows) for level in range(2 * LEVELS)]
    widest = max(profile) or 1.0
    spreads = {int(row[0]): row[1] for row in rows}
    names = [f"ask {n}" for n in range(LEVELS, 0, -1)] + [f"bid {n}" for n in range(1, LEVELS + 1)]
    return replace(
        panel,
        heat=[(side, *path) for side, part in halves for path in heat_paths(part, thickest)],
        spread=_line([spreads.get(column) for column in range(axis.columns)]),
        profile=[(name, mean, 100 * mean / widest) for name, mean in zip(names, profile, strict=True)],
    )


def say_duration(ns: int) -> str:
    """A duration as a person says it: 40 ms, 35.0 s, 12 min 5 s, 3 h 20 min."""
    seconds = ns / 1e9
    if seconds < 1:
        return f"{max(1, round(1000 * seconds)) if ns else 0} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
