"""Which bars a day has, by the calendar of the package and by days that it does not have."""

from datetime import date, datetime
from pathlib import Path

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local, zone
from harvester.calendar import Phase, SegmentName, Session, TradingCalendar
from harvester.calendar.bars import NO_BARS, BarDay, bar_day
from harvester.calendar.model import packaged

MINUTE = 60 * NS_PER_SECOND
PHASES = ("pre_open", "continuous", "closing_auction")
FINAL_AFTER = 15 * MINUTE


def bars(day: str, segment: SegmentName = "nse_cash", minutes: int = 5) -> BarDay:
    session = TradingCalendar.load(packaged()).of(segment).session(date.fromisoformat(day))
    return bar_day(session, minutes * MINUTE, PHASES, FINAL_AFTER)


def made(day: date, *windows: tuple[str, str], minutes: int = 5) -> BarDay:
    spans = [[moment(day, text) for text in window] for window in windows]
    session = Session(day, "special", tuple(Phase("continuous", opens, closes) for opens, closes in spans))
    return bar_day(session, minutes * MINUTE, PHASES, FINAL_AFTER)


def moment(day: date, text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    return midnight_ns(day) + (hours * 60 + minutes) * MINUTE


def told(found: BarDay) -> tuple[int, str, str, str]:
    """How many, begin of the first, end of the last, and when they settle."""
    first, last = found.bars[0].begin_ns, found.bars[-1].end_ns
    return len(found.bars), *(f"{to_local(ns):%H:%M}" for ns in (first, last, found.settles_ns))


@pytest.mark.parametrize(
    ("day", "segment", "expected"),
    [
        ("2026-07-31", "nse_cash", (75, "09:15", "15:30", "15:45")),
        ("2026-11-20", "nse_cash", (72, "09:15", "15:15", "15:50")),  # the auction ends at 15:35
        ("2026-12-08", "nse_cash", (75, "09:15", "15:30", "15:55")),
        ("2026-11-20", "nse_cash_other", (75, "09:15", "15:30", "15:45")),
        ("2026-11-20", "nse_fo", (77, "09:15", "15:40", "15:55")),
        ("2026-11-20", "mcx", (179, "09:00", "23:55", "23:59")),  # the day's records end at midnight
        ("2026-10-20", "mcx", (78, "17:00", "23:30", "23:45")),  # the morning was closed
        ("2026-10-21", "mcx", (174, "09:00", "23:30", "23:45")),
        ("2025-10-21", "nse_cash", (12, "13:45", "14:45", "15:00")),
        ("2025-02-01", "nse_cash", (75, "09:15", "15:30", "15:45")),
    ],
)
def test_the_bars_of_a_segments_day(day: str, segment: SegmentName, expected: tuple[int, str, str, str]) -> None:
    assert told(bars(day, segment)) == expected


@pytest.mark.parametrize("day", ["2026-11-21", "2026-10-02"])
def test_a_day_without_a_session_has_none(day: str) -> None:
    assert bars(day) == NO_BARS


def test_a_day_of_auctions_alone_has_none() -> None:
    day = date(2026, 11, 20)
    session = Session(day, "odd", (Phase("closing_auction", moment(day, "15:15"), moment(day, "15:35")),))
    assert bar_day(session, 5 * MINUTE, PHASES, FINAL_AFTER) == NO_BARS


def test_two_windows_of_a_saturday_are_one_count() -> None:
    found = made(date(2024, 3, 2), ("9:15", "10:00"), ("11:30", "12:30"))
    assert told(found) == (21, "09:15", "12:30", "12:45")
    begins = [f"{to_local(bar.begin_ns):%H:%M}" for bar in found.bars]
    assert begins[8:10] == ["09:55", "11:30"]


def test_bars_that_do_not_fit_the_hours_end_with_them() -> None:
    found = made(date(2024, 3, 2), ("9:15", "10:00"), ("11:30", "12:30"), minutes=60)
    spans = [(f"{to_local(bar.begin_ns):%H:%M}", f"{to_local(bar.end_ns):%H:%M}") for bar in found.bars]
    assert spans == [("09:15", "10:00"), ("11:15", "12:15"), ("12:15", "12:30")]


def test_recorded_bars_of_special_days_are_those_that_are_due(recorded_data: Path) -> None:
    import csv
    import gzip

    wanted = {
        date(2023, 11, 12): [("18:15", "19:15")],
        date(2024, 1, 20): [("9:15", "15:30")],
        date(2024, 3, 2): [("9:15", "10:00"), ("11:30", "12:30")],
    }
    seen: dict[date, list[int]] = {day: [] for day in wanted}
    with gzip.open(recorded_data / "nse_ohlcv_5min/SBIN_20230703_20240328.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            begun = datetime.fromisoformat(row["date"])
            if begun.date() in seen:
                seen[begun.date()].append(int(begun.astimezone(zone()).timestamp()) * NS_PER_SECOND)
    for day, windows in wanted.items():
        assert [bar.begin_ns for bar in made(day, *windows).bars] == seen[day], day
