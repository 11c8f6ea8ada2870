"""One run of the reminders: decide, send, remember what was sent."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from harvester.alerts.channels import Sender, SendResult, deliver
from harvester.alerts.login_end import LoginEnd, decide_end
from harvester.alerts.memory import read_memory, write_memory
from harvester.alerts.message import Message
from harvester.alerts.reminders import ReminderMemory, SessionHours, TokenState, decide, is_step
from harvester.tokens.stores import Store, StoreError


class Round(NamedTuple):
    """What was sent, how each channel took it, and trouble with the memory (empty: none)."""

    messages: list[Message]
    deliveries: list[SendResult]
    trouble: str

    @property
    def reached_nobody(self) -> bool:
        """There was something to say, and no channel took it."""
        return bool(self.messages) and not any(not delivery.problem for delivery in self.deliveries)


def look(
    now_ns: int,
    day: SessionHours | None,
    state: TokenState,
    *,
    memory: Store,
    channels: Callable[[], Sequence[Sender]],
    remedy: Callable[[], str],
    login: LoginEnd | None = None,
) -> Round:
    """Send what is due. What no channel took is not remembered, so that the next run tries again.

    `login`: its end, where it is a login that renews the token. While the memory cannot be read, messages are sent only
    within five minutes of a step: each is sent then, and none every five minutes; of the login's end nothing is said.
    What could not be read is not written over: it would count as said what nobody was told.
    Raises ConfigError when there is something to say and no channel for it.
    """
    trouble = ""
    try:
        known = read_memory(memory)
    except StoreError as error:
        known, trouble = ReminderMemory.none(), str(error)
    messages, after = decide(now_ns, day, state, known, remedy)
    if trouble and not (day and is_step(now_ns, day)):
        messages = []
    if login and not trouble:
        of_login, after = decide_end(now_ns, day, login, after, remedy)
        is_asked = messages and state.cause == "token_too_short"
        messages += [] if is_asked else of_login  # the day's own message says as much
    ready = channels() if messages else []
    deliveries = [delivery for message in messages for delivery in deliver(ready, message)]
    done = Round(messages, deliveries, trouble)
    if after != known and not trouble and not done.reached_nobody:
        try:
            write_memory(memory, after)
        except StoreError as error:
            done = done._replace(trouble=str(error))
    return done
