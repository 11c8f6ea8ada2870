"""What people are told of the automatic refresh: that it ended, that it was refused, that its token nears its end."""

from harvester.alerts.message import Message, Severity
from harvester.tokens.renewal import RenewalOutcome

ENDED = {
    "gone": "The broker no longer refreshes tokens: log in each day from now on",
    "refused": "The token was not refreshed: log in for today",
}


def message_of(outcome: RenewalOutcome, remedy: str) -> Message | None:
    """The message for a try; None when it was sent before, and when a later try may succeed."""
    if outcome.kind in ENDED and outcome.new:
        title = ENDED[outcome.kind]
        return Message(Severity.WARNING, f"refresh_{outcome.kind}", title, f"{outcome.detail}\n{remedy}")
    if outcome.days is not None:
        left = "1 day" if outcome.days == 1 else f"{outcome.days} days"
        title = f"The refresh token ends within {left}"
        return Message(Severity.INFO, "refresh_days", title, f"A login before then stores a new one.\n{remedy}")
    return None
