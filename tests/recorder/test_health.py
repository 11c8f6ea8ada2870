"""Health: each way in which the recorder can fail to do its work is a failing check that says what to do."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import replace
from tests.recorder.fakes import SYMBOLS, make_calendar, make_config, make_settings

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.base.monitors import ClockMonitor, DiskMonitor, FileMonitor
from harvester.base.validation import validate
from harvester.brokers.schwab.chart import TAKEN
from harvester.calendar import TradingCalendar
from harvester.capture.polls import Deviations
from harvester.capture.status import read_status, write_status
from harvester.cli import run
from harvester.config.rules import IndexList, SymbolRule
from harvester.config.settings import Settings
from harvester.health.checks import check_health
from harvester.health.streams import check_streams
from harvester.ledger.outage import Cause

BANK = "NIFTY BANK"
DAY = date(2026, 8, 5)
OPEN_NS = midnight_ns(DAY) + 10 * 3600 * NS_PER_SECOND
NOW = OPEN_NS + 100 * NS_PER_SECOND
SECOND = NS_PER_SECOND


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = make_calendar(tmp_path / "calendar.json", DAY, {"continuous": [["10:00:00", "10:10:00"]]})
    return make_settings(tmp_path, calendar={"file": str(file)})


def good_status() -> dict[str, Any]:
    polls = {"updates": 100, "last_recv_ns": NOW - SECOND // 2}
    symbol = polls | {"slots": 100, "last_http": 200, "last_error": ""}
    return {
        "release": "r1",
        "config_hash": "abc",
        "started_at_ns": OPEN_NS - 60 * SECOND,
        "written_at_ns": NOW - SECOND,
        "window": {
            "open": True,
            "open_ns": OPEN_NS,
            "phases": ["continuous"],
            "next_change_ns": OPEN_NS + 600 * SECOND,
        },
        "symbols": {name: symbol | {"feeds": {"fyers-rest": dict(polls)}} for name in SYMBOLS},
        "open_gaps": [],
        "token": {"state": "ok", "version": "file:1", "expires_at_ns": NOW + 3600 * SECOND, "problem": ""},
        "journal": {"seq": 300, "durable_seq": 299, "segment": "x.open", "bytes": 5, "failure": None},
        "disk": {"free_bytes": 1 << 40, "full": False},
        "calendar": {"problem": ""},
        "clock": {"offset_ns": 200_000_000, "off": False, "steps": 0},
        "unknown_symbols": {},
    }


def change(status: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *parents, last = path.split("/")
    target = status
    for parent in parents:
        target = target[parent]
    target[last] = value
    return status


@pytest.mark.parametrize(
    ("resolved", "said"),
    [
        ({"rule": {"underlying": "NIFTY", "expiry": "nearest 1", "strikes": None, "stocks": None}}, "2 by NIFTY"),
        ({"rule": {"underlying": None, "expiry": "nearest 1", "stocks": "with derivatives"}}, "2 by with derivatives"),
        ({"rule": {"index": "NIFTY 50", "strikes": None}, "date": "2026-11-20"}, "2 by NIFTY 50 of 2026-11-20"),
    ],
)
def test_what_rules_stand_for_is_told(settings: Settings, resolved: dict[str, Any], said: str) -> None:
    assert settings.calendar.file is not None
    status = good_status() | {"symbol_rules": [resolved | {"symbols": list(SYMBOLS)[:2]}]}
    calendar = TradingCalendar.load(settings.calendar.file)

    checks = check_health(settings, status, file_hash="abc", calendar=calendar, wall_ns=NOW)

    [detail] = [check.detail for check in checks if check.name == "symbols"]
    assert detail.endswith(f"symbols; {said}")


@pytest.mark.parametrize(
    ("day", "is_old"),
    [("2026-04-01", False), ("2026-03-31", True), ("2026-08-05", False), ("2025-10-01", True)],
)
def test_an_index_list_of_before_the_last_review_is_looked_at_and_nothing_fails(
    settings: Settings, day: str, is_old: bool
) -> None:
    listed = {"index": BANK, "date": day, "source": "https://a.b/c.csv", "members": {"INE062A01020": "SBIN-EQ"}}
    rules, lists = (validate(SymbolRule, {"index": BANK}),), (validate(IndexList, listed),)
    ruled = replace(settings, rules=rules, index_lists=lists)
    assert ruled.calendar.file is not None

    checks = check_health(
        ruled, good_status(), file_hash="abc", calendar=TradingCalendar.load(ruled.calendar.file), wall_ns=NOW
    )

    [check] = [each for each in checks if each.name == "symbols"]
    assert check.ok
    assert check.fix == (f"./inv index-update '{BANK}' brings the list of today" if is_old else "")
    assert (f"the members of {BANK} are of {day}, before NSE's last review" in check.detail) == is_old


def failing(settings: Settings, status: dict[str, Any], *, wall_ns: int = NOW) -> dict[str, str]:
    """Names of the failing checks with their advice."""
    assert settings.calendar.file is not None
    calendar = TradingCalendar.load(settings.calendar.file)
    checks = check_health(settings, status, file_hash="abc", calendar=calendar, wall_ns=wall_ns)
    assert len({check.name for check in checks}) == len(checks)
    assert all(check.detail for check in checks)
    assert all(not check.fix for check in checks if check.ok)
    return {check.name: check.fix for check in checks if not check.ok}


def test_a_recorder_that_works_is_healthy(settings: Settings) -> None:
    assert failing(settings, good_status()) == {}


GAP = {"gap_id": "1", "symbol": SYMBOLS[0], "from_ns": NOW, "cause": "token_refused", "detail": "HTTP 401"}


@pytest.mark.parametrize(
    ("path", "value", "check", "advice"),
    [
        ("written_at_ns", NOW - 60 * SECOND, "running", "restart"),
        ("written_at_ns", NOW + 60 * SECOND, "running", "restart"),
        ("config_hash", "old", "config", "restart"),
        (f"symbols/{SYMBOLS[0]}/feeds/fyers-rest/last_recv_ns", NOW - 30 * SECOND, "data", "logs"),
        (f"symbols/{SYMBOLS[0]}/feeds/fyers-rest/last_recv_ns", None, "data", "logs"),
        ("token/state", "missing", "token", "token-push"),
        ("token/state", "expired", "token", "token-push"),
        ("token/state", "refused", "token", "token-push"),
        ("token/problem", "access-token: cannot be read", "token", "token agent"),
        ("journal/failure", "no space", "journal", "resumes"),
        ("journal/durable_seq", -50_000, "journal", "disk"),
        ("disk/free_bytes", 1 << 20, "disk", "cleanup"),
        ("calendar/problem", "broken", "calendar", "deploy"),
        ("journal/problems", ["1-1.open: Permission denied"], "recovery", "chown"),
        ("clock", {"offset_ns": 180 * SECOND, "off": True, "steps": 1}, "clock", "chronyc"),
        ("unknown_symbols", {"NSE:SBI-EQ": ["NSE:SBIN-EQ"]}, "symbols", "Correct symbols"),
        ("refused_symbols", {"MCX:GOLD26AUGFUT": "mcx"}, "symbols", "Correct the calendar or the symbols"),
        ("calendar_contradictions", ["the master says 09:30"], "calendar", "Look up the exchange's circular"),
        ("blocked_until_ns", NOW + 1, "account", "see which program uses the account"),
    ],
)
def test_each_trouble_fails_its_own_check_with_advice(
    settings: Settings, path: str, value: Any, check: str, advice: str
) -> None:
    found = failing(settings, change(good_status(), path, value))

    assert list(found) == [check]
    assert advice in found[check]


def test_silence_is_explained_by_its_gap(settings: Settings) -> None:
    status = change(good_status(), f"symbols/{SYMBOLS[0]}/feeds/fyers-rest/last_recv_ns", NOW - 30 * SECOND)
    status["open_gaps"] = [GAP]

    assert "token-push" in failing(settings, status)["data"]


SILENT = f"symbols/{SYMBOLS[0]}/feeds/fyers-rest/last_recv_ns"


def test_a_gap_of_another_feed_or_symbol_explains_no_silence(settings: Settings) -> None:
    status = change(good_status(), SILENT, NOW - 30 * SECOND)
    own = GAP | {"cause": "rate_limited", "detail": "HTTP 429"}
    status["open_gaps"] = [GAP | {"feed": "fyers-hsm"}, GAP | {"symbol": SYMBOLS[1]}, own]

    assert "same account" in failing(settings, status)["data"]


def test_a_recorder_that_has_just_started_gets_a_moment(settings: Settings) -> None:
    status = change(good_status(), SILENT, None) | {"started_at_ns": NOW - 2 * SECOND}

    assert failing(settings, status) == {}


@pytest.mark.parametrize(
    ("seconds", "is_needed"), [(-3600, False), (-3599, True), (0, True), (5400, True), (10_799, True), (10_800, False)]
)
def test_a_token_is_needed_from_an_hour_before_the_opening_to_the_close(
    settings: Settings, seconds: int, *, is_needed: bool
) -> None:
    assert settings.calendar.file is not None
    make_calendar(settings.calendar.file, DAY, {"continuous": [["10:00:00", "13:00:00"]]})
    now = OPEN_NS + seconds * SECOND
    status = good_status() | {"written_at_ns": now, "window": {"open": False}}
    status["token"]["state"] = "expired"

    assert ("token" in failing(settings, status, wall_ns=now)) == is_needed


def socket_status(*gaps: tuple[str, str, int], state: str = "subscribed") -> dict[str, Any]:
    """Two feeds of one connection each; open gaps as feed, cause and age in seconds."""
    one = {"running": True, "connections": [{"state": state}]}
    found = [
        {"symbol": SYMBOLS[0], "from_ns": NOW - age * SECOND, "cause": cause, "detail": "", "feed": feed}
        for feed, cause, age in gaps
    ]
    return good_status() | {"feeds": {"fyers-hsm": one, "fyers-tbt": one}, "open_gaps": found}


def test_a_feed_is_judged_by_its_own_gaps_and_not_by_those_that_have_just_begun(settings: Settings) -> None:
    assert failing(settings, socket_status(("fyers-hsm", "disconnect", 5), ("fyers-tbt", "mute", 10))) == {}

    found = failing(settings, socket_status(("fyers-hsm", "disconnect", 60), ("fyers-tbt", "mute", 5)))

    assert list(found) == ["fyers-hsm"]
    assert "network" in found["fyers-hsm"]


@pytest.mark.parametrize(("detail", "fix"), [(TAKEN, "End the program"), ("no plan", "permissions")])
def test_another_program_that_takes_the_connection_is_named_with_what_ends_that(detail: str, fix: str) -> None:
    gap = {"symbol": SYMBOLS[0], "from_ns": NOW - 60 * SECOND, "cause": "refused", "detail": f"{detail} (code 12)"}
    status = socket_status() | {"open_gaps": [gap | {"feed": "fyers-hsm"}]}

    [found] = [check for check in check_streams(status, NOW) if not check.ok]

    assert f"refused: {detail}" in found.detail and fix in found.fix


@pytest.mark.parametrize(
    ("state", "up"),
    [("waiting", "0 of 1"), ("connecting", "0 of 1"), ("open", "1 of 1"), ("subscribed", "1 of 1"), ("idle", "0 of 0")],
)
def test_a_connection_that_is_being_made_is_not_up(state: str, up: str) -> None:
    details = [check.detail for check in check_streams(socket_status(state=state), NOW)]

    assert all(detail.startswith(f"{up} connections up") for detail in details)


@pytest.mark.parametrize(("times", "is_enough"), [(2, True), (1.99, False)])
def test_the_disk_is_told_of_before_recording_stops(settings: Settings, times: float, *, is_enough: bool) -> None:
    free = int(times * settings.disk_reserve_bytes)

    assert ("disk" not in failing(settings, change(good_status(), "disk/free_bytes", free))) == is_enough


def test_a_window_that_has_just_opened_gets_a_moment(settings: Settings) -> None:
    status = good_status()
    for symbol in status["symbols"].values():
        symbol["last_recv_ns"] = None
    early = OPEN_NS + 2 * SECOND
    status["written_at_ns"] = early

    assert "data" not in failing(settings, status, wall_ns=early)


def test_at_night_nobody_needs_a_token(settings: Settings) -> None:
    night = OPEN_NS - 8 * 3600 * SECOND
    status = good_status() | {"written_at_ns": night, "window": {"open": False, "next_change_ns": OPEN_NS}}
    status["token"]["state"] = "missing"

    assert failing(settings, status, wall_ns=night) == {}
    soon = OPEN_NS - 1800 * SECOND
    assert "token" in failing(settings, status | {"written_at_ns": soon}, wall_ns=soon)


@pytest.mark.parametrize("days_left", [0, 10, 16, 29])
def test_a_calendar_fails_no_check_before_its_last_trading_day_is_over(settings: Settings, days_left: int) -> None:
    """A deployment in December must not fail for a list that the exchange has not published yet."""
    assert settings.calendar.file is not None
    end = DAY + timedelta(days=days_left)
    make_calendar(settings.calendar.file, end, {"continuous": [["10:00:00", "10:10:00"]]}, end.isoformat())

    assert "calendar" not in failing(settings, good_status())


def test_a_calendar_fails_after_its_last_trading_day(settings: Settings) -> None:
    assert settings.calendar.file is not None
    yesterday, end = DAY - timedelta(days=1), DAY + timedelta(days=3)
    make_calendar(settings.calendar.file, yesterday, {"continuous": [["10:00:00", "10:10:00"]]}, end.isoformat())

    assert "coming year" in failing(settings, good_status())["calendar"]


def test_the_coming_year_is_asked_for_once_its_list_can_be_had(settings: Settings) -> None:
    outlook = TradingCalendar.load().outlook

    days = [date(2026, 12, 14), date(2026, 12, 15), date(2026, 12, 31), date(2027, 1, 1)]
    assert [outlook(day) for day in days] == ["known", "ending", "ending", "over"]


def test_the_command_prints_json_and_exits_with_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(make_config(tmp_path)))
    (tmp_path / "status.json").write_text(json.dumps(good_status()))

    code = run(["health", "--json", "--config", str(config)])

    answer = json.loads(capsys.readouterr().out)
    assert code == 3
    assert answer["healthy"] is False
    assert (answer["release"], answer["config_hash"], answer["token_version"]) == ("r1", "abc", "file:1")
    assert {check["name"] for check in answer["checks"]} >= {"running", "data", "token", "journal", "disk", "calendar"}
    assert answer["status"]["symbols"]


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_without_a_readable_status_the_recorder_is_not_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(make_config(tmp_path)))
    if content is not None:
        (tmp_path / "status.json").write_text(content)

    assert run(["health", "--config", str(config)]) == 3
    said = capsys.readouterr().out
    assert "FAIL running" in said
    assert ("./inv start\n" if content is None else "./inv restart\n") in said


def test_status_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "status.json"

    write_status(path, b'{"a": 1}')
    write_status(path, b'{"a": 2}')

    assert read_status(path) == {"a": 2}
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_deviations_are_told_as_percentiles() -> None:
    deviations = Deviations()
    assert deviations.describe() == {"p50": None, "p99": None, "max": None}

    for milliseconds in range(1, 101):
        deviations.add(milliseconds * 1_000_000 * (-1 if milliseconds % 2 else 1))

    assert deviations.describe() == {"p50": 50.0, "p99": 99.0, "max": 100.0}


def test_a_clock_off_by_minutes_is_believed_at_the_second_answer() -> None:
    watch = ClockMonitor()

    watch.compare(NOW, NOW + 300 * SECOND)
    assert not watch.is_off
    watch.compare(NOW, NOW + 300 * SECOND)

    assert watch.is_off
    watch.compare(NOW, NOW + SECOND)
    assert not watch.is_off


def test_late_answers_between_prompt_ones_are_no_offset() -> None:
    watch = ClockMonitor()
    for number in range(4):
        watch.compare(number * SECOND, number * SECOND + 60 * SECOND)
        assert not watch.is_off
        watch.compare(number * SECOND, number * SECOND)


def test_a_clock_step_is_noticed_and_slewing_is_not() -> None:
    watch = ClockMonitor()

    assert watch.check(NOW, 0) == 0
    assert watch.check(NOW + SECOND + 500_000, SECOND) == 0
    assert watch.check(NOW + 2 * SECOND + 60_500_000, 2 * SECOND) == 60_000_000
    assert watch.check(NOW - 3600 * SECOND, 3 * SECOND) < -3600 * SECOND


def test_the_disk_watch_waits_for_some_room_before_it_relents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    free = 0
    monkeypatch.setattr(os, "statvfs", lambda path: type("S", (), {"f_bavail": free, "f_frsize": 1})())
    watch = DiskMonitor(tmp_path, 1000)
    seen = []

    for free in (5000, 999, 1020, 1060, 1001):  # noqa: B007 - statvfs reads it
        watch.check()
        seen.append(watch.is_full)

    assert seen == [False, True, True, False, False]


def test_free_space_is_what_a_service_may_use_in_units_of_the_filesystem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    numbers = {"f_bavail": 3, "f_bfree": 30, "f_frsize": 4096, "f_bsize": 1 << 20}
    monkeypatch.setattr(os, "statvfs", lambda path: type("S", (), numbers)())
    watch = DiskMonitor(tmp_path, 12_288)

    assert (watch.check(), watch.free_bytes, watch.is_full) == (False, 12_288, False)
    watch = DiskMonitor(tmp_path, 12_289)
    assert (watch.check(), watch.is_full, watch.check()) == (True, True, False)


@pytest.mark.parametrize(("seconds", "is_well"), [(9.9, True), (10, False), (-9.9, True), (-10, False)])
def test_a_status_is_of_now_for_ten_seconds(settings: Settings, seconds: float, *, is_well: bool) -> None:
    status = good_status() | {"written_at_ns": NOW - int(seconds * SECOND)}

    assert ("running" not in failing(settings, status)) is is_well


@pytest.mark.parametrize("cause", get_args(Cause))
def test_each_cause_of_a_silence_says_what_to_do_about_it(settings: Settings, cause: str) -> None:
    status = change(good_status(), SILENT, NOW - 30 * SECOND)
    status["open_gaps"] = [GAP | {"cause": cause, "detail": ""}]

    assert REMEDIES.get(cause, "See ./inv logs.") in failing(settings, status)["data"]


REMEDIES = {
    "no_token": "./inv token-push",
    "token_refused": "./inv token-push",
    "rate_limited": "same account",
    "blocked": "ask the broker's support",
    "disk_full": "./inv cleanup",
    "disconnect": "./inv doctor",
    "timeout": "the host's network",
    "server_error": "goes on by itself",
    "refused": "./inv logs",
    "not_listed": "its successor",
    "mute": "goes on by itself",
    "no_snapshot": "inventory",
    "bad_response": "./inv logs",
}


def test_a_file_that_is_written_in_place_or_replaced_by_one_of_the_same_size_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    for write in (
        path.write_text,
        lambda text: (tmp_path / "new").write_text(text) and (tmp_path / "new").replace(path),
    ):
        watch = FileMonitor(path)
        before = path.stat().st_ctime_ns
        while path.stat().st_ctime_ns == before:  # the filesystem's clock is coarse
            write("two")
        assert watch.has_changed()
        assert not watch.has_changed()


def test_a_file_watch_sees_replacement_but_not_removal(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    watch = FileMonitor(path)
    assert not watch.has_changed()

    (tmp_path / "new").write_text("two")
    (tmp_path / "new").replace(path)
    assert watch.has_changed()
    path.unlink()
    assert not watch.has_changed()
    assert not FileMonitor(None).has_changed()
