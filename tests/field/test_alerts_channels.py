"""Channels as they are: a mail server that wants a login, services that refuse in their own words, a desktop."""

import json
import logging
import os
import stat
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from apprise.plugins.telegram import NotifyTelegram
from tests.field.alerting import CLEAR, CRITICAL, INFO, WARNING, mail_server, service

from harvester.alerts import host
from harvester.alerts.channels import AppriseChannel, DesktopChannel, SnsChannel, deliver, parse_channels
from harvester.alerts.host import find_channels, open_channels
from harvester.alerts.message import Message, Severity
from harvester.alerts.ports import ports_of, write_ports
from harvester.alerts.refusal import listening, words_of
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret
from harvester.config.alerting import AlertSettings
from harvester.tokens.stores import DeniedError, StoredToken, StoreError

WILD = Message(
    CRITICAL,
    "crash",
    "h1: KeyError: <b>depth</b> & 'x'",
    "Traceback: <module> in *x* _y_ [a](b) \"'\nWhat to do: <i>look</i>",
)
BOT = "tgram://123456789:ABCdefghijklmnopqrstuvwxyz012345678/12345"
PASSWORD = "canary-of-a-mailbox"


def channels(*addresses: str) -> list[Any]:
    return parse_channels(Secret("\n".join(addresses)))


def mail_address(port: int, password: str = PASSWORD) -> str:
    return f"mailto://me:{password}@127.0.0.1:{port}?from=me@example.com&to=you@example.com&mode=insecure"


def test_a_mail_arrives_as_it_was_written() -> None:
    with mail_server(password=PASSWORD) as box:
        [channel] = channels(mail_address(box.port))
        assert channel.send(WILD) == ""
        assert channel.ports == [box.port] and channel.kind == "mailto"

    [mail] = box.mails
    found = message_from_bytes(mail.content, policy=default)
    assert mail.rcpt_tos == ["you@example.com"]
    assert found["subject"] == WILD.title
    part = found.get_body(("plain", "html"))
    assert part is not None
    text = part.get_content()
    shown = text if part.get_content_type() == "text/plain" else text.replace("&lt;", "<").replace("&amp;", "&")
    assert "Traceback: <module> in *x* _y_ [a](b)" in shown and "What to do: <i>look</i>" in shown


def test_a_mail_server_that_refuses_says_why_and_keeps_the_password() -> None:
    with mail_server(password="another") as box:
        [result] = deliver(channels(mail_address(box.port)), WILD)
    assert "535" in result.problem and "Authentication" in result.problem
    assert PASSWORD not in result.problem and result.channel == "mailto"

    with mail_server(password=PASSWORD) as box:
        box.refusal = "550 5.1.1 <you@example.com> no such user here"
        [result] = deliver(channels(mail_address(box.port)), WILD)
    assert "no such user here" in result.problem


def test_what_looks_like_markup_arrives_as_text_at_telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    with service() as api:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://{api.address}/bot")
        assert channels(BOT)[0].send(WILD) == ""

    [heard] = api.heard
    text = heard["text"].replace("<b>", "", 1).replace("</b>", "", 1) if heard["parse_mode"] == "HTML" else ""
    assert "KeyError: &lt;b&gt;depth&lt;/b&gt; &amp; 'x'" in text
    assert "Traceback: &lt;module&gt; in *x* _y_ [a](b)" in text and "<" not in text


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        # Bot API, "Making requests": ok, error_code, description.
        (401, {"ok": False, "error_code": 401, "description": "Unauthorized"}, "Unauthorized"),
        (400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}, "chat not found"),
        (
            429,
            {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 8", "parameters": {}},
            "Too Many Requests: retry after 8",
        ),
        (403, {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}, "blocked"),
    ],
)
def test_telegram_refuses_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, status: int, answer: dict[str, Any], words: str
) -> None:
    with service() as api:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://{api.address}/bot")
        api.status, api.body = status, json.dumps(answer).encode()
        problem = channels(BOT)[0].send(WILD)

    assert problem.startswith("it did not take the message: ") and words in problem
    assert "ABCdefghij" not in problem and problem.count(words) == 1


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        # Discord, "Error Messages": code, message. https://discord.com/developers/docs/reference
        (404, b'{"message": "Unknown Webhook", "code": 10015}', "Unknown Webhook"),
        # Slack, "Handling errors" of incoming webhooks: plain text.
        (404, b"no_service", "no_service"),
        (200 + 210, b'{"ok": false, "error": "channel_is_archived"}', "channel_is_archived"),
        # Pushover: errors, a list.
        (
            400,
            b'{"user": "invalid", "errors": ["user identifier is invalid"], "status": 0}',
            "user identifier is invalid",
        ),
        # Microsoft Graph: error.message.
        (401, b'{"error": {"code": "InvalidAuthenticationToken", "message": "Lifetime is over"}}', "Lifetime is over"),
        (403, b"<html><head><title>403</title></head><body><h1>Request blocked</h1></body></html>", "Request blocked"),
        (500, b"", "error=500"),
        (500, b'{"nothing": 1}', "nothing"),
    ],
)
def test_a_service_of_the_web_refuses_in_its_own_words(status: int, body: bytes, words: str) -> None:
    with service() as api:
        api.status, api.body = status, body
        [result] = deliver(channels(f"json://{api.address}/{PASSWORD}"), WILD)

    assert words in result.problem and f"error={status}" in result.problem
    assert "<" not in result.problem and PASSWORD not in result.problem and "\n" not in result.problem
    assert len(result.problem) < 450


def test_a_network_that_is_down_says_so() -> None:
    [result] = deliver(channels("json://127.0.0.1:9/x"), WILD)

    assert "Connection refused" in result.problem


def test_severities_are_told_to_the_service() -> None:
    with service() as api:
        [channel] = channels(f"json://{api.address}")
        for severity in Severity:
            channel.send(WILD._replace(severity=severity))

    assert [heard["type"] for heard in api.heard] == ["success", "info", "warning", "failure"]
    assert api.heard[0]["title"] == WILD.title and api.heard[0]["message"] == WILD.body


def test_a_plugin_that_raises_is_one_channel_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    [channel] = channels(f"json://127.0.0.1:9/{PASSWORD}")

    def crash(*_: Any, **__: Any) -> bool:
        raise RuntimeError(f"half-way with {PASSWORD} " + "x" * 300)

    monkeypatch.setattr(channel._service, "notify", crash)

    problem = channel.send(WILD)

    assert problem.startswith("RuntimeError: half-way with [redacted] xxx") and len(problem) == 200


def test_words_of_the_library_come_once_and_nothing_is_left_of_the_listening() -> None:
    logger = logging.getLogger("apprise")
    before = (logger.level, logger.propagate, list(logger.handlers))
    with listening() as said:
        logger.debug("Loaded URL json://secret")
        logger.warning("it was refused")
        logger.debug("Response Details:\r\nb'it was refused'")
        logger.error("and that is all")
        assert not logger.propagate

    assert (logger.level, logger.propagate, list(logger.handlers)) == before
    assert words_of(said) == "it was refused; and that is all"
    assert words_of([]) == words_of([(logging.DEBUG, "POST URL")]) == "it gave no reason"
    assert words_of([(10, "Socket Exception: [Errno 113] No route to host")]) == "[Errno 113] No route to host"
    assert words_of([(10, 'Response Details:\r\n"text"')]) == "text"
    assert words_of([(10, "Response Details:\r\nb'unfinished")]) == "b'unfinished"
    assert len(words_of([(30, "y" * 900)])) == 400


def test_a_line_that_was_corrected_has_another_name_and_no_name_shows_the_secret() -> None:
    first, second, third = channels(f"json://127.0.0.1/{PASSWORD}", f"json://127.0.0.1/{PASSWORD}2", "desktop://")

    assert first.name != second.name and PASSWORD not in first.name + second.name
    assert first.name == channels(f"json://127.0.0.1/{PASSWORD}")[0].name and len(first.name) == 12
    assert (third.kind, third.name, third.ports) == ("desktop", "desktop://", ())


@pytest.mark.parametrize(
    ("address", "ports"),
    [
        ("mailto://user:password@gmail.com", [587]),
        ("mailtos://user:password@example.com", [587]),
        ("mailtos://user:password@example.com?mode=ssl", [465]),
        ("mailto://user:password@example.com?mode=insecure", [25]),
        ("mailtos://user:password@example.com:2525", [2525]),
        ("json://example.com:8080/x", [8080]),
        ("irc://example.com/#room", [6667]),
        ("ircs://example.com/#room", [6697]),
        (BOT, []),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#room", []),
        ("nonsense://example.com", []),
        ("desktop://", []),
    ],
)
def test_the_ports_that_a_channel_needs(tmp_path: Path, address: str, ports: list[int]) -> None:
    assert ports_of(channels(address)) == ports
    write_ports(tmp_path / "ports", channels(address))
    assert (tmp_path / "ports").read_text() == "".join(f"{port}\n" for port in ports)
    assert oct((tmp_path / "ports").stat().st_mode & 0o777) == "0o644"


def test_ports_of_several_channels_are_named_once_and_in_order() -> None:
    found = channels("json://a:2525", "mailto://u:p@gmail.com", "json://b:2525", "json://c:80", "desktop://")

    assert ports_of(found) == [587, 2525]


@pytest.fixture
def notify_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notify-send that writes down its arguments, and fails where `fail` lies beside it."""
    program = tmp_path / "notify-send"
    program.write_text(
        '#!/bin/sh\ncd "${0%/*}"\n[ ! -e fail ] || { echo "cannot reach the bus" >&2; exit 1; }\n'
        'for each; do printf "%s\\0" "$each"; done >said\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(
    ("severity", "urgency"), [(CRITICAL, "critical"), (WARNING, "normal"), (INFO, "low"), (CLEAR, "low")]
)
def test_a_message_comes_up_on_the_desktop_as_text(notify_send: Path, severity: Severity, urgency: str) -> None:
    assert DesktopChannel().send(WILD._replace(severity=severity, title="--urgent?")) == ""

    said = (notify_send / "said").read_text().split("\0")[:-1]
    assert said == [
        "--app-name=Alpha Harvester",
        f"--urgency={urgency}",
        "--",
        "--urgent?",
        "Traceback: &lt;module&gt; in *x* _y_ [a](b) \"'\nWhat to do: &lt;i&gt;look&lt;/i&gt;",
    ]


def test_a_desktop_that_is_not_there_says_so(notify_send: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (notify_send / "fail").touch()
    assert DesktopChannel().send(WILD) == "notify-send: cannot reach the bus"
    monkeypatch.setenv("PATH", "/nowhere")
    assert DesktopChannel().send(WILD) == "notify-send is not installed: apt-get install libnotify-bin"


class Topic:
    """SNS, as boto3 has it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.said = error, []

    def publish(self, **said: Any) -> None:
        if self.error:
            raise self.error
        self.said.append(said)


def test_sns_gets_a_subject_that_it_takes_and_its_refusal_is_told() -> None:
    from botocore.exceptions import ClientError

    topic = Topic()
    assert SnsChannel("arn:topic", lambda: topic).send(WILD._replace(title="é" + "t" * 200)) == ""
    assert topic.said == [
        {"TopicArn": "arn:topic", "Subject": "?" + "t" * 99, "Message": f"é{'t' * 200}\n\n{WILD.body}"}
    ]

    refusal = ClientError(
        {"Error": {"Code": "AuthorizationError", "Message": "not authorized " + "x" * 300}}, "Publish"
    )
    problem = SnsChannel("arn:topic", lambda: Topic(refusal)).send(WILD)
    assert "not authorized" in problem and len(problem) == 200


def test_an_address_that_is_none_names_its_line_and_raises_nothing() -> None:
    channel = AppriseChannel(Secret("nonsense"), 7)

    assert channel.kind == "unknown" and channel.ports == []
    assert channel.send(WILD).startswith(
        "alert channel 7 is no address that apprise knows. Correct that line; https://"
    )


def test_the_channels_of_a_host_are_where_its_settings_say(tmp_path: Path) -> None:
    settings = AlertSettings(channels=f"file:{tmp_path}/channels")
    with pytest.raises(ConfigError) as refused:
        open_channels(settings)
    assert str(refused.value) == (
        f"{tmp_path}/channels: no alert channel is configured, so nobody is told anything. Write apprise addresses into"
        " a file, one a line, and bring it there: on the host, sudo install -o harvester-alert -g harvester-alert"
        f" -m 600 FILE {tmp_path}/channels"
    )
    (tmp_path / "channels").write_text("# people\njson://127.0.0.1:9\n\n desktop:// \n")

    assert [channel.kind for channel in open_channels(settings)] == ["json", "desktop"]


def test_channels_in_aws_are_asked_of_their_region(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Store:
        def read(self) -> StoredToken:
            return StoredToken(Secret("desktop://"), "1")

    def open_place(*place: Any) -> Store:
        asked.append(place)
        return Store()

    monkeypatch.setattr(host, "open_place", open_place)
    open_channels(AlertSettings(channels="ssm:/p/e/alerts/channels", region="ap-south-1"))

    assert asked == [("ssm:/p/e/alerts/channels", "ap-south-1")]


class Kept:
    """A store with this text, with nothing, or one that refuses."""

    place = "SSM /p/e/alerts/channels"

    def __init__(self, content: str | Exception | None) -> None:
        self.content = content

    def read(self) -> StoredToken | None:
        if isinstance(self.content, Exception):
            raise self.content
        return StoredToken(Secret(self.content), "1") if self.content else None


@pytest.mark.parametrize(
    ("content", "kinds"),
    [("json://127.0.0.1:9\n", ["sns", "json"]), (None, ["sns"]), (DeniedError("you may not read it"), ["sns"])],
    ids=["channels", "none yet", "denied"],
)
def test_a_topic_is_told_whatever_is_stored_as_channels(
    content: Any, kinds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "open_place", lambda *_: Kept(content))
    settings = AlertSettings(channels="ssm:/p/e/alerts/channels", topic=f"arn:aws:sns:ap-south-1:{'1' * 12}:x-alerts")

    opened = open_channels(settings)

    assert [channel.kind for channel in opened] == kinds
    assert [channel.name for channel in opened] == find_channels(settings)
    assert ports_of(opened) == ([9] if "json" in kinds else [])


def test_channels_that_cannot_be_read_now_are_waited_for_also_beside_a_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "open_place", lambda *_: Kept(StoreError("no route")))
    topic = f"arn:aws:sns:ap-south-1:{'1' * 12}:x-alerts"

    with pytest.raises(StoreError, match="no route"):  # or what they did not take yet would count as taken
        open_channels(AlertSettings(channels="ssm:/p/e/alerts/channels", topic=topic))


def test_the_client_of_sns_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    topic, asked = Topic(), []

    def open_client(*names: Any) -> Topic:
        asked.append(names)
        return topic

    monkeypatch.setattr("harvester.tokens.aws_stores.open_client", open_client)

    assert SnsChannel("arn:topic").send(WILD) == ""
    assert asked == [("sns", None)] and len(topic.said) == 1
