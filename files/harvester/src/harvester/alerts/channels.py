"""Channels to people: what apprise knows (Telegram, e-mail, Slack, ...), this desktop, and a topic of SNS in AWS.

An apprise address holds the channel's secret, so addresses are kept like secrets and only their kind is ever shown.
"""

import hashlib
import re
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any, NamedTuple, Protocol

from harvester.alerts.message import Message, Severity
from harvester.alerts.refusal import listening, words_of
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret, one_line, redact, register_secret, register_text

SUBJECT_LIMIT = 100
"""SNS cuts subjects there, and refuses what is not plain ASCII."""
KIND = re.compile(r"([A-Za-z][A-Za-z0-9]{1,19})://")
SECRET_PART = re.compile(r"[^/:@?&=#\s]{8,}")
KINDS = {Severity.CLEAR: "success", Severity.INFO: "info", Severity.WARNING: "warning"}
DESKTOP = "desktop://"
URGENCY = {Severity.CRITICAL: "critical", Severity.WARNING: "normal"}
PORTS = {"irc": 6667, "ircs": 6697}
"""Of services that apprise reaches at a port that it does not show; most others are HTTPS."""


class SendResult(NamedTuple):
    """How one channel took a message: its kind, such as tgram, and what went wrong (empty: nothing)."""

    channel: str
    problem: str


class Sender(Protocol):
    """Something that brings a message to people."""

    kind: str

    def send(self, message: Message) -> str:
        """Empty when it was taken, else what went wrong; never a secret."""
        ...


class Channel(Sender, Protocol):
    """A sender that a person configured; `name` tells it from the others without its secret, `ports` are TCP's."""

    name: str
    ports: Sequence[int]


class AppriseChannel:
    """One address as https://github.com/caronc/apprise/wiki lists them. A wrong one reports that with each message.

    It raises nothing: a mistyped line must not silence the channels beside it.
    """

    def __init__(self, address: Secret, number: int) -> None:
        import apprise

        text = address.get_secret_value()
        scheme = KIND.match(text)
        self.kind = scheme[1] if scheme else "unknown"  # the line may be a bare password
        self.name = _name(text)
        self._number = number
        self._service: Any = apprise.Apprise()
        self._known = bool(self._service.add(text))
        self.ports: Sequence[int] = [service.port or PORTS.get(self.kind, 443) for service in self._service]

    def send(self, message: Message) -> str:
        if not self._known:
            return (
                f"alert channel {self._number} is no address that apprise knows. Correct that line;"
                " https://github.com/caronc/apprise/wiki has the form of each"
            )
        with listening() as said:
            try:
                sent = self._service.notify(
                    body=message.body,
                    title=message.title,
                    notify_type=KINDS.get(message.severity, "failure"),
                    body_format="text",
                )
            except Exception as error:  # a plugin may raise what it likes; the other channels must still be tried
                return redact(f"{type(error).__name__}: {error}")[:200]
        return "" if sent else f"it did not take the message: {words_of(said)}"


class DesktopChannel:
    """The desktop of whoever runs this, by notify-send."""

    def __init__(self) -> None:
        self.kind, self.name = "desktop", DESKTOP
        self.ports: Sequence[int] = ()

    def send(self, message: Message) -> str:
        # A body may hold markup (Desktop Notifications Specification 1.2), so what looks like it is escaped.
        urgency = f"--urgency={URGENCY.get(message.severity, 'low')}"
        body = escape(message.body, quote=False)
        command = ["notify-send", "--app-name=Alpha Harvester", urgency, "--", message.title, body]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)
        except FileNotFoundError:
            return "notify-send is not installed: apt-get install libnotify-bin"
        except subprocess.TimeoutExpired:
            return "notify-send did not end within 15 s"
        return one_line(f"notify-send: {done.stderr or done.returncode}") if done.returncode else ""


class SnsChannel:
    """A topic of SNS, which brings it to e-mail and telephones."""

    kind = "sns"
    ports: Sequence[int] = ()

    def __init__(self, topic: str, client: Callable[[], Any] | None = None, *, region: str | None = None) -> None:
        self.name = _name(topic)
        self._topic = topic
        self._client = client or partial(_sns, region)

    def send(self, message: Message) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        subject = message.title.encode("ascii", "replace").decode()[:SUBJECT_LIMIT]
        try:
            self._client().publish(TopicArn=self._topic, Subject=subject, Message=f"{message.title}\n\n{message.body}")
        except (BotoCoreError, ClientError) as error:
            return redact(str(error))[:200]
        return ""


def parse_channels(value: Secret) -> list[Channel]:
    """One apprise address a line; empty lines and those that begin with # are skipped. desktop:// is this desktop.

    Raises ConfigError when there is none.
    """
    addresses = _addresses(value)
    for address in addresses:
        if address != DESKTOP:
            register_secret(Secret(address))
            for part in SECRET_PART.findall(address):
                register_text(part)
    if not addresses:
        raise ConfigError("There is no alert channel. Write one apprise address a line.")
    return [
        DesktopChannel() if address == DESKTOP else AppriseChannel(Secret(address), number)
        for number, address in enumerate(addresses, 1)
    ]


def names_of(value: Secret) -> list[str]:
    """The names of the channels of a stored text, without what it takes to send."""
    return [DESKTOP if address == DESKTOP else _name(address) for address in _addresses(value)]


def _addresses(value: Secret) -> list[str]:
    lines = [line.strip() for line in value.get_secret_value().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def deliver(channels: Sequence[Sender], message: Message) -> list[SendResult]:
    """Send through every channel; one that fails does not stop the others."""
    return [SendResult(channel.kind, channel.send(message)) for channel in channels]


def _name(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:12]


def _sns(region: str | None) -> Any:
    from harvester.tokens.aws_stores import open_client

    return open_client("sns", region)
