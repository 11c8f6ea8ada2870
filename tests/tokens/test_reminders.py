"""When people are told what: the steps of a morning, silence, repetition, and one all-clear."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from harvester.alerts import host
from harvester.alerts.message import Message, Severity
from harvester.alerts.reminders import (
    MINUTE_NS,
    STEPS,
    ReminderMemory,
    SessionHours,
    TokenState,
    decide,
    is_lost,
    judge_token,
)
from harvester.alerts.round import look
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local, zone
from harvester.base.redaction import Secret
from harvester.calendar import TradingCalendar
from harvester.tokens.stores import FileStore, StoredToken, StoreError

PHASES = ("pre_open", "continuous", "closing_auction")
MISSING = TokenState("no_token", "no access token is stored")
GOOD = TokenState("", "valid until tomorrow")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone()).timestamp()) * NS_PER_SECOND


def day_of(text: str) -> SessionHours | None:
    return host.day_of([TradingCalendar.load()], date.fromisoformat(text), PHASES)


def hours_of(expression: str) -> set[int]:
    """The hours in India of a systemd calendar or a cron expression that looks every five minutes of them."""
    hours = re.search(r"(?:\*-\*-\* |cron\(0/5 )([*0-9.-]+)", expression)
    assert hours, expression
    first, _, last = hours[1].replace("..", "-").partition("-")
    return set(range(24)) if first == "*" else set(range(int(first), int(last) + 1))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("roles/harvester/defaults/main.yml", r"^harvester_remind_calendar: .*"),
        ("roles/aws_watch/templates/schedules.json.j2", r"'reminder': .*"),
    ],
    ids=["host", "aws"],
)
def test_who_asks_for_a_login_looks_in_every_window_of_the_calendar(root: Path, file: str, line: str) -> None:
    """An evening session of commodities ends at 23:55: a token that is refused at 21:00 is told of, too."""
    expression = re.search(line, (root / file).read_text("utf-8"), re.MULTILINE)
    assert expression
    looks, calendar = hours_of(expression[0]), TradingCalendar.load()
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
    hours = {
        to_local(moment).hour
        for segment in calendar.segments
        for day in days
        for opens_ns, closes_ns in calendar.of(segment).windows(day, PHASES)
        for moment in range(opens_ns + STEPS[0].minutes * MINUTE_NS, closes_ns, 60 * MINUTE_NS)
    }
    assert hours <= looks


class Listener:
    """A channel that writes down what it is told."""

    kind = "test"

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.deaf = False

    def send(self, message: Message) -> str:
        if self.deaf:
            return "deaf"
        self.heard.append(message)
        return ""


def morning(
    tmp_path: Path, day: str, state_of: Callable[[str], TokenState], listener: Listener, *, to: str = "16:00"
) -> list[str]:
    """Looks every five minutes from 07:00 on; what was said, as "HH:MM severity cause"."""
    said: list[str] = []
    hour, minute = 7, 0
    while (clock := f"{hour:02}:{minute:02}") <= to:
        before = len(listener.heard)
        look(
            at(f"{day}T{clock}:00"),
            day_of(day),
            state_of(clock),
            memory=FileStore(tmp_path / "memory"),
            channels=lambda: [listener],
            remedy=lambda: "Log in",
        )
        said += [f"{clock} {heard.severity.name.lower()} {heard.cause}" for heard in listener.heard[before:]]
        hour, minute = hour + (minute + 5) // 60, (minute + 5) % 60
    return said


def test_a_morning_without_a_login(tmp_path: Path) -> None:
    assert morning(tmp_path, "2026-11-23", lambda _: MISSING, Listener()) == [
        "08:00 info no_token",
        "08:30 warning no_token",
        "08:50 critical no_token",
        "09:05 critical no_token",
        "11:05 critical no_token",
        "13:05 critical no_token",
        "15:05 critical no_token",
    ]


def test_a_login_ends_the_reminders_with_one_all_clear(tmp_path: Path) -> None:
    said = morning(tmp_path, "2026-11-23", lambda clock: MISSING if clock < "08:40" else GOOD, Listener())

    assert said == ["08:00 info no_token", "08:30 warning no_token", "08:40 clear token"]


def test_who_logs_in_early_hears_nothing(tmp_path: Path) -> None:
    assert morning(tmp_path, "2026-11-23", lambda clock: MISSING if clock < "07:40" else GOOD, Listener()) == []


@pytest.mark.parametrize("day", ["2026-11-21", "2026-11-22", "2026-11-24"])
def test_nobody_is_told_anything_on_a_day_without_trading(tmp_path: Path, day: str) -> None:
    assert morning(tmp_path, day, lambda _: MISSING, Listener()) == []


def test_a_new_cause_is_told_at_once_and_a_known_one_is_not(tmp_path: Path) -> None:
    refused = TokenState("token_refused", "the broker refuses it")

    said = morning(
        tmp_path, "2026-11-23", lambda clock: MISSING if clock < "08:10" else refused, Listener(), to="08:40"
    )

    assert said == ["08:00 info no_token", "08:10 info token_refused", "08:30 warning token_refused"]


def test_what_was_owed_from_yesterday_is_cleared_once(tmp_path: Path) -> None:
    listener = Listener()
    morning(tmp_path, "2026-11-23", lambda _: MISSING, listener)

    assert morning(tmp_path, "2026-11-25", lambda _: GOOD, listener) == ["07:00 clear token"]
    assert morning(tmp_path, "2026-11-26", lambda _: GOOD, listener) == []


def test_what_no_channel_took_is_said_again(tmp_path: Path) -> None:
    listener = Listener()
    listener.deaf = True
    assert morning(tmp_path, "2026-11-23", lambda _: MISSING, listener, to="08:10") == []
    listener.deaf = False

    assert morning(tmp_path, "2026-11-23", lambda _: MISSING, listener, to="08:10") == ["08:00 info no_token"]


def test_steps_missed_while_the_host_was_down_come_as_the_last_one_alone(tmp_path: Path) -> None:
    listener = Listener()
    look(
        at("2026-11-23T08:52:00"),
        day_of("2026-11-23"),
        MISSING,
        memory=FileStore(tmp_path / "memory"),
        channels=lambda: [listener],
        remedy=lambda: "Log in",
    )

    assert [message.severity for message in listener.heard] == [Severity.CRITICAL]


class Down:
    """A store that cannot be asked."""

    place = "SSM parameter /x"

    def read(self) -> StoredToken | None:
        raise StoreError("SSM is down")

    def write(self, value: object) -> str:
        raise StoreError("SSM is down")

    def previous(self) -> StoredToken | None:
        raise StoreError("SSM is down")

    def undo(self) -> str:
        raise StoreError("SSM is down")


def test_without_its_memory_each_step_is_said_once_and_nothing_between(tmp_path: Path) -> None:
    listener = Listener()
    for minute in range(0, 60, 5):
        look(
            at(f"2026-11-23T08:{minute:02}:20"),
            day_of("2026-11-23"),
            MISSING,
            memory=Down(),
            channels=lambda: [listener],
            remedy=lambda: "Log in",
        )

    assert [message.severity.name for message in listener.heard] == ["INFO", "WARNING", "CRITICAL"]


def test_a_memory_that_cannot_be_asked_is_said() -> None:
    done = look(
        at("2026-11-23T08:00:20"),
        day_of("2026-11-23"),
        MISSING,
        memory=Down(),
        channels=lambda: [Listener()],
        remedy=lambda: "Log in",
    )
    assert done.trouble == "SSM is down"

    unwritable = look(
        at("2026-11-23T08:00:00"),
        day_of("2026-11-23"),
        MISSING,
        memory=Kept(),
        channels=lambda: [Listener()],
        remedy=lambda: "Log in",
    )
    assert unwritable.trouble == "SSM is read-only"
    assert len(unwritable.messages) == 1


class Kept(Down):
    """A store that can be read alone."""

    def read(self) -> StoredToken | None:
        return None

    def write(self, value: object) -> str:
        raise StoreError("SSM is read-only")


def test_a_memory_that_is_damaged_is_an_empty_one(tmp_path: Path) -> None:
    FileStore(tmp_path / "memory").write(Secret('{"said": [1], "open": true}'))

    assert morning(tmp_path, "2026-11-23", lambda _: MISSING, Listener(), to="08:00") == ["08:00 info no_token"]


def test_an_evening_session_is_announced_in_its_own_time() -> None:
    muhurat = day_of("2026-11-08")

    assert muhurat is not None and muhurat.opens_ns == at("2026-11-08T18:15:00")


@pytest.mark.parametrize(
    ("ends", "cause"),
    [
        (None, "no_token"),
        ("2026-11-23T06:30:00", "no_token"),
        ("2026-11-23T12:00:00", "token_too_short"),
        ("2026-11-24T06:30:00", ""),
    ],
)
def test_a_token_must_last_for_the_whole_session(ends: str | None, cause: str) -> None:
    now = at("2026-11-23T08:00:00")

    assert judge_token(at(ends) if ends else None, day_of("2026-11-23"), now).cause == cause


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (None, "recorder_down"),
        ({"written_at_ns": 0}, "recorder_down"),
        ({"token": {"state": "missing", "expires_at_ns": None}}, "no_token"),
        ({"token": {"state": "refused", "version": "ssm:3", "expires_at_ns": 9 * 10**18}}, "token_refused"),
        ({"token": {"state": "ok", "expires_at_ns": 9 * 10**18}}, ""),
    ],
)
def test_a_host_asks_its_recorder(status: dict[str, object] | None, cause: str) -> None:
    now = at("2026-11-23T08:00:00")
    told = {"written_at_ns": now, **status} if status is not None else None

    assert host.judge_status(told, day_of("2026-11-23"), now, "h1").cause == cause


def test_a_recorder_that_is_down_is_not_answered_with_a_login(tmp_path: Path) -> None:
    state = host.judge_status(None, day_of("2026-11-23"), at("2026-11-23T08:00:00"), "mumbai-2")
    listener = Listener()

    look(
        at("2026-11-23T08:00:00"),
        day_of("2026-11-23"),
        state,
        memory=FileStore(tmp_path / "memory"),
        channels=lambda: [listener],
        remedy=lambda: host.remedy_of(state),
    )

    [message] = listener.heard
    assert message.title == "The recorder does not run"
    assert "the recorder of mumbai-2 does not run" in message.body
    assert "./inv status" in message.body and "./inv start" in message.body
    assert host.remedy_of(MISSING) == "Log in: ./inv token-push"


@pytest.mark.parametrize(
    ("clock", "title", "opens"),
    [
        ("08:00", "Log in for today's session", "opens"),
        ("08:30", "Still no login for today", "opens"),
        ("08:50", "The session opens in minutes, without a token", "opens"),
        ("09:05", "Nothing is recorded: no valid token", "opened"),
    ],
)
def test_each_step_says_what_it_is(tmp_path: Path, clock: str, title: str, opens: str) -> None:
    listener = Listener()
    for state in (MISSING, GOOD):
        look(
            at(f"2026-11-23T{clock}:00"),
            day_of("2026-11-23"),
            state,
            memory=FileStore(tmp_path / "memory"),
            channels=lambda: [listener],
            remedy=lambda: "Log in here",
        )

    asked, clear = listener.heard
    assert (asked.title, clear.title) == (title, "The token is in place")
    assert asked.body == f"The session {opens} at 09:00 IST, and no access token is stored.\nLog in here"
    assert clear.body == "The access token is valid until tomorrow."


def test_the_last_step_is_not_said_twice_at_one_moment_nor_after_the_clock_went_back_a_day(tmp_path: Path) -> None:
    memory, day = ReminderMemory.none(), day_of("2026-11-23")
    late = at("2026-11-23T10:00:00")
    [said], memory = decide(late, day, MISSING, memory, lambda: "")

    assert said.severity == Severity.CRITICAL
    assert decide(late, day, MISSING, memory, lambda: "") == ([], memory)
    yesterday = at("2026-11-20T10:00:00")
    [again], memory = decide(yesterday, day_of("2026-11-20"), MISSING, memory, lambda: "")
    assert again.severity == Severity.CRITICAL
    assert list(memory.said.values()) == [(day_of("2026-11-20").opens_ns, 4, yesterday)]  # type: ignore[union-attr]


def test_what_was_said_of_another_cause_yesterday_is_forgotten() -> None:
    refused = TokenState("token_refused", "the broker refuses it")
    _, memory = decide(at("2026-11-23T10:00:00"), day_of("2026-11-23"), refused, ReminderMemory.none(), lambda: "")
    messages, memory = decide(at("2026-11-25T10:00:00"), day_of("2026-11-25"), MISSING, memory, lambda: "")

    assert len(messages) == 1 and set(memory.said) == {"no_token"}


@pytest.mark.parametrize(
    ("clock", "lost"),
    [("08:59:59", False), ("09:00:00", False), ("09:04:59", False), ("09:05:00", True), ("15:00:00", True)],
)
def test_data_is_lost_from_the_last_step_on(clock: str, lost: bool) -> None:
    assert is_lost(at(f"2026-11-23T{clock}"), day_of("2026-11-23")) is lost
    assert is_lost(at(f"2026-11-23T{clock}"), None) is False


def test_no_channel_is_opened_while_there_is_nothing_to_say(tmp_path: Path) -> None:
    done = look(
        at("2026-11-23T08:00:00"),
        day_of("2026-11-23"),
        GOOD,
        memory=FileStore(tmp_path / "memory"),
        channels=lambda: pytest.fail("nothing is to be said"),
        remedy=lambda: "",
    )

    assert done.messages == []


@pytest.mark.parametrize(("age", "cause"), [(10, ""), (11, "recorder_down"), (-10, ""), (-11, "recorder_down")])
def test_a_status_is_fresh_for_ten_seconds_either_way(age: int, cause: str) -> None:
    now = at("2026-11-23T08:00:00")
    status = {"written_at_ns": now - age * NS_PER_SECOND, "token": {"state": "ok", "expires_at_ns": 9 * 10**18}}

    assert host.judge_status(status, day_of("2026-11-23"), now, "h1").cause == cause
    assert host.judge_status({}, day_of("2026-11-23"), now, "h1").cause == "recorder_down"


def test_a_refusal_names_the_version_of_the_token() -> None:
    now = at("2026-11-23T08:00:00")
    status = {"written_at_ns": now, "token": {"state": "refused", "version": "ssm:7"}}

    state = host.judge_status(status, day_of("2026-11-23"), now, "h1")
    assert state == TokenState("token_refused", "the broker refuses the access token (ssm:7)")


RECORDER_DOWN = TokenState("recorder_down", "the recorder of mumbai-2 does not run")
UNPROVEN = TokenState("", "valid until tomorrow", "timeout: no answer within 5 s")


@pytest.mark.parametrize(
    ("causes", "after", "title"),
    [
        ([MISSING], GOOD, "The token is in place"),
        ([RECORDER_DOWN], GOOD, "The recorder runs again"),
        ([RECORDER_DOWN, MISSING], GOOD, "The recorder runs again, and the token is in place"),
        ([MISSING], UNPROVEN, "A token is there, and the broker could not be asked whether it takes it"),
        (
            [RECORDER_DOWN],
            UNPROVEN,
            "The recorder runs again, and a token is there, and the broker could not be asked whether it takes it",
        ),
    ],
)
def test_an_all_clear_names_what_is_clear_and_what_could_not_be_looked_at(
    causes: list[TokenState], after: TokenState, title: str
) -> None:
    day, memory = day_of("2026-11-23"), ReminderMemory.none()
    for minute, cause in enumerate(causes):
        _, memory = decide(at("2026-11-23T08:50:00") + minute * 10**9, day, cause, memory, lambda: "")

    [message], _ = decide(at("2026-11-23T08:55:00"), day, after, memory, lambda: "")

    assert (message.severity, message.title) == (Severity.CLEAR, title)
    assert message.body.startswith("The access token is valid until tomorrow.")
    assert ("timeout: no answer within 5 s" in message.body) is bool(after.unproven)


def test_what_the_recorder_could_not_prove_reaches_the_reminders() -> None:
    now = at("2026-11-23T08:55:00")
    token = {"state": "ok", "expires_at_ns": 9 * 10**18, "unproven": "disconnect: Connection refused"}

    state = host.judge_status({"written_at_ns": now, "token": token}, day_of("2026-11-23"), now, "h1")

    assert (state.cause, state.unproven) == ("", "disconnect: Connection refused")


def test_a_recorder_without_a_token_is_not_said_to_lack_one_in_the_store() -> None:
    now = at("2026-11-23T08:00:00")
    token = {"state": "missing", "expires_at_ns": None}

    detail = host.judge_status({"written_at_ns": now, "token": token}, day_of("2026-11-23"), now, "h1").detail

    assert detail == "the recorder has been handed no access token"
