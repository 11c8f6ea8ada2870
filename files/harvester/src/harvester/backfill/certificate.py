"""The certificate of what a backfill brought of a day: what was due, what came, by symbol and resolution."""

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

import numpy as np

from harvester.backfill.answers import Asked
from harvester.calendar import TradingCalendar
from harvester.calendar.bars import bar_day
from harvester.calendar.periods import trades
from harvester.config.resolutions import parse_resolution
from harvester.decode.frames import Ints
from harvester.lake.layout import Partition
from harvester.lake.schema import HISTORY_TABLE

FORMAT = 2
Json = dict[str, Any]


def expected_bars(calendar: TradingCalendar, resolution: str, day: date) -> int | None:
    """How many bars are due; None before the calendar's facts begin."""
    bars = parse_resolution(resolution)
    if day < calendar.valid_from:
        return None
    if bars.is_long:
        return 1
    session = calendar.session(day) if trades(calendar, day) else None
    return len(bar_day(session, bars.width_ns, (), 0).bars)


def certify(
    partition: Partition,
    release: str,
    before: Mapping[str, Json],
    asked: Mapping[tuple[str, str], Asked],
    parts: Mapping[str, Ints],
    calendars: Mapping[str, TradingCalendar],
) -> Json:
    """The certificate: the entries of before, and those that the day's rows have now where something was asked.

    `parts` has the rows of each symbol, as a matrix of the table.
    """
    symbols = {symbol: {**entry, "resolutions": dict(entry["resolutions"])} for symbol, entry in before.items()}
    expected = cache(expected_bars)  # few segments and resolutions, and thousands of symbols
    for (symbol, resolution), what in asked.items():
        calendar = calendars[symbol]
        entry = symbols.setdefault(symbol, {"segment": calendar.segment, "resolutions": {}})
        former = entry["resolutions"].get(resolution, {})
        rejected = {**former.get("rejected", {}), **what.rejected}
        entry["resolutions"][resolution] = {
            "expected": expected(calendar, resolution, partition.date),
            **_count(parts.get(symbol), parse_resolution(resolution).width_ns),
            "rejected": dict(sorted(rejected.items())) if rejected else {},
            "asked_ns": max(what.asked_ns, former.get("asked_ns", 0)),
        }
    for entry in symbols.values():
        entry["resolutions"] = dict(sorted(entry["resolutions"].items()))
    return {
        "format": FORMAT,
        "date": partition.date.isoformat(),
        "host": partition.host,
        "release": release,
        "windows": [],
        "symbols": {},
        "history": {"symbols": dict(sorted(symbols.items()))},
    }


def _count(rows: Ints | None, width_ns: int) -> Json:
    """Bars, which have one row of revision 0 each, and rows that are revisions."""
    if rows is None:
        return {"recorded": 0, "revised": 0}
    width, revision = HISTORY_TABLE.at("resolution_ns"), HISTORY_TABLE.at("revision")
    mine = rows[revision, rows[width] == width_ns]
    revised = int(np.count_nonzero(mine))
    return {"recorded": len(mine) - revised, "revised": revised}
