"""Schwab's login lasts 7 days: who is told that it ends, and when: weekends, a half day, the Sundays of the clocks."""

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.us.test_us_settings import config

from harvester.alerts import host
from harvester.alerts.inbox import take
from harvester.alerts.login_end import LoginEnd, decide_end, judge_login
from harvester.alerts.memory import read_memory, write_memory
from harvester.alerts.message import Message
from harvester.alerts.reminders import LoginMemory, ReminderMemory, SessionHours, TokenState
from harvester.alerts.round import look
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.market import entered, to_local, zone
from harvester.base.redaction import Secret
from harvester.calendar import TradingCalendar
from harvester.capture.status import write_status
from harvester.cli import run
from harvester.tokens.stores import FileStore

MINUTE, HOUR, DAY = 60 * NS_PER_SECOND, 3600 * NS_PER_SECOND, 86_400 * NS_PER_SECOND
PHASES = ("continuous",)
WEEK = 7 * DAY


@pytest.fixture(autouse=True)
def _market() -> Iterator[None]:
    with entered("us"):
        yield


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone()).timestamp()) * NS_PER_SECOND


class Listener:
    """A channel that keeps what it is told."""

    kind = "test"

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.trouble = ""

    def send(self, message: Message) -> str:
        if not self.trouble:
            self.heard.append(message)
        return self.trouble


def see(now_ns: int, ends_ns: int, memory: FileStore, listener: Listener) -> None:
    """One look of a host whose agent renews the token until the login ends."""
    calendar = TradingCalendar.load()
    today = to_local(now_ns).date()
    day = host.day_of([calendar], today, PHASES)
    login = LoginEnd(ends_ns, host.next_opening([calendar], today, PHASES))
    state = judge_login(ends_ns, day, now_ns)
    look(now_ns, day, state, memory=memory, channels=lambda: [listener], remedy=lambda: "Log in", login=login)


def tell_week(folder: Path, login: str, *, asleep: Callable[[datetime], bool] = lambda _: False) -> list[str]:
    """What is said from a login until it ends, looked at every five minutes while nobody logs in again."""
    memory, listener, begins_ns, said = FileStore(folder / "memory"), Listener(), at(login), []
    for now_ns in range(begins_ns, begins_ns + WEEK, 5 * MINUTE):
        if asleep(to_local(now_ns)):
            continue
        see(now_ns, begins_ns + WEEK, memory, listener)
        said += [f"{to_local(now_ns):%a %d %H:%M %Z} {each.severity.name} {each.title}" for each in listener.heard]
        listener.heard.clear()
    return said


THREE, ONE = "INFO The login ends within 3 days", "WARNING The login ends within 1 day"
LAST = "WARNING Log in today: the login covers no session after this one"
FIRST_STEP = "INFO Log in for today's session"


def test_each_step_is_told_once(tmp_path: Path) -> None:
    assert tell_week(tmp_path, "2026-12-02T18:00:00") == [
        f"Sun 06 18:00 EST {THREE}",
        f"Tue 08 18:00 EST {ONE}",
        f"Wed 09 08:30 EST {LAST}",
    ]


def test_a_login_that_ends_within_a_session_is_asked_for_by_that_mornings_own_steps(tmp_path: Path) -> None:
    assert tell_week(tmp_path, "2026-12-02T11:00:00") == [
        f"Sun 06 11:00 EST {THREE}",
        f"Tue 08 11:00 EST {ONE}",
        f"Wed 09 08:30 EST {FIRST_STEP}",
        "Wed 09 09:00 EST WARNING Still no login for today",
        "Wed 09 09:20 EST CRITICAL The token ends before the session does",
        "Wed 09 09:35 EST CRITICAL The token ends before the session does",
    ]


def test_one_that_ends_on_a_weekend_has_its_morning_on_friday(tmp_path: Path) -> None:
    assert tell_week(tmp_path, "2026-12-05T12:00:00") == [
        f"Wed 09 12:00 EST {THREE}",
        f"Fri 11 08:30 EST {LAST}",
        f"Fri 11 12:00 EST {ONE}",
    ]


def test_a_half_day_ends_at_one_so_that_a_login_until_two_covers_it(tmp_path: Path) -> None:
    """Thanksgiving is no session, and the Friday after it closes at 13:00."""
    assert tell_week(tmp_path, "2026-11-20T14:00:00") == [
        f"Tue 24 14:00 EST {THREE}",
        f"Thu 26 14:00 EST {ONE}",
        f"Fri 27 08:30 EST {LAST}",
    ]


def test_a_login_until_noon_does_not_cover_a_half_day(tmp_path: Path) -> None:
    assert tell_week(tmp_path, "2026-11-20T12:55:00")[2:] == [
        f"Fri 27 08:30 EST {FIRST_STEP}",
        "Fri 27 09:00 EST WARNING Still no login for today",
        "Fri 27 09:20 EST CRITICAL The token ends before the session does",
        "Fri 27 09:35 EST CRITICAL The token ends before the session does",
        "Fri 27 11:35 EST CRITICAL The token ends before the session does",
    ]


def test_seven_days_over_the_end_of_summer_time_end_an_hour_earlier_by_the_clock(tmp_path: Path) -> None:
    """Sunday 1 November has 25 hours: a login of Friday 16:30 EDT ends on Friday at 15:30 EST, before the close."""
    assert tell_week(tmp_path, "2026-10-30T16:30:00")[:3] == [
        f"Tue 03 15:30 EST {THREE}",
        f"Thu 05 15:30 EST {ONE}",
        f"Fri 06 08:30 EST {FIRST_STEP}",
    ]


def test_seven_days_over_the_begin_of_summer_time_end_an_hour_later(tmp_path: Path) -> None:
    """Sunday 8 March has 23 hours: a login of Friday 15:30 EST ends on Friday at 16:30 EDT, after the close."""
    assert tell_week(tmp_path, "2026-03-06T15:30:00") == [
        f"Tue 10 16:30 EDT {THREE}",
        f"Thu 12 16:30 EDT {ONE}",
        f"Fri 13 08:30 EDT {LAST}",
    ]


def test_a_host_that_sleeps_outside_sessions_tells_what_came_meanwhile_once(tmp_path: Path) -> None:
    def asleep(moment: datetime) -> bool:
        return moment.weekday() > 4 or not 9 <= moment.hour < 17

    assert tell_week(tmp_path, "2026-12-02T16:30:00", asleep=asleep) == [
        f"Mon 07 09:00 EST {THREE}",
        f"Tue 08 16:30 EST {ONE}",
        f"Wed 09 09:00 EST {LAST}",
    ]


def test_of_steps_that_were_slept_through_the_most_urgent_is_told_alone(tmp_path: Path) -> None:
    memory, listener = FileStore(tmp_path / "memory"), Listener()
    ends_ns = at("2026-12-09T18:00:00")
    see(at("2026-12-09T10:00:00"), ends_ns, memory, listener)
    see(at("2026-12-09T10:05:00"), ends_ns, memory, listener)

    [told] = listener.heard
    assert told.title == LAST.removeprefix("WARNING ")
    assert told.body == "It ends Wed 09 Dec, 18:00 EST, and with it the access token's renewal.\nLog in"


def test_a_day_that_asks_for_a_login_itself_is_not_told_besides(tmp_path: Path) -> None:
    memory, listener = FileStore(tmp_path / "memory"), Listener()
    ends_ns = at("2026-12-09T12:00:00")
    for clock in ("08:30", "08:35"):
        see(at(f"2026-12-09T{clock}:00"), ends_ns, memory, listener)

    assert [each.title for each in listener.heard] == ["Log in for today's session"]


def test_a_new_login_begins_anew_and_one_that_came_back_is_not_told_again(tmp_path: Path) -> None:
    memory, listener = FileStore(tmp_path / "memory"), Listener()
    first_ns = at("2026-12-09T18:00:00")
    for now_ns, ends_ns in ((first_ns - 2 * DAY, first_ns), (first_ns - 2 * DAY + MINUTE, first_ns + 4 * DAY)):
        see(now_ns, ends_ns, memory, listener)
    see(first_ns + DAY + MINUTE, first_ns + 4 * DAY, memory, listener)
    see(first_ns + DAY + 2 * MINUTE, first_ns + 4 * DAY, memory, listener)

    assert [each.title for each in listener.heard] == ["The login ends within 3 days"] * 2


def test_what_no_channel_took_is_told_by_the_next_look(tmp_path: Path) -> None:
    memory, listener = FileStore(tmp_path / "memory"), Listener()
    ends_ns = at("2026-12-09T18:00:00")
    listener.trouble = "deaf"
    see(ends_ns - 2 * DAY, ends_ns, memory, listener)
    listener.trouble = ""
    see(ends_ns - 2 * DAY + 5 * MINUTE, ends_ns, memory, listener)

    assert [each.title for each in listener.heard] == ["The login ends within 3 days"]


def test_while_the_memory_cannot_be_read_nothing_is_said_of_the_end(tmp_path: Path) -> None:
    """Or it would be said every five minutes for three days."""
    listener, ends_ns = Listener(), at("2026-12-09T18:00:00")
    (tmp_path / "memory").mkdir()  # no file
    see(ends_ns - 2 * DAY, ends_ns, FileStore(tmp_path / "memory"), listener)

    assert listener.heard == []


def test_what_was_told_of_a_login_outlives_an_all_clear_and_the_file(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "memory")
    memory = ReminderMemory({}, True, LoginMemory(7, ("3 days", "1 day")))

    write_memory(store, memory)
    assert read_memory(store) == memory
    store.write(Secret('{"said": {}, "open": false}'))
    assert read_memory(store) == ReminderMemory.none(), "a memory of before has none of it"
    store.write(Secret(json.dumps({"said": {}, "open": True, "login": ["x"]})))
    assert read_memory(store) == ReminderMemory.none()


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ("2026-12-02T08:00:00", TokenState("no_token", "the last login ended Wed 02 Dec 08:00 EST")),
        (
            "2026-12-02T15:59:59",
            TokenState("token_too_short", "the login ends Wed 02 Dec 15:59 EST, before the session does"),
        ),
        ("2026-12-02T16:00:00", TokenState("", "renewed until Wed 02 Dec 16:00 EST, when the login ends")),
    ],
)
def test_a_login_must_last_for_the_whole_session(ends: str, state: TokenState) -> None:
    day = host.day_of([TradingCalendar.load()], date(2026, 12, 2), PHASES)

    assert judge_login(at(ends), day, at("2026-12-02T08:00:00")) == state


def test_nothing_is_said_of_a_login_that_is_over() -> None:
    ends_ns = at("2026-12-02T08:00:00")
    memory = ReminderMemory.none()

    for now_ns in (ends_ns, ends_ns + HOUR):
        assert decide_end(now_ns, None, LoginEnd(ends_ns, None), memory, lambda: "") == ([], memory)
    [told], _ = decide_end(ends_ns - 1, None, LoginEnd(ends_ns, None), memory, lambda: "")
    assert told.title == "The login ends within 1 day"


def test_the_morning_lasts_from_an_hour_before_the_opening_to_the_close() -> None:
    day = SessionHours(at("2026-12-02T09:30:00"), at("2026-12-02T16:00:00"))
    login, memory = LoginEnd(day.closes_ns, day.opens_ns + DAY), ReminderMemory.none()

    def told(now_ns: int) -> list[str]:
        return [each.title for each in decide_end(now_ns, day, login, memory, lambda: "")[0]]

    morning = LAST.removeprefix("WARNING ")
    assert told(day.opens_ns - HOUR - 1) == ["The login ends within 1 day"]
    assert told(day.opens_ns - HOUR) == told(day.closes_ns - 1) == [morning]
    login = LoginEnd(day.closes_ns + HOUR, day.opens_ns + DAY)
    assert told(day.closes_ns - 1) == [morning] and told(day.closes_ns) == ["The login ends within 1 day"]


class Machine:
    """A host of the market us whose recorder reports a token; what its reminder hands in."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **alerts: Any) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        (folder / "inbox").mkdir()
        places = {"memory": str(folder / "memory"), "inbox": str(folder / "inbox")}
        content = config(status_file=str(folder / "status.json"), data_dir=str(folder), alerts=places | alerts)
        (folder / "config.json").write_text(json.dumps(content))

    def remind(self, now: str, **token: Any) -> list[str]:
        now_ns = at(now)
        self.monkeypatch.setattr(SystemClock, "wall_ns", lambda _: now_ns)
        status = {"written_at_ns": now_ns, "token": {"state": "ok", "version": "file:1", **token}}
        write_status(self.folder / "status.json", json.dumps(status).encode())
        assert run(["remind", "--config", str(self.folder / "config.json")]) == 0
        posted = list(take(self.folder / "inbox"))
        for each in posted:
            each.path.unlink()
        return [each.notice.text for each in posted]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_an_access_token_of_thirty_minutes_is_no_reason_to_ask_for_a_login(machine: Machine) -> None:
    """The agent renews it: a person is not woken at 08:30 of each day, nor told at 09:20 that nothing is recorded."""
    login_ends_ns = at("2026-12-05T12:00:00")
    for clock in ("08:30", "09:00", "09:20", "09:35"):
        now = f"2026-12-01T{clock}:00"
        assert machine.remind(now, expires_at_ns=at(now) + 25 * MINUTE, login_ends_ns=login_ends_ns) == []


def test_one_that_was_not_renewed_is_told_on_the_day(machine: Machine) -> None:
    now = "2026-12-01T08:30:00"
    [said] = machine.remind(
        now, state="expired", expires_at_ns=at(now) - MINUTE, login_ends_ns=at("2026-12-05T12:00:00")
    )

    assert "the last access token expired Tue 01 Dec 08:29 EST" in said
    assert "./inv token-push --broker schwab" in said


def test_a_host_tells_of_its_logins_end_once_with_schwabs_command(machine: Machine) -> None:
    token = {"expires_at_ns": at("2026-12-02T12:30:00"), "login_ends_ns": at("2026-12-05T12:00:00")}
    [said] = machine.remind("2026-12-02T12:00:00", **token)

    assert "The login ends within 3 days" in said
    assert "It ends Sat 05 Dec, 12:00 EST" in said and "./inv token-push --broker schwab" in said
    assert machine.remind("2026-12-02T12:05:00", **token) == []


def test_a_host_that_leaves_asking_to_another_sender_says_nothing_of_the_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, monkeypatch, causes=["recorder_down"])
    token = {"expires_at_ns": at("2026-12-02T12:30:00"), "login_ends_ns": at("2026-12-05T12:00:00")}

    assert machine.remind("2026-12-02T12:00:00", **token) == []


def test_a_recorder_that_does_not_report_has_no_login_to_tell_of() -> None:
    assert host.find_login(None, lambda: 1) is None and host.find_login({"token": None}, lambda: 1) is None
    assert host.find_login({"token": {"login_ends_ns": 5}}, lambda: 1) == LoginEnd(5, 1)


def test_the_next_session_is_found_over_a_holiday() -> None:
    calendar = [TradingCalendar.load()]

    assert host.next_opening(calendar, date(2026, 11, 25), PHASES) == at("2026-11-27T09:30:00")
    assert host.next_opening([], date(2026, 11, 25), PHASES) is None
