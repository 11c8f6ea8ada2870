"""Whether a day's files balance: data and gaps counted from the files alone, against the certificate."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvester.calendar import NSE_CASH, SegmentName
from harvester.calendar.segments import SEGMENTS
from harvester.config.feeds import HISTORIES
from harvester.journal.format import FEED_NAMES, FYERS_REST
from harvester.lake.certificate.candles import FORMER_HISTORY, check_entry, read_rows
from harvester.lake.certificate.sections import symbol_sections
from harvester.lake.certificate.streams import Json
from harvester.lake.certificate.trades import check_trades
from harvester.lake.day.intervals import Interval, intersect, total, union
from harvester.lake.day.slots import Stretch
from harvester.lake.gaps.polls import GapRow, stream_gaps
from harvester.lake.layout import BARS, CANDLES, DEPTH, FORMER_NAMES, GAPS, TRADES, table_of
from harvester.lake.manifest import FileEntry
from harvester.lake.schema import TABLES
from harvester.lake.tables.parquet import read_columns

REST = FEED_NAMES[FYERS_REST]
Key = tuple[str, str]
"""Feed and symbol."""


def check_day(lake: Path, certificate: Json, files: Iterable[FileEntry]) -> list[str]:
    """One line per flaw: polls, sockets, rows of the tables, and trades.

    Raises HarvesterError for a table that is none, and KeyError, TypeError or ValueError for such a certificate.
    """
    paths: dict[str, list[Path]] = {}
    for entry in files:
        paths.setdefault(table_of(entry.folder), []).append(lake / entry.path)
    check = _Checks(certificate, paths)
    told: dict[Key, list[str]] = {}
    for key, rows in groupby(stream_gaps(*paths[GAPS]), key=lambda row: (row.feed, row.symbol)):
        found = check.of(key, list(rows)) if key in check.entries else []
        told[key] = told.get(key, []) + found
    present = {(REST, name) for name in check.present}
    flaws = [f"{name}: has data of polls, but no entry" for _, name in sorted(present - {*check.entries})]
    for feed, symbol in check.entries:
        key = feed, symbol
        found = told.pop(key) if key in told else check.of(key, [])
        flaws += [f"{symbol}: {'' if feed == REST else f'{feed}: '}{flaw}" for flaw in found]
    if certificate["unexplained_slots"]:
        flaws.append(f"{certificate['unexplained_slots']} slots are unexplained")
    for feed, section in certificate.get("streams", {}).items():
        flaws += [f"{section['unexplained_ns']} ns of {feed} are unexplained"] if section["unexplained_ns"] else []
    if "candles" in certificate and certificate["candles"]["unexplained_bars"]:
        flaws.append(f"{certificate['candles']['unexplained_bars']} bars are unexplained")
    flaws += _check_rows(certificate, paths)
    if TRADES in paths:
        flaws += check_trades(certificate["trades"], paths[TRADES])
    elif certificate.get("trades"):
        flaws.append("the table trades is not listed, and should have rows")
    return flaws + [f"{symbol}: has gaps of {feed}, but no entry" for feed, symbol in sorted(told)]


class _Checks:
    """What the certificate says of each feed and symbol, against its gaps."""

    def __init__(self, certificate: Json, paths: Mapping[str, Sequence[Path]]) -> None:
        self.entries: dict[Key, Json] = {(REST, symbol): entry for symbol, entry in certificate["symbols"].items()}
        for feed, section in certificate.get("streams", {}).items():
            self.entries |= {(feed, symbol): entry for symbol, entry in section["symbols"].items()}
        candles = certificate.get("candles")
        if candles:
            feed = candles.get("feed", FORMER_HISTORY)
            self.entries |= {(feed, symbol): entry for symbol, entry in candles["symbols"].items()}
        self._bars: Json = candles["due"] if candles else {}
        self._candles = read_rows(paths[CANDLES]) if candles else {}
        parts = parts_of(certificate)
        self._slots = {
            segment: {slot for entry in part["schedule"] for slot in Stretch(**entry).slots()}
            for segment, part in parts.items()
        }
        self._spans = {
            segment: [(int(opens), int(closes)) for opens, closes in part["windows"]] for segment, part in parts.items()
        }
        self.present = _slots_present(paths[DEPTH])

    def of(self, key: Key, gaps: list[GapRow]) -> list[str]:
        """The flaws of one symbol on one feed."""
        (feed, symbol), entry = key, self.entries[key]
        if feed == REST:
            return check_symbol(entry, self._slots[segment_of(entry)], self.present.get(symbol, []), gaps)
        if feed in HISTORIES:
            return check_entry(entry, self._bars.get(segment_of(entry), ()), self._candles.get(symbol, ()), gaps)
        return check_stream(entry, self._spans[segment_of(entry)], gaps)


def parts_of(certificate: Json) -> dict[str, Json]:
    """Windows and schedule by segment. TypeError for what is no certificate."""
    if "segments" in certificate:
        return dict(certificate["segments"])
    return {NSE_CASH: certificate}


def segment_of(entry: Json) -> str:
    """The segment of a symbol, by its entry in a certificate."""
    return str(entry["segment"]) if "segment" in entry else NSE_CASH


def segments_of(certificate: Json) -> set[SegmentName]:
    """The segments of all symbols. Those of a release to come are left out."""
    named = {segment_of(entry) for section in symbol_sections(certificate) for entry in section.values()}
    return {segment for segment in SEGMENTS if segment in named}


def _slots_present(depth: Sequence[Path]) -> dict[str, list[int]]:
    present: dict[str, list[int]] = {}
    for batch in read_columns(depth, DEPTH, ["symbol", "ts_sched"]):
        if batch.column("ts_sched").null_count == batch.num_rows:
            continue
        polled = batch.filter(pc.is_valid(batch.column("ts_sched")))
        names = polled.column("symbol").to_pylist()
        for name, slot in zip(names, polled.column("ts_sched").to_pylist(), strict=True):
            present.setdefault(name, []).append(slot)
    return present


def check_symbol(entry: Json, slots: set[int], have: list[int], gaps: list[GapRow]) -> list[str]:
    """Flaws in the slots of one polled symbol: each must have data or lie in one gap."""
    recorded = slots & set(have)
    flaws = []
    covered: set[int] = set()
    ordered = sorted(slots)
    for gap in gaps:
        inside = set(ordered[bisect_left(ordered, gap.from_ns) : bisect_left(ordered, gap.to_ns)])
        if len(inside) != gap.slots or inside & covered:
            flaws.append(f"the gap at {gap.from_ns} does not hold the {gap.slots} slots it names, each once")
        covered |= inside
    if covered & recorded:
        flaws.append(f"{len(covered & recorded)} slots have data and are in a gap")
    if slots - recorded - covered:
        flaws.append(f"{len(slots - recorded - covered)} slots have neither data nor a gap")
    counted = {"expected": len(slots), "updates": len(have), "recorded_slots": len(recorded)}
    flaws += [f"{key} is {entry[key]}, counted {number}" for key, number in counted.items() if entry[key] != number]
    return flaws


def check_stream(entry: Json, windows: list[Interval], gaps: list[GapRow]) -> list[str]:
    """Flaws in the time of one symbol on one socket: each moment of a window is covered or in one gap."""
    stretches = [(gap.from_ns, gap.to_ns) for gap in gaps]
    lost, window_ns = total(stretches), total(windows)
    flaws = []
    if total(union(stretches)) != lost or any(begin >= end for begin, end in stretches):
        flaws.append("its gaps overlap or are empty")
    if total(intersect(union(stretches), windows)) != total(union(stretches)):
        flaws.append("a gap lies outside the windows")
    causes: Counter[str] = Counter()
    for gap in gaps:
        causes[gap.cause] += gap.to_ns - gap.from_ns
    if dict(causes) != {cause: sums["ns"] for cause, sums in entry["gaps_by_cause"].items()}:
        flaws.append("its gaps by cause are not those of the ledger")
    if (entry["window_ns"], entry["covered_ns"]) != (window_ns, window_ns - lost):
        flaws.append(f"{entry['covered_ns']} ns are covered, counted {window_ns - lost} of {window_ns}")
    return flaws


def _check_rows(certificate: Json, paths: Mapping[str, Sequence[Path]]) -> list[str]:
    """Flaws where the rows of a socket in a table are not the updates that the certificate states."""
    claimed: Counter[tuple[str, str, str]] = Counter()
    for feed, section in certificate.get("streams", {}).items():
        for symbol, entry in section["symbols"].items():
            rows_of = {FORMER_NAMES.get(table, table): rows for table, rows in entry["updates"].items() if rows}
            claimed.update({(table, feed, symbol): rows for table, rows in rows_of.items()})
    found: Counter[tuple[str, str, str]] = Counter()
    for table in {name for name, _, _ in claimed} | ({*paths} & {*TABLES} - {BARS, CANDLES, TRADES}):
        if table not in paths:
            return [f"the table {table} is not listed, and should have rows"]
        for batch in read_columns(paths[table], table, ["symbol", "feed"]):
            for (symbol, feed), rows in count_pairs(batch.column("symbol"), batch.column("feed")):
                if feed != REST:
                    found[table, feed, symbol] += rows
    return [
        f"{symbol}: {table} has {found[table, feed, symbol]} rows of {feed}, the certificate says {rows}"
        for table, feed, symbol in sorted({*claimed, *found})
        if (rows := claimed[table, feed, symbol]) != found[table, feed, symbol]
    ]


def count_pairs(one: pa.DictionaryArray, other: pa.DictionaryArray) -> Iterator[tuple[tuple[str, str], int]]:
    """The pairs of texts that two columns have side by side, and how often; neither has nulls."""
    names, others = one.dictionary.to_pylist(), other.dictionary.to_pylist()
    width = max(1, len(others))
    pairs = one.indices.to_numpy(zero_copy_only=False).astype(np.int64) * width + other.indices.to_numpy(
        zero_copy_only=False
    )
    counts = np.bincount(pairs, minlength=1)
    for pair in np.flatnonzero(counts).tolist():
        yield (names[pair // width], others[pair % width]), int(counts[pair])
