"""The market in force, and the days of the market us: half days, holidays, and the days on which clocks are set."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import MARKETS, day_end_ns, enter, entered, in_force, midnight_ns, moment_ns, to_local
from harvester.calendar import TradingCalendar
from harvester.calendar.bars import bar_day
from harvester.calendar.model import packaged, read_calendar
from harvester.calendar.segments import OF_MARKET, SEGMENTS, guess_segment
from harvester.jobs.schedule import read_schedule

ROOT = Path(__file__).resolve().parents[2]
PHASES = ("continuous",)
MINUTE_NS = 60 * NS_PER_SECOND
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
"""Sundays of 23 and of 25 hours (US Energy Policy Act of 2005: second of March, first of November)."""


@pytest.fixture
def us() -> Iterator[TradingCalendar]:
    with entered("us"):
        yield TradingCalendar.load()


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_SECOND


def nth(year: int, month: int, weekday: int, number: int) -> date:
    """The so-manieth weekday of a month, from its end where the number is negative."""
    days = [date(year, month, 1) + timedelta(days=offset) for offset in range(31)]
    return [day for day in days if day.month == month and day.weekday() == weekday][number]


def easter(year: int) -> date:
    """By the anonymous Gregorian algorithm (Nature, 20 April 1876)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e, g = b // 4, b % 4, (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, day + 1)


def by_rule(year: int) -> set[date]:
    """NYSE's holidays of a year by Rule 7.2: on Friday for a Saturday, but for New Year's; on Monday for a Sunday."""
    fixed = [date(year, 6, 19), date(year, 7, 4), date(year, 12, 25), date(year, 1, 1)]
    kept = {day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0)) for day in fixed[:3]}
    if fixed[3].weekday() != 5:
        kept.add(fixed[3] + timedelta(days=fixed[3].weekday() == 6))
    mondays = {nth(year, 1, 0, 2), nth(year, 2, 0, 2), nth(year, 5, 0, -1), nth(year, 9, 0, 0)}
    return kept | mondays | {nth(year, 11, 3, 3), easter(year) - timedelta(days=2)}


@pytest.mark.parametrize("year", [2025, 2026, 2027, 2028])
def test_the_packaged_holidays_are_those_of_the_exchanges_rule_and_of_mourning(us: TradingCalendar, year: int) -> None:
    days = [date(year, 1, 1) + timedelta(days=offset) for offset in range(366)]
    closed = {day for day in days if day.year == year and day.weekday() < 5 and us.session(day) is None}

    assert closed == by_rule(year) | ({date(2025, 1, 9)} if year == 2025 else set()), "9 January 2025: for Jimmy Carter"


@pytest.mark.parametrize(
    "day", ["2025-07-03", "2025-11-28", "2025-12-24", "2026-11-27", "2026-12-24", "2027-11-26", "2028-07-03"]
)
def test_a_half_day_closes_at_one_in_new_york(us: TradingCalendar, day: str) -> None:
    session = us.session(date.fromisoformat(day))

    assert session and session.kind == "half_day"
    [(opens, closes)] = us.windows(session.date, PHASES)
    assert (f"{to_local(opens):%H:%M}", f"{to_local(closes):%H:%M}") == ("09:30", "13:00")
    bars = bar_day(session, MINUTE_NS, PHASES, 0)
    assert len(bars.bars) == 210 and bars.settles_ns == closes


@pytest.mark.parametrize(
    ("day", "opens"),
    [
        ("2026-03-06", "2026-03-06T14:30"), ("2026-03-09", "2026-03-09T13:30"),
        ("2026-10-30", "2026-10-30T13:30"), ("2026-11-02", "2026-11-02T14:30"),
    ],
)  # fmt: skip
def test_a_session_opens_by_new_yorks_clock_before_and_after_it_is_set(
    us: TradingCalendar, day: str, opens: str
) -> None:
    [window] = us.windows(date.fromisoformat(day), PHASES)

    assert window == (utc(opens), utc(opens) + int(6.5 * 3600) * NS_PER_SECOND)
    assert us.trading_date(window[0]) == us.trading_date(window[1]) == date.fromisoformat(day)


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (SPRING + timedelta(days=1), 24)])
def test_a_day_is_as_long_as_its_clock_says(us: TradingCalendar, day: date, hours: int) -> None:
    assert day_end_ns(day) - midnight_ns(day) == hours * 3600 * NS_PER_SECOND
    assert day_end_ns(day) == midnight_ns(day + timedelta(days=1))
    assert to_local(day_end_ns(day) - 1).date() == day == to_local(midnight_ns(day)).date()


def test_the_next_opening_after_a_sunday_of_25_hours_is_an_hour_later(us: TradingCalendar) -> None:
    friday_evening = utc("2026-10-30T21:00")

    assert us.next_change(friday_evening, PHASES) == utc("2026-11-02T14:30")


def test_a_moment_that_the_clock_shows_twice_is_the_first_and_one_that_it_skips_is_after_it() -> None:
    with entered("us"):
        assert moment_ns(AUTUMN, 5400) == utc("2026-11-01T05:30"), "01:30 EDT"
        assert moment_ns(SPRING, 2 * 3600 + 1800) == utc("2026-03-08T07:30"), "03:30 EDT"
        moments = read_schedule("every 30min").moments(SPRING, None)
        assert len(moments) == len(set(moments)) == 46 and moments == sorted(moments)
        assert f"{to_local(utc('2026-11-30T15:00')):%H:%M %Z}" == "10:00 EST"
        assert f"{to_local(utc('2026-07-30T15:00')):%H:%M %Z}" == "11:00 EDT"


def test_timers_of_jobs_name_the_zone_of_the_market_in_force() -> None:
    assert read_schedule("16:00").calendars(()) == ["*-*-* 16:00:00 Asia/Kolkata"]
    with entered("us"):
        assert read_schedule("16:00").calendars(()) == ["*-*-* 16:00:00 America/New_York"]
        hours = [(utc(f"{day}T{opens}"), utc(f"{day}T{closes}")) for day, opens, closes in (
            ("2026-11-25", "14:30", "21:00"), ("2026-11-27", "14:30", "18:00"), ("2026-07-01", "13:30", "20:00"),
        )]  # fmt: skip
        assert read_schedule("close+30m").calendars(hours) == [
            "*-*-* 13:30:00 America/New_York",
            "*-*-* 16:30:00 America/New_York",
        ]


def test_the_market_before_is_in_force_again_also_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), entered("us"):
        assert in_force().name == "us"
        raise ZeroDivisionError
    assert in_force().name == "nse"


def test_a_zone_without_rules_on_this_machine_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    ZoneInfo.clear_cache()
    monkeypatch.setattr("harvester.base.market.ZoneInfo", no_such_zone)

    with pytest.raises(ConfigError, match=r"America/New_York are not on this machine.*Install the package tzdata"):
        enter("us")
    assert in_force().name == "nse", "nothing is half in force"


def no_such_zone(name: str) -> ZoneInfo:
    return ZoneInfo(f"{name}/no/such")


def test_a_calendar_of_another_market_is_refused_and_named(tmp_path: Path) -> None:
    with (
        entered("us"),
        pytest.raises(ConfigError, match=r"nse\.json: .*Kolkata.*market us is in America/New_York"),
    ):
        read_calendar(packaged(MARKETS["nse"]))
    with pytest.raises(ConfigError, match=r"us\.json: .*America/New_York.*market nse is in Asia/Kolkata"):
        read_calendar(packaged(MARKETS["us"]))
    data = json.loads(packaged(MARKETS["us"]).read_bytes())
    (tmp_path / "c.json").write_text(json.dumps(data | {"segments": {"mcx": {"phase_rules": data["phase_rules"]}}}))
    with entered("us"), pytest.raises(ConfigError, match="segments must not name mcx, which is of another market"):
        read_calendar(tmp_path / "c.json")


def test_each_segment_is_of_one_market_and_plain_tickers_are_of_the_us() -> None:
    names = [name for market in MARKETS for name in OF_MARKET[in_market(market)]]

    assert sorted(names) == sorted(SEGMENTS)
    assert guess_segment("QQQ") == guess_segment("BRK/B") == "us_equities"


def in_market(name: str):  # the literal type's own
    return MARKETS[name].name


def test_no_zone_is_named_outside_the_market_the_calendars_and_the_inventory() -> None:
    """What a market's zone is called stands in base/market.py; everything else asks it.

    Apart are the zone that a host shows, which a person chooses, and the application of a user.
    """
    listed = subprocess.run(
        ["git", "grep", "-lE", "Asia/Kolkata|Asia/Calcutta|America/New_York|to_ist|hours=5, minutes=30"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    homes = re.compile(
        r"files/harvester/src/harvester/(base/market\.py|calendar/\w+\.json)\Z|inventory/|roles/host_baseline/|files/example-app/|tests/|docs/|CHANGELOG"
    )

    assert [path for path in listed if not homes.match(path)] == []
