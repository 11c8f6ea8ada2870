"""The memory of the reminders in trouble: what could not be read is not overwritten, and silences nobody."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from harvester.alerts.login_end import LoginEnd
from harvester.alerts.memory import read_memory, write_memory
from harvester.alerts.message import Message
from harvester.alerts.reminders import LoginMemory, ReminderMemory, SessionHours, TokenState
from harvester.alerts.round import Round, look
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import INDIA
from harvester.base.redaction import Secret
from harvester.tokens.stores import FileStore, StoredToken, StoreError

REFUSED = TokenState("token_refused", "the broker refuses the access token")
GOOD = TokenState("", "valid until tomorrow")


def at(clock: str, day: int = 23) -> int:
    return int(datetime.fromisoformat(f"2026-11-{day}T{clock}").replace(tzinfo=INDIA).timestamp()) * NS_PER_SECOND


DAY = SessionHours(at("09:00"), at("15:45"))


class Throttled(FileStore):
    """A store that cannot be read while `down`, and be written all the time: SSM counts the two apart."""

    down = False

    def read(self) -> StoredToken | None:
        if self.down:
            raise StoreError("SSM is asked too often")
        return super().read()

    def write(self, value: Secret) -> str:
        down, self.down = self.down, False  # a file's store looks at what it replaces; SSM does not
        try:
            return super().write(value)
        finally:
            self.down = down


class Listener:
    kind = "test"

    def __init__(self) -> None:
        self.heard: list[str] = []

    def send(self, message: Message) -> str:
        self.heard.append(message.cause)
        return ""


@pytest.fixture
def store(tmp_path: Path) -> Throttled:
    return Throttled(tmp_path / "memory")


@pytest.fixture
def listener() -> Listener:
    return Listener()


def look_at(
    store: Throttled, listener: Listener, clock: str, state: TokenState, login: LoginEnd | None = None
) -> Round:
    def channels() -> Sequence[Listener]:
        return [listener]

    return look(at(clock), DAY, state, memory=store, channels=channels, remedy=lambda: "Log in", login=login)


def test_a_cause_that_came_while_the_memory_could_not_be_read_is_told_by_the_next_look(
    store: Throttled, listener: Listener
) -> None:
    store.down = True
    assert look_at(store, listener, "10:37", REFUSED).trouble
    assert listener.heard == []
    store.down = False

    look_at(store, listener, "10:42", REFUSED)

    assert listener.heard == ["token_refused"]


def test_a_look_that_cannot_read_the_memory_changes_nothing_of_it(store: Throttled, listener: Listener) -> None:
    kept = ReminderMemory(
        {"recorder_down": (DAY.opens_ns, 4, at("09:05"))}, True, LoginMemory(at("09:30", 25), ("3 days",))
    )
    write_memory(store, kept)
    store.down = True
    for clock, state in (("09:05", REFUSED), ("10:37", REFUSED), ("10:42", GOOD)):
        look_at(store, listener, clock, state, LoginEnd(at("09:30", 25), at("09:00", 24)))
    store.down = False

    assert read_memory(store) == kept
    look_at(store, listener, "10:47", GOOD)
    assert listener.heard == ["token_refused", "token"]  # the step of 09:05, and the all-clear that is owed


@pytest.mark.parametrize(
    ("day", "title"),
    [(23, "The recorder runs again, and the token is in place"), (20, "The token is in place")],
    ids=["of today", "of another day"],
)
def test_an_all_clear_names_what_was_told_today_and_nothing_of_another_day(
    store: Throttled, listener: Listener, day: int, title: str
) -> None:
    write_memory(store, ReminderMemory({"recorder_down": (at("09:00", day), 4, at("09:05", day))}, True))
    look_at(store, listener, "10:37", REFUSED)

    [cleared] = look_at(store, listener, "10:42", GOOD).messages

    assert cleared.title == title


@pytest.mark.parametrize("deaf", [1, 2])
def test_what_no_channel_took_is_said_again_and_what_one_took_is_not(
    store: Throttled, listener: Listener, monkeypatch: pytest.MonkeyPatch, deaf: int
) -> None:
    silent = Listener()
    monkeypatch.setattr(silent, "send", lambda message: "it is down")
    channels = [silent] * deaf if deaf == 2 else [silent, listener]

    def ask(clock: str) -> Round:
        return look(at(clock), DAY, REFUSED, memory=store, channels=lambda: channels, remedy=lambda: "Log in")

    assert [ask(clock).reached_nobody for clock in ("10:37", "10:42")] == [deaf == 2, deaf == 2]

    assert len(listener.heard) == (0 if deaf == 2 else 1)
    assert read_memory(store).open is (deaf == 1), "an all-clear is owed to who was told"
