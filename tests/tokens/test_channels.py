"""Alert channels: one that is wrong or deaf never silences the ones beside it, and none shows its secret."""

from typing import Any

import pytest

from harvester.alerts.channels import deliver, parse_channels
from harvester.alerts.message import Message, Severity
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret

MESSAGE = Message(Severity.INFO, "test", "Log in for today's session", "Log in: ./inv token-push")
PASSWORD = "canary-of-a-channel-77120"  # planted


def test_a_mistyped_line_does_not_silence_the_others(far_end: tuple[str, list[Any]]) -> None:
    address, heard = far_end
    lines = ["# people", f"tgramm://{PASSWORD}/12345", "", f"{address}/{PASSWORD}", f"json://127.0.0.1:9/{PASSWORD}"]

    deliveries = deliver(parse_channels(Secret("\n".join(lines))), MESSAGE)

    assert [message["title"] for message in heard] == [MESSAGE.title]
    assert [(delivery.channel, bool(delivery.problem)) for delivery in deliveries] == [
        ("tgramm", True),
        ("json", False),
        ("json", True),
    ]
    assert "alert channel 1 is no address that apprise knows" in deliveries[0].problem
    assert PASSWORD not in repr(deliveries)


@pytest.mark.parametrize("line", [PASSWORD, "canarypassword77x", "123456:AAcanary77", "tgram:/AAcanary77"])
def test_a_secret_without_its_address_is_not_taken_for_a_kind(line: str) -> None:
    [delivery] = deliver(parse_channels(Secret(line)), MESSAGE)

    assert delivery.channel == "unknown"
    assert "canary" not in repr(delivery)


def test_no_line_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no alert channel"):
        parse_channels(Secret("# nobody\n\n"))
