"""reminder: asks for a login while today's session lacks a valid token. Called every five minutes.

With {"test": true} it sends a test message to every channel instead: `./inv notify-test`.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from market import opening_after, session_at, zone

from harvester.alerts.channels import deliver
from harvester.alerts.login_end import LoginEnd, judge_login
from harvester.alerts.message import Message, Severity
from harvester.alerts.reminders import SessionHours, TokenState, judge_token
from harvester.alerts.round import look
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import enter
from harvester.base.redaction import redact
from harvester.page.function import channels, remedy, store
from harvester.tokens.claims import TokenError
from harvester.tokens.expiry import expires_at_ns
from harvester.tokens.places import open_place
from harvester.tokens.schwab_file import login_end
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
    login = None
    if os.environ.get("LOGIN"):
        enter("us", zone())
        state, login = _login(day, now)
    else:
        state = _state(day, now_ns)
    done = look(now_ns, day, state, memory=store("reminder_state"), channels=channels, remedy=remedy, login=login)
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


def _login(day: SessionHours | None, now: datetime) -> tuple[TokenState, LoginEnd | None]:
    """How Schwab's login stands, of which LOGIN names the store: a host's agent renews the access token by it."""
    try:
        stored = open_place(os.environ["LOGIN"]).read()
        ends_ns = login_end(stored.value) if stored else None
    except StoreError as error:
        return TokenState("store_down", f"the login's store cannot be asked ({redact(str(error))[:200]})"), None
    except TokenError as error:
        return TokenState("no_token", redact(str(error))), None
    if ends_ns is None:
        return TokenState("no_token", "no login is stored"), None
    opens = opening_after(now)
    return judge_login(ends_ns, day, _ns(now)), LoginEnd(ends_ns, _ns(opens) if opens else None)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS_PER_SECOND
