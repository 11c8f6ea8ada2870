"""When a person is asked to log in: a decision from the clock, the day's session, the token and what was said before.

Nothing here looks at a clock, a store or a network, so a fortnight is decided in milliseconds.
"""

from collections.abc import Callable
from typing import NamedTuple

from harvester.alerts.message import Message, Severity
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local

MINUTE_NS = 60 * NS_PER_SECOND
LOOK_NS = 5 * MINUTE_NS
REPEAT_NS = 120 * MINUTE_NS
"""How often the last step is repeated while its cause lasts; the others are said once."""


class Step(NamedTuple):
    """One of the day's reminders; `minutes` from the opening of the first phase."""

    minutes: int
    severity: Severity
    title: str


STEPS = (
    Step(-60, Severity.INFO, "Log in for today's session"),
    Step(-30, Severity.WARNING, "Still no login for today"),
    Step(-10, Severity.CRITICAL, "The session opens in minutes, without a token"),
    Step(5, Severity.CRITICAL, "Nothing is recorded: no valid token"),
)
"""08:00, 08:30, 08:50 and 09:05 on an ordinary day."""
OTHER_TITLES = {"recorder_down": "The recorder does not run"}
"""By cause, where a login is not what is lacking."""
LATE_TITLES = {"token_too_short": "The token ends before the session does"}
"""By cause, from ten minutes before the opening on: where there is a token, and it works so far."""
LATE_MINUTES = -10


class SessionHours(NamedTuple):
    """A trading day: opening of its first phase, close of its last, in wall ns."""

    opens_ns: int
    closes_ns: int


class TokenState(NamedTuple):
    """How the token stands. `cause` is empty when it is in place for the whole session.

    `unproven`: why the broker could not be asked whether it takes it.
    """

    cause: str
    detail: str
    unproven: str = ""


class LoginMemory(NamedTuple):
    """Which steps were told of the login that ends then (wall ns)."""

    ends_ns: int = 0
    told: tuple[str, ...] = ()


class ReminderMemory(NamedTuple):
    """What was said: per cause the opening of the day, the step's number and when. `open`: an all-clear is owed."""

    said: dict[str, tuple[int, int, int]]
    open: bool
    login: LoginMemory = LoginMemory()
    """Of the login's end, which is no cause of a day: it stays when the causes are over."""

    @classmethod
    def none(cls) -> "ReminderMemory":
        return cls({}, False)


def judge_token(expires_at_ns: int | None, day: SessionHours | None, now_ns: int) -> TokenState:
    """How a token of this expiry stands; None: there is no token."""
    if expires_at_ns is None:
        return TokenState("no_token", "no access token is stored")
    ends = f"{to_local(expires_at_ns):%a %d %b %H:%M %Z}"
    if expires_at_ns <= now_ns:
        return TokenState("no_token", f"the last access token expired {ends}")
    if day and expires_at_ns < day.closes_ns:
        return TokenState("token_too_short", f"the access token ends {ends}, before the session does")
    return TokenState("", f"valid until {ends}")


def decide(
    now_ns: int, day: SessionHours | None, state: TokenState, memory: ReminderMemory, remedy: Callable[[], str]
) -> tuple[list[Message], ReminderMemory]:
    """What to send now, and what to remember once it was sent. `remedy` makes the words on how to log in."""
    if not state.cause:
        return ([_all_clear(state, memory)] if memory.open else []), ReminderMemory({}, False, memory.login)
    if day is None or now_ns >= day.closes_ns:
        return [], memory
    passed = sum(1 for step in STEPS if now_ns >= day.opens_ns + step.minutes * MINUTE_NS)
    if not passed:
        return [], memory
    before = memory.said.get(state.cause)
    if before and before[0] == day.opens_ns and not _is_due_again(passed, before, now_ns):
        return [], memory
    said = {cause: what for cause, what in memory.said.items() if what[0] == day.opens_ns}
    said[state.cause] = (day.opens_ns, passed, now_ns)
    return [_request(STEPS[passed - 1], state, day, remedy())], memory._replace(said=said, open=True)


def is_step(now_ns: int, day: SessionHours) -> bool:
    """Whether this is the first look, five minutes after the one before, since one of the day's steps."""
    return any(0 <= now_ns - (day.opens_ns + step.minutes * MINUTE_NS) < LOOK_NS for step in STEPS)


def is_lost(now_ns: int, day: SessionHours | None) -> bool:
    """Whether the day's last step has come: what is not recorded now is lost."""
    return day is not None and now_ns >= day.opens_ns + STEPS[-1].minutes * MINUTE_NS


def _is_due_again(step: int, before: tuple[int, int, int], now_ns: int) -> bool:
    if step != before[1]:
        return step > before[1]
    return step == len(STEPS) and not 0 <= now_ns - before[2] < REPEAT_NS


def _request(step: Step, state: TokenState, day: SessionHours, remedy: str) -> Message:
    opens = f"{to_local(day.opens_ns):%H:%M %Z}"
    verb = "opened" if step.minutes > 0 else "opens"
    body = f"The session {verb} at {opens}, and {state.detail}.\n{remedy}"
    titles = OTHER_TITLES | (LATE_TITLES if step.minutes >= LATE_MINUTES else {})
    return Message(step.severity, state.cause, titles.get(state.cause, step.title), body)


def _all_clear(state: TokenState, memory: ReminderMemory) -> Message:
    """Names what is clear: that of which people were told."""
    runs = "The recorder runs again"
    asked = set(memory.said) - set(OTHER_TITLES)
    body = f"The access token is {state.detail}."
    title = "The token is in place"
    if state.unproven:
        title = "A token is there, and the broker could not be asked whether it takes it"
        body += f" The broker's answer: {state.unproven}."
    if "recorder_down" in memory.said:
        title = f"{runs}, and {title[0].lower()}{title[1:]}" if asked or state.unproven else runs
    return Message(Severity.CLEAR, "token", title, body)
