"""reminder: asks for a login while today's session lacks a valid token. Called every five minutes.

With {"test": true} it sends a test message to every channel instead: `./inv notify-test`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from market import session_at

from harvester.alerts.channels import deliver
from harvester.alerts.message import Message, Severity
from harvester.alerts.reminders import SessionHours, TokenState, judge_token
from harvester.alerts.round import look
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.redaction import redact
from harvester.page.function import channels, remedy, store
from harvester.tokens.expiry import expires_at_ns
from harvester.tokens.stores import StoreError

TEST = Message(Severity.INFO, "test", "Test of the alert channels", "The functions can reach you. Nothing is wrong.")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """{"sent": causes}, or of a test {"test": [[channel, problem]]}. `event["now"]`: the schedule's time, or a test's.

    Raises HarvesterError when nobody was reached.
    """
    if event.get("test"):
        return {"test": [list(delivery) for delivery in deliver(channels(), TEST)]}
    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    now_ns, session = _ns(now), session_at(now)
    day = SessionHours(_ns(session[0]), _ns(session[1])) if session else None
    done = look(now_ns, day, _state(day, now_ns), memory=store("reminder_state"), channels=channels, remedy=remedy)
    for delivery in done.deliveries:
        print(redact(f"{delivery.channel}: {delivery.problem or 'sent'}"))
    if done.trouble:
        print(redact(done.trouble))
    if done.reached_nobody:
        raise HarvesterError("no channel took the message")
    return {"sent": [message.cause for message in done.messages]}


def _state(day: SessionHours | None, now_ns: int) -> TokenState:
    try:
        stored = store("access_token").read()
    except StoreError as error:
        return TokenState("store_down", f"the token's store cannot be asked ({redact(str(error))[:200]})")
    return judge_token(expires_at_ns(stored.value) if stored else None, day, now_ns)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS_PER_SECOND
