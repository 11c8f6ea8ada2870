"""notify-test in AWS, and what configure asks the account of its disks: answers of the services, as they are."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from harvester.base.aws_names import Names
from harvester.base.errors import HarvesterError
from runbook.aws import channels_test, configure

KEY = "arn:aws:kms:ap-south-1:123456789012:key/0f0e0d0c-0000-4000-8000-000000000000"


def environment(answer: Any, deployed: tuple[str, ...] = (), **more: Any) -> tuple[Any, list[Any]]:
    """An environment whose functions answer so, and what they were asked."""
    asked: list[Any] = []

    def invoke(**given: Any) -> dict[str, Any]:
        asked.append((given["FunctionName"], json.loads(given["Payload"])))
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **more}

    account = SimpleNamespace(client=lambda _: SimpleNamespace(invoke=invoke))
    variables = {"aws_functions_deployed": list(deployed), "broker_account": ""}
    return SimpleNamespace(names=Names("test"), account=account, variables=variables), asked


def test_each_channel_of_the_functions_is_named_with_how_it_took_the_message() -> None:
    here, asked = environment({"test": [["sns", ""], ["tgram", ""]]})

    assert channels_test.send(here) == ["functions: sns: sent", "functions: tgram: sent"]
    assert asked == [("alpha-harvester-test-reminder", {"test": True})]


def test_a_channel_that_refuses_is_an_error_that_says_what_to_do() -> None:
    here, _ = environment({"test": [["sns", ""], ["tgram", "it did not take the message: chat not found"]]})

    with pytest.raises(HarvesterError, match=r"sns: sent; functions: tgram: .*chat not found.*secret-put"):
        channels_test.send(here)


@pytest.mark.parametrize(
    ("answer", "more"), [({"errorMessage": "no TOPIC"}, {"FunctionError": "Unhandled"}), ({"sent": []}, {})]
)
def test_a_function_that_fails_or_is_older_than_the_test_is_an_error(answer: Any, more: dict[str, str]) -> None:
    here, _ = environment(answer, **more)

    with pytest.raises(HarvesterError, match=r"reminder did not send a test message.*log group is /aws/lambda"):
        channels_test.send(here)


def test_without_the_function_that_tells_people_nothing_is_sent() -> None:
    here, asked = environment({}, deployed=("dead-man",))

    assert (channels_test.send(here), asked) == ([], [])


@pytest.mark.parametrize(
    ("found", "expected"),
    [("alias/aws/ebs", ""), ("arn:aws:kms:ap-south-1:123456789012:alias/aws/ebs", ""), (KEY, KEY)],
)
def test_the_accounts_own_key_of_disks_is_asked_for(found: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2 = SimpleNamespace(get_ebs_default_kms_key_id=lambda: {"KmsKeyId": found})
    monkeypatch.setattr(configure, "Account", lambda **_: SimpleNamespace(client=lambda _: ec2))

    assert configure.disk_key_of({"region": "ap-south-1", "profile": ""}) == expected
