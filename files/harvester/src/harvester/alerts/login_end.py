"""When a person is told that a login nears its end, where one lasts for days and renews the access token: Schwab's 7.

Three days before, one day before, and in the morning of the last session that it covers. Once a day's session is not
covered whole, that day's own reminders ask (`reminders.decide`). Pure, like those.
"""

from collections.abc import Callable
from typing import NamedTuple

from harvester.alerts.message import Message, Severity
from harvester.alerts.reminders import MINUTE_NS, STEPS, LoginMemory, ReminderMemory, SessionHours, TokenState
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local

DAY_NS = 86_400 * NS_PER_SECOND
MORNING = "morning"
AHEAD = {"3 days": (3 * DAY_NS, Severity.INFO), "1 day": (DAY_NS, Severity.WARNING)}
"""Of 24 hours each, for the end is a moment and no date: a login counts from its second on."""
CAUSE = "login_ends"


class LoginEnd(NamedTuple):
    """When the login ends, and when the next session after today's opens, in wall ns; None: none is known."""

    ends_ns: int
    next_opens_ns: int | None


def judge_login(ends_ns: int, day: SessionHours | None, now_ns: int) -> TokenState:
    """How an access token stands that is renewed until a login ends."""
    ends = f"{to_local(ends_ns):%a %d %b %H:%M %Z}"
    if ends_ns <= now_ns:
        return TokenState("no_token", f"the last login ended {ends}")
    if day and ends_ns < day.closes_ns:
        return TokenState("token_too_short", f"the login ends {ends}, before the session does")
    return TokenState("", f"renewed until {ends}, when the login ends")


def decide_end(
    now_ns: int, day: SessionHours | None, login: LoginEnd, memory: ReminderMemory, remedy: Callable[[], str]
) -> tuple[list[Message], ReminderMemory]:
    """What to send now of the login's end, and what to remember once it was sent: each step is told once a login.

    Of steps that were reached together, by a host that slept, the last is told.
    """
    told = memory.login.told if memory.login.ends_ns == login.ends_ns else ()
    new = [step for step in _reached(now_ns, day, login) if step not in told]
    if not new:
        return [], memory
    after = memory._replace(login=LoginMemory(login.ends_ns, (*told, *new)))
    return [_message(new[-1], login, remedy())], after


def _reached(now_ns: int, day: SessionHours | None, login: LoginEnd) -> list[str]:
    """The steps that were reached, the most urgent last; none once the login is over."""
    left_ns = login.ends_ns - now_ns
    if left_ns <= 0:
        return []
    reached = [step for step, (ahead_ns, _) in AHEAD.items() if left_ns <= ahead_ns]
    return [*reached, MORNING] if day and _is_last_morning(now_ns, day, login) else reached


def _is_last_morning(now_ns: int, day: SessionHours, login: LoginEnd) -> bool:
    """Whether today's session is the last that the login covers, and its first reminder would be due by now."""
    is_covered = login.ends_ns >= day.closes_ns
    is_next_covered = login.next_opens_ns is not None and login.next_opens_ns < login.ends_ns
    begins_ns = day.opens_ns + STEPS[0].minutes * MINUTE_NS
    return is_covered and not is_next_covered and begins_ns <= now_ns < day.closes_ns


def _message(step: str, login: LoginEnd, remedy: str) -> Message:
    body = f"It ends {to_local(login.ends_ns):%a %d %b, %H:%M %Z}, and with it the access token's renewal.\n{remedy}"
    if step == MORNING:
        return Message(Severity.WARNING, CAUSE, "Log in today: the login covers no session after this one", body)
    return Message(AHEAD[step][1], CAUSE, f"The login ends within {step}", body)
