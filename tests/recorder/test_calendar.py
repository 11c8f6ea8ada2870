"""The trading calendar against the exchange's dated facts."""

import contextlib
import csv
import gzip
import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from tests.recorder.fakes import make_calendar

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import midnight_ns, to_local, zone
from harvester.calendar import TradingCalendar

RECORDED = ("pre_open", "continuous", "closing_auction")


@pytest.fixture(scope="module")
def calendar() -> TradingCalendar:
    return TradingCalendar.load()


def spans(calendar: TradingCalendar, day: date, phases: tuple[str, ...] = RECORDED) -> list[str]:
    return [f"{to_local(opens):%H:%M}-{to_local(closes):%H:%M}" for opens, closes in calendar.windows(day, phases)]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        pytest.param(date(2026, 7, 31), ["09:00-15:30"], id="before the closing auction session"),
        pytest.param(date(2026, 8, 3), ["09:00-15:35"], id="first day of the closing auction session"),
        pytest.param(date(2026, 12, 4), ["09:00-15:35"], id="last day of the first auction times"),
        pytest.param(date(2026, 12, 7), ["09:00-15:40"], id="first day of the second auction times"),
        pytest.param(date(2026, 11, 21), [], id="a Saturday"),
        pytest.param(date(2026, 11, 22), [], id="a Sunday"),
        pytest.param(date(2026, 11, 24), [], id="a weekday holiday"),
        pytest.param(date(2026, 1, 15), [], id="a holiday announced days before"),
        pytest.param(date(2026, 2, 1), ["09:00-15:30"], id="budget on a Sunday"),
        pytest.param(date(2025, 2, 1), ["09:00-15:30"], id="budget on a Saturday"),
        pytest.param(date(2025, 10, 21), ["13:30-14:45"], id="muhurat on a holiday"),
        pytest.param(date(2026, 11, 8), ["18:15-19:15"], id="muhurat on a Sunday"),
        pytest.param(date(2024, 12, 31), [], id="before the facts begin"),
        pytest.param(date(2027, 1, 4), ["09:00-15:40"], id="a weekday after the facts end goes on by the last rule"),
        pytest.param(date(2028, 2, 29), ["09:00-15:40"], id="a leap day"),
    ],
)
def test_windows_of_a_date(calendar: TradingCalendar, day: date, expected: list[str]) -> None:
    assert spans(calendar, day) == expected


def test_continuous_trading_ends_earlier_with_the_closing_auction(calendar: TradingCalendar) -> None:
    assert spans(calendar, date(2026, 7, 31), ("continuous",)) == ["09:15-15:30"]
    assert spans(calendar, date(2026, 8, 3), ("continuous",)) == ["09:15-15:15"]
    assert spans(calendar, date(2026, 12, 7), ("continuous",)) == ["09:15-15:30"]


def test_phases_that_do_not_touch_are_windows_of_their_own(calendar: TradingCalendar) -> None:
    assert spans(calendar, date(2026, 8, 3), ("pre_open", "closing_auction")) == ["09:00-09:15", "15:15-15:35"]


def test_trading_days_of_2026_agree_with_the_published_count(calendar: TradingCalendar) -> None:
    days = [date(2026, 1, 1) + timedelta(days=offset) for offset in range(365)]

    ordinary = [day for day in days if (session := calendar.session(day)) and session.kind == "ordinary"]

    assert len(ordinary) == 261 - 16, "261 weekdays less 16 weekday holidays"


def test_open_is_included_and_close_is_not(calendar: TradingCalendar) -> None:
    opens, closes = calendar.windows(date(2026, 8, 3), RECORDED)[0]

    assert not calendar.is_open(opens - 1, RECORDED)
    assert calendar.is_open(opens, RECORDED)
    assert calendar.is_open(closes - 1, RECORDED)
    assert not calendar.is_open(closes, RECORDED)


def test_next_change_walks_over_a_long_weekend(calendar: TradingCalendar) -> None:
    friday_close = calendar.windows(date(2026, 10, 30), RECORDED)[0][1]

    change = calendar.next_change(friday_close, RECORDED)

    assert change is not None
    assert f"{to_local(change):%Y-%m-%d %H:%M}" == "2026-11-02 09:00"
    inside = calendar.next_change(change, RECORDED)
    assert inside is not None
    assert f"{to_local(inside):%H:%M}" == "15:35"


def test_a_calendar_without_sessions_ahead_has_no_next_change(tmp_path: Path) -> None:
    calendar = TradingCalendar.load(
        make_calendar(tmp_path / "c.json", date(2026, 1, 5), {"continuous": [["10:00:00", "10:00:30"]]})
    )

    assert calendar.next_change(midnight_ns(date(2026, 1, 6)), ("continuous",)) is None


def test_trading_date_turns_at_half_past_six_in_the_evening_utc(calendar: TradingCalendar) -> None:
    midnight = midnight_ns(date(2026, 3, 1))

    assert midnight // NS_PER_SECOND % 86_400 == 18 * 3600 + 30 * 60
    assert calendar.trading_date(midnight - 1) == date(2026, 2, 28)
    assert calendar.trading_date(midnight) == date(2026, 3, 1)


def test_days_left_counts_down_to_the_end_of_the_facts(calendar: TradingCalendar) -> None:
    assert calendar.days_left(date(2026, 12, 1)) == 30
    assert calendar.days_left(date(2027, 1, 1)) == -1


ZONE_PROBE = """
from datetime import date
from harvester.calendar import TradingCalendar
calendar = TradingCalendar.load()
for day in (date(2026, 2, 1), date(2026, 3, 29), date(2026, 12, 31), date(2028, 2, 29)):
    print(calendar.windows(day, ("continuous",)))
"""


def test_the_host_time_zone_changes_nothing() -> None:
    zones = ("UTC", "Asia/Kolkata", "America/New_York", "Europe/Berlin", "Pacific/Kiritimati", "Asia/Kathmandu")
    outputs = {
        subprocess.run(
            [sys.executable, "-c", ZONE_PROBE],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for zone in zones
    }

    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"timezone": "Europe/Berlin"}, "timezone"),
        ({"valid_until": "soon"}, "valid_until"),
        ({"phase_rules": []}, "phase_rules"),
        ({"holyday": []}, "did you mean 'holidays'?"),
        (
            {"phase_rules": [{"from": "2026-01-01", "phases": {"lunch": [["09:00", "10:00"]]}, "reference": ""}]},
            "lunch",
        ),
        (
            {"phase_rules": [{"from": "2026-01-01", "phases": {"continuous": [["9:15", "10:00"]]}, "reference": ""}]},
            "time of day",
        ),
        (
            {"phase_rules": [{"from": "2026-01-01", "phases": {"continuous": [["24:30", "25:00"]]}, "reference": ""}]},
            "24:00:00",
        ),
        (
            {"phase_rules": [{"from": "2026-01-01", "phases": {"continuous": [["10:00", "10:00"]]}, "reference": ""}]},
            "after it opens",
        ),
        (
            {
                "phase_rules": [
                    {
                        "from": "2026-01-01",
                        "phases": {"pre_open": [["09:00", "09:20"]], "continuous": [["09:15", "15:30"]]},
                        "reference": "",
                    }
                ]
            },
            "overlap",
        ),
    ],
)
def test_a_wrong_calendar_is_refused_with_file_and_key(tmp_path: Path, change: dict[str, object], rule: str) -> None:
    path = make_calendar(tmp_path / "c.json", date(2026, 1, 5), {"continuous": [["10:00:00", "10:00:30"]]})
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    with pytest.raises(ConfigError) as refused:
        TradingCalendar.load(path)

    assert str(path) in str(refused.value)
    assert rule in str(refused.value)


def test_rules_that_overlap_are_refused(tmp_path: Path) -> None:
    path = make_calendar(tmp_path / "c.json", date(2026, 1, 5), {"continuous": [["10:00:00", "10:00:30"]]})
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"phase_rules": content["phase_rules"] * 2}))

    with pytest.raises(ConfigError, match="order of date"):
        TradingCalendar.load(path)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"\xff\xfe"])
def test_an_unreadable_calendar_is_refused_in_words(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "calendar.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"calendar\.json"):
        TradingCalendar.load(path)


def test_every_real_bar_of_november_2025_lies_in_continuous_trading(
    calendar: TradingCalendar, recorded_data: Path
) -> None:
    moments = bar_times(recorded_data / "nse_ohlcv_1min", "RELIANCE")

    assert all(calendar.is_open(moment, ("continuous",)) for moment in moments)
    assert trading_days(calendar, moments) == {to_local(moment).date() for moment in moments}


def test_real_special_sessions_of_2023_and_2024_can_be_written_down(tmp_path: Path, recorded_data: Path) -> None:
    """A Sunday evening, a full Saturday, and a Saturday in two windows, each seen in real bars."""
    holidays = "2023-08-15 2023-09-19 2023-10-02 2023-10-24 2023-11-14 2023-11-27 2023-12-25 2024-01-22 2024-01-26"
    holidays += " 2024-03-08 2024-03-25"
    sessions = {
        "2023-11-12": [["18:15:00", "19:15:00"]],
        "2024-01-20": [["09:15:00", "15:30:00"]],
        "2024-03-02": [["09:15:00", "10:00:00"], ["11:30:00", "12:30:00"]],
    }
    source = {"reference": "seen in bars"}
    content = {
        "timezone": "Asia/Kolkata",
        "market": "test",
        "valid_until": "2024-03-28",
        "phase_rules": [{"from": "2023-07-03", "to": None, "phases": {"continuous": [["09:15", "15:30"]]}, **source}],
        "holidays": [{"date": day, "name": "holiday", **source} for day in holidays.split()],
        "special_sessions": [
            {"date": day, "kind": "special", "phases": {"continuous": windows}, "status": "held", **source}
            for day, windows in sessions.items()
        ],
    }
    path = tmp_path / "calendar.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    calendar = TradingCalendar.load(path)

    moments = bar_times(recorded_data / "nse_ohlcv_5min", "SBIN")

    assert [to_local(moment) for moment in moments if not calendar.is_open(moment, ("continuous",))] == []
    assert trading_days(calendar, moments) == {to_local(moment).date() for moment in moments}


def trading_days(calendar: TradingCalendar, moments: list[int]) -> set[date]:
    first, last = to_local(min(moments)).date(), to_local(max(moments)).date()
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return {day for day in days if calendar.windows(day, ("continuous",))}


def bar_times(folder: Path, name: str) -> list[int]:
    """Starts of the bars in a gzipped CSV, in wall ns."""
    path = next(folder.glob(f"{name}_*.csv.gz"), None)
    if path is None:
        pytest.skip(f"no bars of {name} beside this checkout")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [moment for row in csv.reader(file) for moment in [parse_time(row)] if moment is not None]


def parse_time(row: list[str]) -> int | None:
    for cell in row:
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(cell)
            return int(moment.replace(tzinfo=moment.tzinfo or zone()).timestamp()) * NS_PER_SECOND
    return None
