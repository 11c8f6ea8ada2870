"""The certificate's section of the broker's own candles, and whether its files agree with it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from harvester.calendar.bars import Bar, BarDay
from harvester.decode.candles import BarBook, count_rejected
from harvester.lake.certificate.shares import share_of
from harvester.lake.certificate.streams import Json
from harvester.lake.gaps.polls import GapRow
from harvester.lake.layout import CANDLES
from harvester.lake.tables.parquet import read_columns

FORMER_HISTORY = "fyers-history"
"""The feed of a section that names none."""
Row = tuple[int, int, bool]
"""Of the table: begin in wall ns, revision, final."""


def certify_candles(
    book: BarBook, due: Sequence[Bar], gaps: Sequence[GapRow], bad_answers: int, unsettled: Mapping[str, int]
) -> Json:
    """One symbol's entry. `expected` = `recorded` + the bars in `gaps_by_cause`.

    `unsettled`: of the recorded ones, those that only a stream has brought, by the cause for which history did not.
    """
    rows, begins, in_force = book.rows(), {bar.begin_ns for bar in due}, book.in_force()
    causes: Counter[str] = Counter()
    for gap in gaps:
        causes[gap.cause] += gap.slots or 0
    recorded = len(begins & in_force.keys())
    return {
        "expected": len(due),
        "recorded": recorded,
        "coverage": share_of(recorded, len(due)),
        "final": sum(row.is_final for row in in_force.values()),
        "revised": sum(row.revision > 0 for row in rows),
        "rejected": count_rejected([book]),
        "off_schedule": len(in_force.keys() - begins),
        "answers": len(book.sent_ns),
        "bad_answers": bad_answers,
        "gaps_by_cause": dict(sorted(causes.items())),
        **({"provisional_by_cause": dict(unsettled)} if unsettled else {}),
    }


def certify_section(symbols: Mapping[str, Json], days: Mapping[str, BarDay], width_ns: int, feed: str) -> Json:
    """The section: the bars that are due, by segment, and the symbols; the feed where it is not NSE's."""
    return {
        **({"feed": feed} if feed != FORMER_HISTORY else {}),
        "resolution_ns": width_ns,
        "due": {segment: [list(bar) for bar in day.bars] for segment, day in sorted(days.items()) if day.bars},
        "unexplained_bars": sum(_unexplained(entry) for entry in symbols.values()),
        "symbols": dict(sorted(symbols.items())),
    }


def _unexplained(entry: Json) -> int:
    return int(entry["expected"] - entry["recorded"] - sum(entry["gaps_by_cause"].values()))


def check_entry(entry: Json, due: Sequence[Sequence[int]], rows: Sequence[Row], gaps: Sequence[GapRow]) -> list[str]:
    """Flaws of one symbol: each due bar must have a row or lie in one gap, and the counts must be those of the rows."""
    begins = {begin for begin, _ in due}
    in_force = {begin: is_final for begin, _, is_final in sorted(rows)}
    causes: Counter[str] = Counter()
    covered: set[int] = set()
    flaws = []
    for gap in gaps:
        inside = {begin for begin in begins if gap.from_ns <= begin < gap.to_ns}
        if len(inside) != gap.slots or inside & covered:
            flaws.append(f"the gap at {gap.from_ns} does not hold the {gap.slots} bars it names, each once")
        covered |= inside
        causes[gap.cause] += gap.slots or 0
    if covered & in_force.keys():
        flaws.append(f"{len(covered & in_force.keys())} bars have a row and are in a gap")
    if missing := begins - in_force.keys() - covered:
        flaws.append(f"{len(missing)} bars have neither a row nor a gap")
    counted = {
        "expected": len(begins),
        "recorded": len(begins & in_force.keys()),
        "final": sum(in_force.values()),
        "revised": sum(revision > 0 for _, revision, _ in rows),
        "off_schedule": len(in_force.keys() - begins),
        "gaps_by_cause": dict(causes),
    }
    return flaws + [f"{key} is {entry[key]}, counted {value}" for key, value in counted.items() if entry[key] != value]


def read_rows(paths: Sequence[Path]) -> dict[str, list[Row]]:
    """The rows of each symbol. Raises HarvesterError for a file that is no such table."""
    found: dict[str, list[Row]] = {}
    for batch in read_columns(paths, CANDLES, ["symbol", "ts_begin", "revision", "final"]):
        columns = (batch.column(name).to_pylist() for name in ("symbol", "ts_begin", "revision", "final"))
        for symbol, *row in zip(*columns, strict=True):
            begin_ns, revision, is_final = row
            found.setdefault(symbol, []).append((begin_ns, revision, is_final))
    return found
