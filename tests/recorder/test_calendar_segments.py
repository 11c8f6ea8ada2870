"""Segments in a calendar file: what they inherit, what is refused, and what the master should say of their hours."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harvester.base.errors import ConfigError
from harvester.calendar import TradingCalendar
from harvester.calendar.model import ENVIRONMENT, packaged
from harvester.calendar.segments import (
    BY_CODE,
    CASH_CLASSES,
    OF_MARKET,
    Hours,
    candidates,
    choose_cash,
    guess_segment,
    in_order,
    parse_hours,
)

PHASES = ("continuous",)
MONDAY, TUESDAY, WEDNESDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)


def rule(*windows: list[str], first: str = "2026-01-01", last: str | None = None, **more: Any) -> dict[str, Any]:
    return {"from": first, "to": last, "phases": {"continuous": list(windows)}, "reference": "test", **more}


def special(day: date, *windows: list[str]) -> dict[str, Any]:
    phases = {"continuous": list(windows)}
    return {"date": day.isoformat(), "kind": "test", "phases": phases, "status": "held", "reference": "test"}


def write(path: Path, segments: dict[str, Any], **top: Any) -> Path:
    content = {
        "timezone": "Asia/Kolkata",
        "market": "test",
        "valid_until": "2026-12-31",
        "phase_rules": [rule(["09:00", "10:00"])],
        "holidays": [{"date": MONDAY.isoformat(), "name": "x", "reference": "test"}],
        "special_sessions": [special(WEDNESDAY, ["20:00", "21:00"])],
        "segments": segments,
    }
    path.write_text(json.dumps(content | top), encoding="utf-8")
    return path


def hours(calendar: TradingCalendar, day: date) -> list[int]:
    """Hours of India at which windows open and close."""
    return [
        (edge + 19_800 * 10**9) // (3600 * 10**9) % 24 for window in calendar.windows(day, PHASES) for edge in window
    ]


def test_a_segment_inherits_the_days_that_it_does_not_name(tmp_path: Path) -> None:
    own = {"phase_rules": [rule(["12:00", "13:00"])]}
    file = write(
        tmp_path / "c.json",
        {"nse_fo": own, "mcx": own | {"holidays": [], "special_sessions": [special(TUESDAY, ["17:00", "18:00"])]}},
    )
    calendar = TradingCalendar.load(file)

    assert calendar.segments == ("nse_cash", "nse_fo", "mcx")
    assert [hours(calendar, day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [[], [9, 10], [20, 21]]
    assert [hours(calendar.of("nse_fo"), day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [[], [12, 13], [20, 21]]
    assert [hours(calendar.of("mcx"), day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [[12, 13], [17, 18], [12, 13]]
    assert calendar.of("mcx") is calendar.of("mcx")
    assert calendar.of("nse_cash") is calendar
    assert (calendar.segment, calendar.of("mcx").segment) == ("nse_cash", "mcx")
    assert calendar.of("mcx").valid_until == calendar.valid_until
    assert calendar.of("mcx").of("nse_fo").segment == "nse_fo"
    with pytest.raises(ConfigError, match=r"no hours of the segment bse_fo\. Add them to the calendar file under"):
        calendar.of("bse_fo")


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ({"nse_cash": {"phase_rules": [rule(["09:00", "10:00"])]}}, "segments must not name nse_cash"),
        ({"moon": {"phase_rules": [rule(["09:00", "10:00"])]}}, "segments"),
        ({"mcx": {"phase_rules": []}}, "phase_rules"),
        ({"mcx": {"phase_rules": [rule(["09:00", "10:00"]), rule(["09:00", "10:00"])]}}, "must be in order of date"),
        (
            {
                "mcx": {
                    "phase_rules": [rule(["09:00", "10:00"])],
                    "special_sessions": [special(MONDAY, ["1:00", "2:00"])],
                }
            },
            "time of day",
        ),
        (
            {
                "mcx": {
                    "phase_rules": [rule(["09:00", "10:00"])],
                    "special_sessions": [special(MONDAY, ["01:00", "02:00"])] * 2,
                }
            },
            "names a date twice",
        ),
        ({"mcx": {"phase_rules": [rule(["09:00", "10:00"], master="9-10")]}}, "master"),
    ],
)
def test_segments_that_cannot_be_are_refused(tmp_path: Path, segments: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        TradingCalendar.load(write(tmp_path / "c.json", segments))


def test_what_the_master_should_say_is_the_rules_word_or_first_open_to_last_close(tmp_path: Path) -> None:
    rules = [
        rule(["09:15", "11:30"], ["12:05", "15:40"], first="2026-02-01", last="2026-02-28"),
        rule(["09:15", "15:15"], first="2026-03-01", last="2026-03-31", master="0915-1530"),
        rule(["10:00", "23:55"], first="2026-05-01", last="2026-05-31"),
        {"from": "2026-06-01", "phases": {"pre_open": [["09:00", "09:15"]]}, "reference": "test"},
    ]
    calendar = TradingCalendar.load(write(tmp_path / "c.json", {"mcx": {"phase_rules": rules}})).of("mcx")

    said = [calendar.master_hours(date(2026, month, 2)) for month in range(1, 7)]

    assert said == [None, Hours("0915", "1540"), Hours("0915", "1530"), None, Hours("1000", "2355"), None]
    assert str(said[1]) == "09:15-15:40"


def test_days_count_by_the_segments_of_the_symbols(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", {"mcx": {"phase_rules": [rule(["09:00", "23:00"])]}})
    calendar, hour_ns = TradingCalendar.load(file), 3600 * 10**9

    assert calendar.mean_day_ns({"nse_cash": 1}, PHASES) == hour_ns
    assert calendar.mean_day_ns({"nse_cash": 2, "mcx": 1}, PHASES) == 16 * hour_ns // 3
    assert calendar.mean_day_ns({"bse_fo": 1}, PHASES) == hour_ns, "of a segment without hours as of cash"
    assert calendar.mean_day_ns({}, PHASES) == 0


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("0915-1540|1815-1915:", Hours("0915", "1540")),
        ("0900-2330", Hours("0900", "2330")),
        ("", None),
        ("|1815-1915:", None),
        ("915-1530", None),
    ],
)
def test_the_first_range_of_the_masters_field_counts(field: str, found: Hours | None) -> None:
    assert parse_hours(field) == found


def test_codes_names_and_classes() -> None:
    assert candidates("10100000003045") == ("nse_cash", "nse_cash_other")
    assert candidates("112026") == ("mcx", "mcx_agri_global", "mcx_agri")
    assert candidates("9999") == candidates("") == ()
    assert {name for names in BY_CODE.values() for name in names} == set(OF_MARKET["nse"])
    assert {code: names[0] for code, names in BY_CODE.items()} == {
        "1010": "nse_cash", "1011": "nse_fo", "1012": "nse_currency", "1020": "nse_commodity", "1120": "mcx",
        "1210": "bse_cash", "1211": "bse_fo", "1212": "bse_currency",
    }  # fmt: skip
    assert in_order(["mcx", "nse_cash", "mcx", "nse_fo"]) == ["nse_cash", "nse_fo", "mcx"]
    for cash, other in CASH_CLASSES.items():
        segment: Any = cash
        assert choose_cash(segment, "NSE:A-EQ", "A", {"A"}) == cash
        assert choose_cash(segment, "NSE:A-EQ", "A", {"B"}) == other
        assert choose_cash(segment, "NSE:A-EQ", "A", ()) == cash, "nobody could say"
        assert choose_cash(segment, "NSE:A-INDEX", "A", {"B"}) == cash
    assert CASH_CLASSES == {"nse_cash": "nse_cash_other", "bse_cash": "bse_cash_other"}


@pytest.mark.parametrize(
    ("symbol", "segment"),
    [
        ("NSE:A-EQ", "nse_cash"), ("BSE:A-A", "bse_cash"), ("MCX:GOLD26DECFUT", "mcx"), ("MCX:X", "mcx"),
        ("NSE:A26DECFUT", "nse_fo"), ("NSE:A26D05FUT", "nse_fo"), ("NSE:A2632423050PE", "nse_fo"),
        ("NSE:A26NOV25000CE", "nse_fo"), ("BSE:A26DECFUT", "bse_fo"), ("NSE:AFUT", "nse_cash"), ("NSE:ACE", "nse_cash"),
        ("NSE:A26DECFUTS", "nse_cash"), ("NSE:USDINR26DECFUT", "nse_currency"), ("NSE:EURINR26DECFUT", "nse_currency"),
        ("NSE:GBPINR26DECFUT", "nse_currency"), ("NSE:JPYINR26DECFUT", "nse_currency"),
        ("NSE:EURUSD26DECFUT", "nse_currency"), ("NSE:GBPUSD26DECFUT", "nse_currency"),
        ("NSE:USDJPY26DECFUT", "nse_currency"), ("BSE:USDINR26DECFUT", "bse_currency"),
        ("NSE:USDINRX26DECFUT", "nse_fo"), ("NSE:USDINR-EQ", "nse_cash"),
    ],
)  # fmt: skip
def test_what_a_ticker_looks_like(symbol: str, segment: str) -> None:
    assert guess_segment(symbol) == segment


def test_the_environment_names_the_calendar_where_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "c.json", {}, valid_until="2031-01-01")
    monkeypatch.setenv(ENVIRONMENT, str(file))
    assert TradingCalendar.load().valid_until.year == 2031
    assert TradingCalendar.load(packaged()).valid_until.year < 2031
    monkeypatch.setenv(ENVIRONMENT, "")
    assert TradingCalendar.load().valid_until == TradingCalendar.load(packaged()).valid_until
    assert ENVIRONMENT == "HARVESTER_CALENDAR"
