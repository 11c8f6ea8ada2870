"""What an order has brought so far, by the certificates: bars, days without any, and what no backfill can bring."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from harvester.backfill.known import entries_of
from harvester.backfill.order import FIRST_DAY, Order
from harvester.backfill.plan import due_of
from harvester.calendar import TradingCalendar
from harvester.lake.layout import find_partitions, history_of

MOST_DAYS = 20


def summarise(lake: Path, host: str, order: Order, calendars: Mapping[str, TradingCalendar]) -> dict[str, Any]:
    """Of each symbol: bars `expected` (null before the calendar's facts), `recorded`, `revised` and `rejected`, the
    days `answered`, those that are still to be asked for, and those that the broker has nothing of.

    `not_recorded`: trading days without a certificate of this host, whose depth stays missing. Raises HarvesterError.
    """
    here = {each.date for each in find_partitions(lake) if each.host == host}
    dates = sorted({day for symbol in order.symbols for day in due_of(order, calendars[symbol])})
    entries = {day: entries_of(lake, history_of(day, host)) for day in dates}
    symbols = {symbol: _count(symbol, order, calendars[symbol], entries) for symbol in order.symbols}
    missing = [str(day) for day in dates if day not in here]
    return {
        "since": str(order.since),
        "until": str(order.until),
        "resolution": order.resolution,
        "before_the_broker": str(FIRST_DAY) if order.since < FIRST_DAY else None,
        "days": len(dates),
        "not_recorded": {"days": len(missing), "such_as": missing[:MOST_DAYS]},
        "symbols": symbols,
    }


def _count(
    symbol: str, order: Order, calendar: TradingCalendar, entries: Mapping[date, Mapping[str, Any]]
) -> dict[str, Any]:
    due = list(due_of(order, calendar))
    mine = {day: entries[day][symbol]["resolutions"].get(order.resolution) for day in due if symbol in entries[day]}
    known = {day: entry for day, entry in mine.items() if entry}
    empty = [str(day) for day, entry in known.items() if not entry["recorded"]]
    expected = [entry["expected"] for entry in known.values()]
    rejected: dict[str, int] = {}
    for entry in known.values():
        for flaw, count in entry["rejected"].items():
            rejected[flaw] = rejected.get(flaw, 0) + count
    return {
        "expected": None if None in expected else sum(expected),
        "recorded": sum(entry["recorded"] for entry in known.values()),
        "revised": sum(entry["revised"] for entry in known.values()),
        "rejected": rejected,
        "answered": len(known),
        "to_ask": len(due) - len(known),
        "without": {"days": len(empty), "first": empty[:1], "last": empty[-1:]},
    }
