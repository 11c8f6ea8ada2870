"""What a recorder's status says is being lost, or will be at the opening, and what people are told of it."""

from typing import Any

from harvester.alerts.message import Message, Severity
from harvester.base.market import to_local

LIFT = "Nothing here lifts it: see which program uses the account besides, poll less, or ask the broker's support."


def other_losses(status: dict[str, Any], now_ns: int, host_id: str) -> list[Message]:
    """A message for each cause: symbols that the broker no longer lists, an account that it has blocked."""
    return [*_lost_symbols(status, host_id), *_blocked(status, now_ns, host_id)]


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
    until = f"{to_local(until_ns):%Y-%m-%d %H:%M %Z}"
    body = f"The broker has blocked the account until {until}; {host_id} gets nothing by polls until then.\n{LIFT}"
    return [Message(Severity.CRITICAL, "account_blocked", f"The broker has blocked the account until {until}", body)]
