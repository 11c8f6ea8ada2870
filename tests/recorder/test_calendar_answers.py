"""What the trading calendar answers at every edge, from a small file of its own, and how it refuses one."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.market import midnight_ns
from harvester.calendar import Phase, PhaseName, Session, TradingCalendar
from harvester.calendar.model import TimeOfDay

MONDAY = date(2026, 3, 2)
DAY = timedelta(days=1)
DAY_NS = 86_400 * NS_PER_SECOND
BOTH: tuple[PhaseName, ...] = ("pre_open", "continuous")
CONTENT: dict[str, Any] = {
    "timezone": "Asia/Kolkata",
    "market": "test",
    "valid_until": "2026-03-20",
    "phase_rules": [
        {
            "from": "2026-03-02",
            "to": "2026-03-06",
            "phases": {"continuous": [["09:15", "15:30"]], "pre_open": [["09:00", "09:15"]]},
            "reference": "a",
        },
        {"from": "2026-03-09", "to": None, "phases": {"continuous": [["09:15", "15:20:01"]]}, "reference": "b"},
    ],
    "holidays": [{"date": "2026-03-04", "name": "Holi", "reference": "c"}],
    "special_sessions": [
        {
            "date": "2026-03-08",
            "kind": "muhurat",
            "phases": {"continuous": [["18:15", "19:15"], ["00:00", "00:00:01"], ["23:00", "24:00"]]},
            "status": "provisional",
            "reference": "d",
        },
        {"date": "2026-03-04", "kind": "drill", "phases": {"continuous": [["10:00", "11:00"]]}, "status": "held"}
        | {"reference": "e"},
    ],
}


def calendar_of(folder: Path, **changes: Any) -> TradingCalendar:
    path = folder / "calendar.json"
    path.write_text(json.dumps(CONTENT | changes), encoding="utf-8")
    return TradingCalendar.load(path)


@pytest.fixture
def calendar(tmp_path: Path) -> TradingCalendar:
    return calendar_of(tmp_path)


def moment(day: date, clock: str) -> int:
    hours, minutes, seconds = map(int, clock.split(":"))
    return midnight_ns(day) + (hours * 3600 + minutes * 60 + seconds) * NS_PER_SECOND


def rule(first: str, last: str | None, phases: object = None) -> dict[str, object]:
    return {"from": first, "to": last, "phases": phases or {"continuous": [["10:00", "11:00"]]}, "reference": "r"}


def test_an_ordinary_day_has_its_phases_in_order(calendar: TradingCalendar) -> None:
    assert calendar.session(MONDAY) == Session(
        MONDAY,
        "ordinary",
        (
            Phase("pre_open", moment(MONDAY, "09:00:00"), moment(MONDAY, "09:15:00")),
            Phase("continuous", moment(MONDAY, "09:15:00"), moment(MONDAY, "15:30:00")),
        ),
        provisional=False,
    )


def test_a_special_session_stands_for_its_day_also_on_a_holiday(calendar: TradingCalendar) -> None:
    sunday, holiday = date(2026, 3, 8), date(2026, 3, 4)
    assert calendar.session(sunday) == Session(
        sunday,
        "muhurat",
        (
            Phase("continuous", moment(sunday, "00:00:00"), moment(sunday, "00:00:01")),
            Phase("continuous", moment(sunday, "18:15:00"), moment(sunday, "19:15:00")),
            Phase("continuous", moment(sunday, "23:00:00"), midnight_ns(date(2026, 3, 9))),
        ),
        provisional=True,
    )
    assert calendar.session(holiday) == Session(
        holiday, "drill", (Phase("continuous", moment(holiday, "10:00:00"), moment(holiday, "11:00:00")),), False
    )


def test_a_holiday_is_closed_by_its_date_alone(tmp_path: Path) -> None:
    calendar = calendar_of(tmp_path, special_sessions=[])
    days = [MONDAY + number * DAY for number in range(-1, 9)]
    assert [day.day for day in days if calendar.session(day)] == [2, 3, 5, 6, 9, 10]


def test_each_day_has_the_rule_of_its_date(calendar: TradingCalendar) -> None:
    def close(day: date) -> int:
        return calendar.windows(day, ["continuous"])[-1][1]

    assert close(date(2026, 3, 6)) == moment(date(2026, 3, 6), "15:30:00")
    assert close(date(2026, 3, 9)) == moment(date(2026, 3, 9), "15:20:01")
    assert close(date(2026, 12, 1)) == moment(date(2026, 12, 1), "15:20:01")
    assert calendar.session(date(2026, 2, 27)) is None


def test_a_day_between_two_rules_has_no_session(tmp_path: Path) -> None:
    calendar = calendar_of(tmp_path, phase_rules=[rule("2026-03-02", "2026-03-03"), rule("2026-03-05", "2026-03-06")])
    assert [day for day in range(1, 12) if calendar.session(date(2026, 3, day))] == [2, 3, 4, 5, 6, 8]


def test_phases_that_touch_are_one_window_and_a_caller_may_change_its_list(calendar: TradingCalendar) -> None:
    whole = [(moment(MONDAY, "09:00:00"), moment(MONDAY, "15:30:00"))]
    found = calendar.windows(MONDAY, BOTH)
    assert found == whole
    found.clear()
    assert calendar.windows(MONDAY, BOTH) == whole
    assert calendar.windows(MONDAY, ["pre_open"]) == [(moment(MONDAY, "09:00:00"), moment(MONDAY, "09:15:00"))]
    assert calendar.windows(MONDAY, ["continuous"]) == [(moment(MONDAY, "09:15:00"), moment(MONDAY, "15:30:00"))]
    assert calendar.windows(MONDAY, []) == []
    assert calendar.windows(date(2026, 3, 7), BOTH) == []
    assert len(calendar.windows(date(2026, 3, 8), BOTH)) == 3


def test_a_window_holds_its_opening_and_not_its_close(calendar: TradingCalendar) -> None:
    opens, closes = moment(MONDAY, "09:00:00"), moment(MONDAY, "15:30:00")
    for wall_ns, expected in [(opens - 1, None), (opens, (opens, closes)), (closes - 1, (opens, closes))]:
        assert calendar.window_at(wall_ns, BOTH) == expected
        assert calendar.is_open(wall_ns, BOTH) == (expected is not None)
    assert calendar.window_at(closes, BOTH) is None
    last = moment(date(2026, 3, 8), "23:00:00")
    assert calendar.window_at(last, BOTH) == (last, last + 3600 * NS_PER_SECOND)


def test_the_phase_of_a_moment(calendar: TradingCalendar) -> None:
    opens, trades, closes = (moment(MONDAY, clock) for clock in ("09:00:00", "09:15:00", "15:30:00"))
    answers = [calendar.phases_at(each) for each in (opens - 1, opens, trades - 1, trades, closes - 1, closes)]
    assert answers == [[], ["pre_open"], ["pre_open"], ["continuous"], ["continuous"], []]
    assert calendar.phases_at(moment(date(2026, 3, 7), "10:00:00")) == []


def test_the_next_change_is_the_edge_after_the_moment(calendar: TradingCalendar) -> None:
    opens, closes = moment(MONDAY, "09:00:00"), moment(MONDAY, "15:30:00")
    tuesday = moment(MONDAY + DAY, "09:00:00")
    cases = [
        (opens - 1, opens),
        (opens, closes),
        (closes - 1, closes),
        (closes, tuesday),
        (tuesday - 1, tuesday),
        (midnight_ns(MONDAY) - 40 * DAY_NS, opens),
    ]
    for wall_ns, expected in [*cases, *reversed(cases)]:
        assert calendar.next_change(wall_ns, BOTH) == expected, "also after a step of the clock, forward or back"
        assert calendar.next_change(wall_ns, BOTH[::-1]) == expected
    assert calendar.next_change(opens, ["pre_open"]) == moment(MONDAY, "09:15:00")
    assert calendar.next_change(opens, BOTH) == closes


def test_the_next_change_is_looked_for_as_far_as_400_days(tmp_path: Path) -> None:
    first = date(2026, 3, 2)
    calendar = calendar_of(tmp_path, phase_rules=[rule("2026-03-02", None)], special_sessions=[])
    opens = moment(first, "10:00:00")
    near, far = (midnight_ns(first) - days * DAY_NS for days in (399, 400))
    assert calendar.next_change(far, BOTH) is None
    assert calendar.next_change(far + 5, BOTH) is None
    assert calendar.next_change(near - 1, BOTH) is None
    assert calendar.next_change(far + DAY_NS, BOTH) == opens, "asked again after a day"
    assert calendar_of(tmp_path, phase_rules=[rule("2026-03-02", None)]).next_change(near, BOTH) == opens


def test_the_longest_day_of_any_rule(calendar: TradingCalendar) -> None:
    assert calendar.longest_day_ns(BOTH) == (6 * 3600 + 30 * 60) * NS_PER_SECOND
    assert calendar.longest_day_ns(["continuous"]) == (6 * 3600 + 15 * 60) * NS_PER_SECOND
    assert calendar.longest_day_ns(["post_close"]) == 0


def test_the_facts_have_a_first_and_a_last_day(calendar: TradingCalendar) -> None:
    assert (calendar.valid_from, calendar.valid_until) == (MONDAY, date(2026, 3, 20))
    days = [MONDAY - DAY, MONDAY, date(2026, 3, 20), date(2026, 3, 21)]
    assert [calendar.knows(day) for day in days] == [False, True, True, False]
    assert [calendar.days_left(day) for day in days] == [19, 18, 0, -1]


def test_the_end_of_the_facts_comes_in_sight_16_days_before_and_is_there_after_the_last_session(
    calendar: TradingCalendar, tmp_path: Path
) -> None:
    assert [calendar.outlook(date(2026, 3, day)) for day in (3, 4, 20, 21)] == ["known", "ending", "ending", "over"]
    sunday = calendar_of(tmp_path, valid_until="2026-03-22")
    assert [sunday.outlook(date(2026, 3, day)) for day in (5, 6, 20, 21, 22, 23)] == [
        "known",
        "ending",
        "ending",
        "over",
        "over",
        "over",
    ]


def refusal(folder: Path, **changes: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        calendar_of(folder, **changes)
    return str(refused.value)


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"phase_rules": [rule("2026-03-02", None), rule("2026-03-09", None)]}, "phase_rules must be in order of date"),
        (
            {"phase_rules": [rule("2026-03-02", "2026-03-09"), rule("2026-03-09", None)]},
            "phase_rules must be in order of date and must not overlap",
        ),
        (
            {"special_sessions": [CONTENT["special_sessions"][0]] * 2},
            "special_sessions names a date twice; give that date all its windows in one entry",
        ),
        (
            {"phase_rules": [rule("2026-03-02", None, {"continuous": [["10:00", "10:00"]]})]},
            "a phase must close after it opens",
        ),
        (
            {"phase_rules": [rule("2026-03-02", None, {"continuous": [["10:00", "11:00"], ["10:59:59", "12:00"]]})]},
            "phases must not overlap",
        ),
        (
            {
                "phase_rules": [
                    rule("2026-03-02", None, {"continuous": [["10:59", "12:00"]], "pre_open": [["10", "1"]]})
                ]
            },
            "must be a time of day such as 09:15:00",
        ),
    ],
)
def test_a_wrong_file_is_refused_by_its_rule(tmp_path: Path, changes: dict[str, Any], finding: str) -> None:
    said = refusal(tmp_path, **changes)
    assert said.startswith(f"{tmp_path / 'calendar.json'}: the trading calendar is refused:\n  ")
    assert said.split(": ")[-1].startswith(finding)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00", 0), ("00:00:01", 1), ("00:01", 60), ("09:15:30", 33_330), ("23:59:59", 86_399), ("24:00:00", 86_400)],
)
def test_a_time_of_day_is_seconds_since_midnight(text: str, seconds: int) -> None:
    assert TimeOfDay.parse(text) == seconds


@pytest.mark.parametrize("text", ["24:00:01", "24:01", "24:59:59"])
def test_a_day_ends_at_24_00(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must not be later than 24:00:00$"):
        TimeOfDay.parse(text)


@pytest.mark.parametrize("data", [915, None, b"09:15", "", "9:15", "09:60", "25:00", "09:15:60", "09:15\n", " 09:15"])
def test_what_is_no_time_of_day_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a time of day such as 09:15:00$"):
        TimeOfDay.parse(data)


def test_phases_and_rules_may_touch(tmp_path: Path) -> None:
    touching = [rule("2026-03-02", "2026-03-08", {"continuous": [["11:00", "12:00"], ["10:00", "11:00"]]})]
    calendar = calendar_of(tmp_path, phase_rules=[*touching, rule("2026-03-09", None)])
    assert calendar.windows(MONDAY, BOTH) == [(moment(MONDAY, "10:00:00"), moment(MONDAY, "12:00:00"))]
    short = calendar_of(tmp_path, phase_rules=[rule("2026-03-02", None, {"continuous": [["10:00", "10:00:01"]]})])
    assert short.longest_day_ns(BOTH) == NS_PER_SECOND


def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.json"
    with pytest.raises(ConfigError) as refused:
        TradingCalendar.load(path)
    assert str(refused.value) == (
        f"{path}: the trading calendar cannot be read (No such file or directory). Correct calendar.file in the"
        " configuration, or remove the key to use the calendar in the package."
    )


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff\xfe\xfd"])
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calendar.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        TradingCalendar.load(path)
    assert str(refused.value).startswith(f"{path}: the trading calendar is not valid JSON: ")
    assert "None" not in str(refused.value)
