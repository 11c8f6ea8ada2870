"""What Schwab's answers mean when they are no data (developer portal, market data errors)."""

from typing import Any

from harvester.base.redaction import one_line
from harvester.brokers.numbers import parse_object
from harvester.ledger.outage import Outage


def judge_failure(status: int, answer: dict[str, Any] | None) -> Outage | None:
    """Why an answer is none; None where its status does not speak against it."""
    if status == 200:
        return None
    text = f"HTTP {status}: {say_error(answer or {})}"
    if status == 429:
        return Outage("rate_limited", text)
    if status == 401:
        return Outage("token_refused", text)
    if status == 403:
        return Outage("refused", text)
    return Outage("server_error" if status >= 500 else "bad_response", text)


def say_error(answer: dict[str, Any]) -> str:
    """What the broker says, as one printable line."""
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    said = first.get("detail") or first.get("title") or answer.get("error_description") or answer.get("message")
    return one_line(str(said or "no message"), 120)


def judge_preference(status: int, body: bytes) -> Outage | None:
    """None when an answer of userPreference proves the token that asked; else why it does not."""
    answer = parse_object(body)
    if failure := judge_failure(status, answer):
        return failure
    is_proven = answer is not None and isinstance(answer.get("streamerInfo"), list)
    return None if is_proven else Outage("bad_response", f"HTTP {status} without streamerInfo ({len(body)} bytes)")
