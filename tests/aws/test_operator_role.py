"""The operator's role is enough for the operator's commands: each call that they make is judged by its policy."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from tests.aws.account import NAMES, ROOT, Cloud, as_account
from tests.aws.rendering import render

from harvester.base.redaction import Secret
from harvester.tokens.places import open_place
from harvester.tokens.stores import DeniedError
from lab.aws.policies import Call, Decision, evaluate
from lab.aws.server import ACCOUNT, REGION
from runbook.aws import athena, environment
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.tokens import credentials, token_refresh

SSM, GLUE = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter", f"arn:aws:glue:{REGION}:{ACCOUNT}"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
ANYBODY = {"sts:GetCallerIdentity"}
RESERVED = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com"
REMEMBERED = NAMES.parameter("refresh_state")
VALUE = "not-to-be-shown"


def judged_by(action: str, asked: dict[str, Any]) -> list[Call]:
    """What AWS judges a call by; every one of them must be allowed."""
    service, _, operation = action.partition(":")
    if action == "s3:ListObjectsV2":
        return [Call("s3:ListBucket", f"arn:aws:s3:::{asked['Bucket']}", {"s3:prefix": asked["Prefix"]})]
    if service == "secretsmanager":
        return [Call(action, f"{SECRET}{asked.get('SecretId') or asked['Name']}-AbCdEf")]
    if service == "ssm":
        return [Call(action, f"{SSM}{asked['Name']}" if "Name" in asked else "*")]
    if service == "lambda":
        return [Call(action, f"{FUNCTION}{asked['FunctionName']}" if "FunctionName" in asked else "*")]
    if arn := asked.get("ResourceArn") or asked.get("TopicArn"):
        return [Call(action, arn)]
    database = asked.get("DatabaseName") or asked.get("Name") or asked["DatabaseInput"]["Name"]
    table = asked.get("TableInput", {}).get("Name", "any")
    on_tables = [f"{GLUE}:table/{database}/{table}"] if "Table" in operation else []
    return [Call(action, each) for each in (f"{GLUE}:catalog", f"{GLUE}:database/{database}", *on_tables)]


@pytest.fixture(scope="module")
def role(tmp_path_factory: pytest.TempPathFactory) -> Any:
    roles = render(tmp_path_factory.mktemp("operator"), "__aws_identity_roles")["__aws_identity_roles"]
    [found] = [role for role in roles if role["name"] == NAMES.role("operator")]
    return found


@pytest.fixture(scope="module")
def policy(role: Any) -> Any:
    return role["policy"]


@pytest.mark.parametrize(
    ("context", "let_in"),
    [
        ({"aws:MultiFactorAuthPresent": "true"}, True),
        ({"aws:MultiFactorAuthPresent": "false"}, False),
        ({}, False),
        ({"aws:PrincipalArn": f"{RESERVED}/ap-south-1/AWSReservedSSO_Admin_0123456789abcdef"}, True),
        ({"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/aws-reserved-not"}, False),
    ],
    ids=["user with MFA", "user without", "access key alone", "Identity Center", "another role"],
)
def test_who_may_take_on_the_role(role: Any, context: dict[str, str], let_in: bool) -> None:
    """Sessions of IAM Identity Center carry no aws:MultiFactorAuthPresent: it asks for the factor itself."""
    who = f"arn:aws:iam::{ACCOUNT}:root"
    trust = [one for one in role["trust"]["Statement"] if one["Principal"] == {"AWS": who}]
    allowed = [{**{key: one[key] for key in one if key != "Principal"}, "Resource": "*"} for one in trust]
    policy = {"Version": "2012-10-17", "Statement": allowed}

    assert len(trust) == len(role["trust"]["Statement"])
    assert (evaluate([policy], Call("sts:AssumeRole", "*", context)) == Decision.ALLOW) == let_in


@pytest.fixture
def refused(other: Cloud, policy: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """From now on calls of this process reach the account as the operator's; the actions that were refused."""
    as_account(other, monkeypatch)
    yield judging(policy, monkeypatch)


def judging(policy: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on calls of this process are judged by this policy; the actions that were refused."""
    found: list[str] = []
    through = BaseClient._make_api_call

    def call(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
        action = f"{client.meta.service_model.service_name}:{operation}"
        calls = [] if action in ANYBODY else judged_by(action, asked)
        if any(evaluate([policy], one) != Decision.ALLOW for one in calls):
            found.append(f"{action} {asked.get('Name', '')}".strip())
            said: Any = {"Error": {"Code": "AccessDeniedException", "Message": "is not authorized to perform this"}}
            raise ClientError(said, operation)
        return through(client, operation, asked)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return found


def token(seconds: int) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + seconds}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


@pytest.fixture
def stocked(other: Cloud) -> Iterator[Host]:
    """A host of an account in which every credential is stored."""
    ssm, manager = other.client("ssm"), other.client("secretsmanager")
    names = {secret: NAMES.parameter(secret) for secret in credentials.CREDENTIALS}
    manager.create_secret(Name=names["pin"], SecretString=VALUE)
    for secret, name in names.items():
        if secret != "pin":
            text = token(30 * 86_400) if secret.endswith("_token") else VALUE
            ssm.put_parameter(Name=name, Value=text, Type="SecureString")
    settings = {"token": {"source": "ssm", "parameter": names["access_token"], "region": REGION}}
    yield Host("h1", "192.0.2.1", variables={"harvester_settings": settings, "aws_endpoint_url": other.endpoint})
    manager.delete_secret(SecretId=names["pin"], ForceDeleteWithoutRecovery=True)
    ssm.delete_parameters(Names=[*(name for secret, name in names.items() if secret != "pin"), REMEMBERED])


def test_token_status_shows_every_credential_and_reads_one_value(stocked: Host, refused: list[str]) -> None:
    found = {one.name: one for one in credentials.look([stocked])}

    assert len(found) == len(credentials.CREDENTIALS)
    assert all(one.good and one.version and one.age is not None for one in found.values())
    access, refresh = found["access token"], found["refresh token"]
    assert access.expires_at_ns is not None and access.action == ""
    assert (refresh.expires_at_ns, refresh.action) == (None, credentials.UNREADABLE)
    assert (found["app secret"].action, found["PIN for the refresh"].action) == ("", "")
    others = ("refresh_token", "schwab_access_token", "schwab_refresh_token")
    assert refused == [f"ssm:GetParameter {NAMES.parameter(name)}" for name in sorted(others, key=_place)]


def _place(secret: str) -> int:
    return list(credentials.CREDENTIALS).index(secret)


def test_a_token_that_records_and_may_not_be_read_is_an_error_and_not_well(
    stocked: Host, refused: list[str], policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = [one for one in policy["Statement"] if one["Sid"] != "PushTheToken"]
    monkeypatch.setitem(policy, "Statement", without)

    with pytest.raises(DeniedError, match=NAMES.parameter("access_token")):
        credentials.look([stocked])


def test_who_may_read_sees_when_each_token_ends(stocked: Host, other: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    as_account(other, monkeypatch)

    found = credentials.look([stocked])

    assert sum(one.expires_at_ns is not None for one in found) == 4
    assert all(one.action == "" for one in found)


def test_what_the_refresh_remembers_is_seen_and_forgotten(stocked: Host, refused: list[str]) -> None:
    host = replace(stocked, variables={**stocked.variables, "broker_refresh": True})
    assert token_refresh.look([host]) == []
    open_place(f"ssm:{REMEMBERED}", REGION).write(Secret('{"gone": "the flow has ended"}'))

    [held] = token_refresh.look([host])
    forgotten = token_refresh.undo([host], Target(ROOT))

    assert (held.state, forgotten) == ("gone", [f"ssm:{REMEMBERED}"])
    assert token_refresh.look([host]) == []
    assert refused == []


@pytest.fixture
def bucket(other: Cloud) -> Iterator[str]:
    s3, name = other.client("s3"), NAMES.bucket(ACCOUNT)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    yield name
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def emptied(other: Cloud) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The databases of the account, which has none afterwards."""
    glue = other.client("glue")
    yield lambda: glue.get_databases()["DatabaseList"]
    glue.delete_database(Name=NAMES.database)


def test_the_role_is_enough_to_make_athenas_tables_and_to_mend_them(
    other: Cloud, bucket: str, emptied: Callable[[], list[dict[str, Any]]], refused: list[str], policy: Any
) -> None:
    here = environment.load(ROOT, str(other.inventory))
    with environment.reaching(here) as account:
        for change in athena.plan(here, account):
            change.apply()
        assert athena.plan(here, account) == []
        here.account.client("glue").tag_resource(
            ResourceArn=f"{GLUE}:database/{NAMES.database}", TagsToAdd={"Project": "another"}
        )
        other.configure(hosts="2")
        grown = environment.load(ROOT, str(other.inventory))
        planned = athena.plan(grown, account)
        for change in planned:
            change.apply()
        assert athena.plan(grown, account) == []
    other.configure()

    assert refused == []
    assert len(planned) == len(["database", "manifest_lines", *athena.CURRENT]), "the views are as they were"
