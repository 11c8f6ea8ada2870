"""Channels to people: whatever apprise knows (Telegram, e-mail, Slack, ...), and an SNS topic where a function runs.

An apprise address holds the channel's secret, so addresses are kept like secrets and only their kind is ever shown.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from harvester.alerts.message import Message, Severity
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret, redact, register_secret, register_text

SUBJECT_LIMIT = 100
"""SNS cuts subjects there, and refuses what is not plain ASCII."""
KIND = re.compile(r"([A-Za-z][A-Za-z0-9]{1,19})://")
SECRET_PART = re.compile(r"[^/:@?&=#\s]{8,}")
KINDS = {Severity.CLEAR: "success", Severity.NOTICE: "info", Severity.WARNING: "warning"}


class SendResult(NamedTuple):
    """How one channel took a message: its kind, such as tgram, and what went wrong (empty: nothing)."""

    channel: str
    problem: str


class Channel(Protocol):
    """Something that brings a message to people."""

    kind: str

    def send(self, message: Message) -> str:
        """Empty when it was taken, else what went wrong; never a secret."""
        ...


class AppriseChannel:
    """One address as https://github.com/caronc/apprise/wiki lists them. A wrong one reports that with each message.

    It raises nothing: a mistyped line must not silence the channels beside it.
    """

    def __init__(self, address: Secret, number: int) -> None:
        import apprise

        text = address.get_secret_value()
        scheme = KIND.match(text)
        self.kind = scheme[1] if scheme else "unknown"  # the line may be a bare password
        self._number = number
        self._service: Any = apprise.Apprise()
        self._known = bool(self._service.add(text))

    def send(self, message: Message) -> str:
        if not self._known:
            return (
                f"alert channel {self._number} is no address that apprise knows. Correct that line;"
                " https://github.com/caronc/apprise/wiki has the form of each"
            )
        try:
            sent = self._service.notify(
                body=message.body,
                title=message.title,
                notify_type=KINDS.get(message.severity, "failure"),
                body_format="text",
            )
        except Exception as error:  # a plugin may raise what it likes; the other channels must still be tried
            return redact(f"{type(error).__name__}: {error}")[:200]
        return "" if sent else "it did not take the message"


class SnsChannel:
    """A topic of SNS, which brings it to e-mail and telephones."""

    kind = "sns"

    def __init__(self, topic: str, client: Callable[[], Any] | None = None) -> None:
        self._topic = topic
        self._client = client or _sns

    def send(self, message: Message) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        subject = message.title.encode("ascii", "replace").decode()[:SUBJECT_LIMIT]
        try:
            self._client().publish(TopicArn=self._topic, Subject=subject, Message=f"{message.title}\n\n{message.body}")
        except (BotoCoreError, ClientError) as error:
            return redact(str(error))[:200]
        return ""


def parse_channels(value: Secret) -> list[Channel]:
    """One apprise address a line; empty lines and those that begin with # are skipped.

    Raises ConfigError when there is none.
    """
    lines = [line.strip() for line in value.get_secret_value().splitlines()]
    addresses = [line for line in lines if line and not line.startswith("#")]
    for address in addresses:
        register_secret(Secret(address))
        for part in SECRET_PART.findall(address):
            register_text(part)
    if not addresses:
        raise ConfigError("There is no alert channel. Write one apprise address a line.")
    return [AppriseChannel(Secret(address), number) for number, address in enumerate(addresses, 1)]


def deliver(channels: Sequence[Channel], message: Message) -> list[SendResult]:
    """Send through every channel; one that fails does not stop the others."""
    return [SendResult(channel.kind, channel.send(message)) for channel in channels]


def _sns() -> Any:
    from harvester.tokens.aws_stores import open_client

    return open_client("sns", None)
