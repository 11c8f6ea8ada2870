"""The door whose reports go to a bucket, on moto in this process; its archive is asked in test_door_in_aws.py."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.workers.conftest import MovedClock, report

from harvester.base.redaction import Secret
from harvester.tokens.stores import StoredToken
from harvester.workers.bucket import BucketMailbox
from harvester.workers.door.bucket import open_service
from harvester.workers.door.service import handle
from harvester.workers.mailbox import MailboxError
from harvester.workers.reports import parse_report

TOKEN, INBOX = "a" * 40, "workers/inbox/colab/"


class Tokens:
    """A store in AWS that has one worker's token."""

    place = "ssm:/tokens"

    def read(self) -> StoredToken:
        return StoredToken(Secret(f"colab {TOKEN}"), "v1")


class Door:
    """The handler before a bucket, and what it said."""

    def __init__(self, client: Any) -> None:
        self.said: list[str] = []
        self._service = open_service(client, "bucket", Tokens(), MovedClock(), self.said.append)  # type: ignore[arg-type]

    def ask(self, path: str, body: str = "", token: str = TOKEN, address: str = "203.0.113.7") -> tuple[int, Any]:
        event = {
            "rawPath": path,
            "headers": {"x-api-token": token},
            "requestContext": {"http": {"method": "POST" if body else "GET", "sourceIp": address}},
            "body": body,
        }
        answer = handle(event, self._service)
        return answer["statusCode"], json.loads(answer["body"])


def test_a_report_is_an_object_of_its_worker_and_others_do_not_count_as_waiting(bucket: Any) -> None:
    door = Door(bucket)
    for key in ("workers/inbox/colab-2/x.json", "workers/inbox/kaggle/x.json"):
        bucket.put_object(Bucket="bucket", Key=key, Body=b"{}")
    assert door.ask("/status") == (200, {"status": "ok", "worker": "colab", "waiting": 0})

    assert door.ask("/report_error", json.dumps(report()))[0] == 200

    [row] = bucket.list_objects_v2(Bucket="bucket", Prefix=INBOX)["Contents"]
    kept = bucket.get_object(Bucket="bucket", Key=row["Key"])
    assert json.loads(kept["Body"].read()) == report() and kept["ContentType"] == "application/json"
    assert door.ask("/status")[1]["waiting"] == 1


def test_of_all_addresses_together_six_times_as_many_are_answered(bucket: Any) -> None:
    door = Door(bucket)

    codes = [door.ask("/health", address=f"10.0.1.{number}")[0] for number in range(70)]

    assert codes == [200] * 60 + [429] * 10


def refused(code: str) -> Exception:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "x")


class Failing:
    """A bucket's client whose calls fail; where `lists`, only those that write."""

    def __init__(self, error: Exception, *, lists: bool = False) -> None:
        self._error, self._lists = error, lists

    def list_objects_v2(self, **_: Any) -> dict[str, int]:
        if self._lists:
            return {"KeyCount": 0}
        raise self._error

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise self._error

    get_paginator = get_object = put_object = delete_object = _fail


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (refused("AccessDenied"), "AccessDenied"),
        (EndpointConnectionError(endpoint_url="https://s3"), "EndpointConnectionError"),
    ],
)
def test_why_a_report_is_not_kept_stands_in_the_log_and_the_worker_sends_it_again(error: Exception, why: str) -> None:
    for lists, what in ((False, "the bucket cannot be listed"), (True, "the bucket takes nothing")):
        door = Door(Failing(error, lists=lists))

        assert door.ask("/report_error", json.dumps(report())) == (
            500,
            {"status": "error", "reason": "not kept; send it again"},
        )
        assert f"a report of colab is lost: {what} ({why})" in door.said


@pytest.mark.parametrize("token", ["\ud800" * 40, "\udcff" * 40])
def test_a_token_of_half_a_character_is_nobodys_and_breaks_nothing(bucket: Any, token: str) -> None:
    """JSON has such texts, and the event of a function is JSON."""
    assert Door(bucket).ask("/status", token=token)[0] == 403


def test_what_is_too_large_in_a_bucket_is_named(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put_object(Bucket="bucket", Key="box/a.json", Body=b"abcd")
    monkeypatch.setattr("harvester.workers.mailbox.MAX_BYTES", 3)
    with pytest.raises(MailboxError, match=r"^s3://bucket/box/a\.json: larger than"):
        BucketMailbox(bucket, "bucket", "box").read("a.json")


def test_a_report_of_an_error_type_alone_has_nothing_else() -> None:
    found = parse_report(b'{"error_type": "KeyError"}')
    assert found[1:] == ("", "KeyError", "", "", None, "")


def test_the_right_that_a_mailbox_in_a_bucket_lacks_is_named_for_each_verb() -> None:
    box = BucketMailbox(Failing(refused("AccessDenied")), "bucket", "box")

    for verb, what, right in (
        (box.look, "cannot be looked at", "s3:ListBucket"),
        (lambda: box.read("a"), "a cannot be read", "s3:GetObject"),
        (lambda: box.put("a", b""), "a cannot be written", "s3:PutObject"),
        (lambda: box.clear("a"), "a cannot be removed", "s3:DeleteObject"),
    ):
        with pytest.raises(MailboxError, match=rf"^s3://bucket/box/: {what} \(AccessDenied\)\. .* It needs {right};"):
            verb()
