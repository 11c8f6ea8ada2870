"""What a recorder's status says is being lost, or will be at the opening, and what people are told of it."""

from typing import Any, NamedTuple

from harvester.alerts.message import Message, Severity
from harvester.base.clock import to_ist

LIFT = "Nothing here lifts it: see which program uses the account besides, poll less, or ask the broker's support."


class Told(NamedTuple):
    """What to send, and what to remember once it was sent: by cause the body that was said last."""

    messages: list[Message]
    memory: dict[str, str]


def find_losses(status: dict[str, Any], now_ns: int, host_id: str) -> list[Message]:
    """A message for each cause: symbols that the broker no longer lists, an account that it has blocked."""
    return [*_lost_symbols(status, host_id), *_blocked(status, now_ns, host_id)]


def decide_losses(found: list[Message], memory: dict[str, str]) -> Told:
    """Each loss is told once, again when its words change, and its end once."""
    messages = [message for message in found if memory.get(message.cause) != message.body]
    causes = {message.cause for message in found}
    messages += [_over(cause) for cause in memory if cause not in causes]
    return Told(messages, {message.cause: message.body for message in found})


def _over(cause: str) -> Message:
    return Message(Severity.CLEAR, cause, f"Over: {cause.replace('_', ' ')}", "It is well again.")


def _lost_symbols(status: dict[str, Any], host_id: str) -> list[Message]:
    sentences = status.get("lost_symbols") or {}
    if not sentences:
        return []
    names = ", ".join(list(sentences)[:3]) + (" ..." if len(sentences) > 3 else "")
    body = "\n".join([*(f"{each}." for each in sentences.values()), "Correct symbols in the inventory: ./inv deploy"])
    return [Message(Severity.WARNING, "symbol_lost", f"{host_id} cannot record {names}", body)]


def _blocked(status: dict[str, Any], now_ns: int, host_id: str) -> list[Message]:
    until_ns = status.get("blocked_until_ns")
    if not until_ns or until_ns <= now_ns:
        return []
    until = f"{to_ist(until_ns):%Y-%m-%d %H:%M} India time"
    body = f"The broker has blocked the account until {until}; {host_id} gets nothing by polls until then.\n{LIFT}"
    return [Message(Severity.CRITICAL, "account_blocked", f"The broker has blocked the account until {until}", body)]
