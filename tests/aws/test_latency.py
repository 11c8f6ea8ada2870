"""The stand-in as slow as AWS: what is called is known in every protocol, a wait noted once, what is new refused."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.iam.models import IAMBackend
from tests.aws.account import Cloud

from lab.aws import delays, latency
from lab.aws.delays import LATENCIES, Waits, operation
from lab.aws.latency import SLOW_CALLS, STATES, of_call
from lab.aws.server import REGION

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def request(service: str, method: str = "POST", path: str = "/", body: bytes = b"", **headers: str) -> dict[str, Any]:
    scope = f"AWS4-HMAC-SHA256 Credential=testing/20261129/ap-south-1/{service}/aws4_request, SignedHeaders=host"
    return {
        "HTTP_AUTHORIZATION": scope,
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
        **headers,
    }


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        (
            request("ec2", body=b"Action=RunInstances&MinCount=1", CONTENT_TYPE="application/x-www-form-urlencoded"),
            ("ec2", "RunInstances", 30),
        ),
        (request("ssm", HTTP_X_AMZ_TARGET="AmazonSSM.GetParameter"), ("ssm", "GetParameter", 0)),
        (request("monitoring", path="/service/G/operation/PutMetricAlarm"), ("monitoring", "PutMetricAlarm", 0)),
        (request("lambda", path="/2015-03-31/functions", body=b"zip"), ("lambda", "POST /functions", 3)),
        (request("lambda", "GET", "/2015-03-31/functions/x/policy"), ("lambda", "GET /policy", 0)),
    ],
    ids=["form", "target", "cbor", "create", "path"],
)
def test_a_call_is_known_by_service_action_and_size(environ: dict[str, Any], found: tuple[str, str, int]) -> None:
    body = environ["wsgi.input"].getvalue()

    assert operation(environ) == found
    assert environ["wsgi.input"].read() == body, "the application reads it, too"


def test_a_call_takes_its_way_its_body_and_its_work() -> None:
    near = of_call("ec2", "DescribeInstances", new_connection=False, body_bytes=0)

    assert near == pytest.approx(latency.REGION_RTT + latency.SERVES)
    assert of_call("iam", "GetRole", new_connection=True, body_bytes=0) == pytest.approx(
        3 * latency.FAR_RTT + latency.SERVES
    )
    assert of_call("lambda", "GET /x", new_connection=False, body_bytes=2_500_000) == pytest.approx(near + 1)
    slow = of_call("ec2", "RunInstances", new_connection=False, body_bytes=0)
    assert slow == pytest.approx(latency.REGION_RTT + SLOW_CALLS["ec2", "RunInstances"].seconds)


def test_each_latency_has_its_source() -> None:
    sources = [one.source for one in (*SLOW_CALLS.values(), *STATES.values())]

    assert all(
        "http" in source or "github.com" in source or "estimate" in source or ".net" in source for source in sources
    )


def test_a_wait_is_noted_once_from_when_somebody_asks(tmp_path: Path) -> None:
    waits = Waits(tmp_path / "waits.jsonl")
    due = waits.begin("role", "mine", after=3600)

    assert [waits.has_come("role", "mine"), waits.is_over("role", "mine"), waits.is_over("role", "mine")] == [False] * 3
    assert waits.is_over("role", "another one's")
    [noted] = (tmp_path / "waits.jsonl").read_text("utf-8").splitlines()
    assert json.loads(noted)["what"] == STATES["role"].what
    assert json.loads(noted)["to"] == due > json.loads(noted)["from"]


def test_what_is_new_is_not_usable_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, and for an hour: no slow machine outlasts that."""
    for state in ("role", "active"):
        monkeypatch.setitem(STATES, state, replace(STATES[state], seconds=3600))
    for owner, name in ((IAMBackend, "create_role"), (IAMBackend, "add_role_to_instance_profile"),
                        (LambdaBackend, "create_function"), (LambdaFunction, "get_configuration")):  # fmt: skip
        monkeypatch.setattr(owner, name, getattr(owner, name))  # and back to it afterwards
    waits = Waits(tmp_path / "waits.jsonl")
    delays.let_roles_spread(waits)
    delays.let_functions_settle(waits)

    with mock_aws():
        keys = {"region_name": REGION, "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        iam, functions = boto3.client("iam", **keys), boto3.client("lambda", **keys)
        role = iam.create_role(RoleName="new", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        wanted = {"FunctionName": "f", "Runtime": "python3.12", "Handler": "f.f", "Role": role}
        wanted["Code"] = {"ZipFile": archive()}
        with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
            functions.create_function(**wanted)
        waits.begin("role", "new", after=-7200)
        functions.create_function(**wanted)
        assert functions.get_function(FunctionName="f")["Configuration"]["State"] == "Pending"
        waits.begin("active", "f", after=-7200)
        assert functions.get_function(FunctionName="f")["Configuration"]["State"] == "Active"

    noted = [json.loads(line)["what"] for line in (tmp_path / "waits.jsonl").read_text("utf-8").splitlines()]
    assert noted == [STATES["role"].what, STATES["active"].what]


def test_a_call_to_a_slow_server_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = tmp_path / "waits.jsonl"
    monkeypatch.setenv(LATENCIES, str(notes))
    cloud = Cloud(tmp_path)
    try:
        cloud.client("iam").list_roles()
    finally:
        cloud.close()

    [noted] = [json.loads(line) for line in notes.read_text("utf-8").splitlines()]
    assert noted["what"] == "call iam ListRoles"
    assert noted["to"] - noted["from"] >= 3 * latency.FAR_RTT


def archive() -> bytes:
    with (held := BytesIO()), ZipFile(held, "w") as file:
        file.writestr("f.py", "")
        file.close()
        return held.getvalue()
