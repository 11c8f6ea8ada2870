"""Which days are to be closed: those recorded that no manifest knows yet, and trading days on which nobody recorded."""

from datetime import date, timedelta
from pathlib import Path

from harvester.calendar import PhaseName, TradingCalendar
from harvester.journal.format import day_directory
from harvester.lake.layout import Partition, find_partitions
from harvester.lake.manifest import load_manifest

LOOK_BACK_DAYS = 31


def pending_days(
    journal: Path, lake: Path, host: str, calendar: TradingCalendar, phases: tuple[PhaseName, ...], today: date
) -> list[date]:
    """Days up to `today` that have segments no manifest knows, and trading days that have no manifest at all."""
    closed = [partition.date for partition in find_partitions(lake) if partition.host == host]
    recorded = [day for day in _journal_days(journal) if day <= today]
    earliest = max(min([*closed, *recorded, today]), today - timedelta(days=LOOK_BACK_DAYS))
    span = (earliest + timedelta(days=number) for number in range((today - earliest).days + 1))
    missed = {day for day in span if day not in closed and calendar.windows(day, phases)}
    fresh = {day for day in recorded if _has_news(journal, lake, Partition(day, host))}
    return sorted(missed | fresh)


def _journal_days(journal: Path) -> list[date]:
    days = []
    for path in sorted(journal.glob("????-??-??")):
        try:
            days.append(date.fromisoformat(path.name))
        except ValueError:
            continue  # a stray, which recovery reports
    return days


def _has_news(journal: Path, lake: Path, partition: Partition) -> bool:
    manifest = load_manifest(lake, partition)
    known = {segment.name for segment in manifest.segments} if manifest else set()
    return any(path.stem not in known for path in day_directory(journal, partition.date).glob("*.seg"))
