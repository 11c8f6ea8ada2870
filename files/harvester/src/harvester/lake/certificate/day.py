"""The certificate of a day: for each symbol the expected slots, the recorded ones, and the gaps that are the rest."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
import numpy as np

from harvester.calendar import NSE_CASH
from harvester.lake.certificate.shares import share_of
from harvester.lake.certificate.streams import Json, longest_silence, percentiles
from harvester.lake.day.intervals import Interval
from harvester.lake.day.model import Day
from harvester.lake.day.slots import Grid, Stretch
from harvester.lake.gaps.polls import GapRow
from harvester.lake.tables.poll_rows import SymbolData

CERTIFICATE_FORMAT = 2
CHRONY = "chrony"
MOST_MESSAGES = 100
"""Texts of servers that a certificate quotes."""
RUN = ("run_id", "release", "boot_id", "first_ns", "last_ns", "stopped")
"""What the certificate has of a run of the recorder."""


class Sections(Protocol):
    """Entries of the certificate: of polls and trades by symbol, of sockets by the feed, and of candles."""

    symbols: dict[str, Json]
    streams: dict[str, Json]
    trades: dict[str, Json]
    candles: Json | None


def certify_symbol(data: SymbolData, gaps: list[GapRow], grid: Grid) -> Json:
    """One symbol's entry. `expected` = `recorded_slots` + the slots in `gaps_by_cause`."""
    expected = set(grid.slots)
    recorded = expected & set(data.sched_ns)
    deviation = percentiles(np.array(data.deviation_ns, np.int64))
    causes: Counter[str] = Counter()
    for gap in gaps:
        causes[gap.cause] += gap.slots or 0
    return {
        "expected": len(expected),
        "updates": len(data.sched_ns),
        "recorded_slots": len(recorded),
        "coverage": share_of(len(recorded), len(expected)),
        "duplicates": len(data.sched_ns) - len(set(data.sched_ns)),
        "off_schedule": sum(slot not in expected for slot in data.sched_ns),
        "bad_records": data.bad_records,
        "gaps_by_cause": dict(sorted(causes.items())),
        "longest_silence_ns": longest_silence(np.sort(np.array(data.recv_ns, np.int64)), grid.windows),
        "poll_deviation_ms": deviation and {name: deviation[name] for name in ("p50", "p99", "max")},
    }


def of_segment(segment: str) -> Json:
    """What an entry says of its segment: nothing for NSE cash."""
    return {} if segment == NSE_CASH else {"segment": segment}


def _certify_times(windows: Iterable[Interval], stretches: Iterable[Stretch]) -> Json:
    ordered = sorted(stretches, key=lambda stretch: stretch.from_ns)
    return {
        "windows": [list(window) for window in windows],
        "interval_ns": ordered[0].interval_ns if ordered else None,
        "schedule": [stretch._asdict() for stretch in ordered],
    }


def certify_day(
    day: Day,
    release: str,
    written: Sections,
    damage: Sequence[Json] = (),
) -> Json:
    """The whole certificate: the same for each build of the same journal by the same release."""
    index, events = day.index, day.events
    stretches = [stretch for grid in day.grids.values() for stretch in grid.stretches]
    parts = {segment: _certify_times(grid.windows, grid.stretches) for segment, grid in day.grids.items()}
    return {
        "format": CERTIFICATE_FORMAT,
        "date": day.partition.date.isoformat(),
        "host": day.partition.host,
        "release": release,
        **_certify_times(day.windows, stretches),
        **({"segments": parts} if len(parts) > 1 else {}),
        "symbols": dict(sorted(written.symbols.items())),
        "unexplained_slots": sum(_unexplained(entry) for entry in written.symbols.values()),
        "streams": dict(written.streams),
        **({"candles": written.candles} if written.candles else {}),
        "trades": dict(written.trades),
        "runs": [{name: getattr(run, name) for name in RUN} for run in events.runs],
        "journal": {
            "segments": len(index.sources),
            "records": sum(source.records for source in index.sources),
            "damaged_bytes": sum(end - start for source in index.sources for start, end in source.damaged),
            "torn_bytes": events.torn_bytes,
            "unattributed_records": index.unattributed,
            "other_feed_records": index.other_feeds,
            "malformed_control_records": sum(each.records or 0 for each in events.damage if each.kind == "malformed"),
        },
        "damage": list(damage),
        **({"more_damage": more} if (more := len(events.damage) - len(damage)) > 0 else {}),
        "clock": {
            "steps": len(events.clock_steps_ns),
            "largest_step_ns": max(events.clock_steps_ns, key=abs, default=0),
            "notes": [note for note in events.clock_notes if note.get("source") != CHRONY],
            "chrony": _summarise_chrony([note for note in events.clock_notes if note.get("source") == CHRONY]),
        },
        "messages": events.messages[:MOST_MESSAGES],
    }


def _summarise_chrony(notes: list[Json]) -> Json | None:
    """How far the clock was off at most, and the largest bound of the error, by chrony's own measurements."""
    offsets = [abs(note["offset_ns"]) for note in notes if isinstance(note.get("offset_ns"), int)]
    errors = [note["error_ns"] for note in notes if isinstance(note.get("error_ns"), int)]
    if not offsets:
        return None
    return {
        "measurements": len(offsets),
        "largest_offset_ns": max(offsets),
        "largest_error_ns": max(errors, default=None),
    }


def _unexplained(entry: Json) -> int:
    return int(entry["expected"] - entry["recorded_slots"] - sum(entry["gaps_by_cause"].values()))


def encode_certificate(certificate: Json) -> bytes:
    """The file's bytes, the same for the same certificate."""
    try:
        return msgspec.json.format(msgspec.json.encode(certificate), indent=1) + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which a server may send
        return (json.dumps(certificate, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
