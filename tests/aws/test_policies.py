"""Who may call what: the policies that the roles state, rendered by Ansible, judged call by call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.aws.account import NAMES
from tests.aws.rendering import render

from harvester.base.aws_names import ROLES
from lab.aws.policies import Call, Decision, evaluate
from lab.aws.server import ACCOUNT, REGION

LAKE = f"arn:aws:s3:::{NAMES.bucket(ACCOUNT)}/lake/"
BUCKET = f"arn:aws:s3:::{NAMES.bucket(ACCOUNT)}"
HERE = f"{REGION}:{ACCOUNT}"
TOKEN = f"arn:aws:ssm:{HERE}:parameter{NAMES.parameter('access_token')}"
SECRET = f"arn:aws:ssm:{HERE}:parameter{NAMES.parameter('app_secret')}"
TOPIC = f"arn:aws:sns:{HERE}:{NAMES.topic}"
INSTANCE = f"arn:aws:ec2:{HERE}:instance/i-0123456789abcdef0"
GROUP = f"arn:aws:ec2:{HERE}:security-group/sg-0123456789abcdef0"
SNAPSHOT = f"arn:aws:ec2:{REGION}::snapshot/snap-0123456789abcdef0"
VOLUME = f"arn:aws:ec2:{HERE}:volume/vol-0123456789abcdef0"
OURS = {"aws:ResourceTag/Project": NAMES.project, "aws:ResourceTag/Environment": NAMES.environment}
REQUESTED = {"aws:RequestTag/Project": NAMES.project, "aws:RequestTag/Environment": NAMES.environment}
OTHERS = {"aws:ResourceTag/Project": NAMES.project, "aws:ResourceTag/Environment": "another"}
METRICS = {"cloudwatch:namespace": "AlphaHarvester"}
LOGS = f"arn:aws:logs:{HERE}:log-group:{NAMES.function_log_group('dead-man')}:log-stream:x"
OTHER_LOGS = f"arn:aws:logs:{HERE}:log-group:{NAMES.function_log_group('evening')}:log-stream:x"
HOST_LOGS = f"arn:aws:logs:{HERE}:log-group:{NAMES.host_log_group}"
FUNCTION = f"arn:aws:lambda:{HERE}:function:{NAMES.function('dead-man')}"
PAGE = f"arn:aws:lambda:{HERE}:function:{NAMES.function('token-page')}"
REFRESH, KEY, CHANNELS, RENEWED, REMINDED = (
    f"arn:aws:ssm:{HERE}:parameter{NAMES.parameter(name)}"
    for name in ("refresh_token", "page_key", "channels", "refresh_state", "reminder_state")
)
USED = f"arn:aws:ssm:{HERE}:parameter{NAMES.parameter_prefix}/token-page/used"
PIN = f"arn:aws:secretsmanager:{HERE}:secret:{NAMES.parameter_prefix}/fyers/pin-AbCdEf"
DISK_KEY = f"arn:aws:kms:{HERE}:key/0f0e0d0c-0000-4000-8000-000000000000"
FOR_AWS = {"kms:GrantIsForAWSResource": "true"}
PAGE_LOGS, REFRESH_LOGS, REMINDER_LOGS, MORNING_LOGS = (
    f"arn:aws:logs:{HERE}:log-group:{NAMES.function_log_group(name)}:log-stream:x"
    for name in ("token-page", "token-refresh", "reminder", "morning")
)
CATALOG, DATABASE, TABLE, OTHER_TABLE = (
    f"arn:aws:glue:{HERE}:{what}"
    for what in ("catalog", f"database/{NAMES.database}", f"table/{NAMES.database}/depth", "table/another/depth")
)
ALARM = f"arn:aws:cloudwatch:{HERE}:alarm:{NAMES.alarm('idle-x')}"
FEED_STATE = f"arn:aws:ssm:{HERE}:parameter{NAMES.parameter('feed_state')}"
INGESTION, ETL = (f"arn:aws:lambda:{HERE}:function:{NAMES.function(name)}" for name in ("ingestion", "etl"))
INGESTION_LOGS, ETL_LOGS = (
    f"arn:aws:logs:{HERE}:log-group:{NAMES.function_log_group(name)}:log-stream:x" for name in ("ingestion", "etl")
)
INBOX = f"{BUCKET}/workers/inbox/"
WORKER_TOKENS = f"arn:aws:ssm:{HERE}:parameter{NAMES.parameter('worker_tokens')}"
DOOR = f"arn:aws:lambda:{HERE}:function:{NAMES.function('worker-door')}"
DOOR_LOGS = f"arn:aws:logs:{HERE}:log-group:{NAMES.function_log_group('worker-door')}:log-stream:x"
RAW, TABLES = f"{BUCKET}/feed/Raw data/Prices/", f"{BUCKET}/feed/analytics/csv/"

OPENING = ("GetDatabase", "CreateDatabase")
DEFINING = ("GetTables", "CreateTable", "UpdateTable")

MUST: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("host", "s3:PutObject", f"{LAKE}depth/x.parquet", {}),
    ("host", "s3:GetObject", f"{LAKE}manifest/m.json", {}),
    ("host", "s3:AbortMultipartUpload", f"{LAKE}raw/x", {}),
    ("host", "s3:ListBucket", BUCKET, {"s3:prefix": "lake/raw/"}),
    ("host", "ssm:GetParameter", TOKEN, {}),
    ("host", "ssm:GetParameter", CHANNELS, {}),
    ("host", "sns:Publish", TOPIC, {}),
    ("host", "cloudwatch:PutMetricData", "*", METRICS),
    ("host", "logs:CreateLogStream", f"{HOST_LOGS}:log-stream:x", {}),
    ("host", "logs:PutLogEvents", f"{HOST_LOGS}:log-stream:x", {}),
    ("dead-man", "cloudwatch:GetMetricData", "*", {}),
    ("dead-man", "cloudwatch:PutMetricData", "*", METRICS),
    ("dead-man", "logs:PutLogEvents", LOGS, {}),
    ("dead-man", "sns:Publish", TOPIC, {}),
    ("morning", "ec2:DescribeInstances", "*", {}),
    ("morning", "ec2:StartInstances", INSTANCE, OURS),
    ("morning", "sns:Publish", TOPIC, {}),
    ("morning", "logs:PutLogEvents", MORNING_LOGS, {}),
    ("evening", "s3:ListBucket", BUCKET, {"s3:prefix": "lake/manifest/date=2026-11-20/host=x/manifest-"}),
    ("evening", "ec2:DescribeInstances", "*", {}),
    ("evening", "ec2:StopInstances", INSTANCE, OURS),
    ("evening", "ec2:CreateSnapshot", VOLUME, OURS),
    ("evening", "ec2:CreateSnapshot", SNAPSHOT, REQUESTED),
    ("evening", "ec2:CreateTags", SNAPSHOT, {"ec2:CreateAction": "CreateSnapshot"}),
    ("evening", "ec2:DeleteSnapshot", SNAPSHOT, OURS),
    ("evening", "sns:Publish", TOPIC, {}),
    ("evening", "logs:CreateLogStream", OTHER_LOGS, {}),
    ("token-page", "ssm:GetParameter", SECRET, {}),
    ("token-page", "ssm:GetParameter", KEY, {}),
    ("token-page", "ssm:PutParameter", TOKEN, {}),
    ("token-page", "ssm:PutParameter", REFRESH, {}),
    ("token-page", "ssm:PutParameter", f"{USED}/x", {}),
    ("token-page", "ssm:DeleteParameter", f"{USED}/x", {}),
    ("token-page", "ssm:GetParametersByPath", USED, {}),
    ("token-page", "logs:PutLogEvents", PAGE_LOGS, {}),
    ("token-refresh", "ssm:GetParameter", SECRET, {}),
    ("token-refresh", "ssm:GetParameter", REFRESH, {}),
    ("token-refresh", "secretsmanager:GetSecretValue", PIN, {}),
    ("token-refresh", "ssm:PutParameter", TOKEN, {}),
    ("token-refresh", "ssm:PutParameter", RENEWED, {}),
    ("token-refresh", "sns:Publish", TOPIC, {}),
    ("token-refresh", "lambda:GetFunctionUrlConfig", PAGE, {}),
    ("token-refresh", "logs:PutLogEvents", REFRESH_LOGS, {}),
    ("reminder", "ssm:GetParameter", TOKEN, {}),
    ("reminder", "ssm:GetParameter", KEY, {}),
    ("reminder", "ssm:GetParameter", CHANNELS, {}),
    ("reminder", "ssm:PutParameter", REMINDED, {}),
    ("reminder", "sns:Publish", TOPIC, {}),
    ("reminder", "lambda:GetFunctionUrlConfig", PAGE, {}),
    ("reminder", "logs:PutLogEvents", REMINDER_LOGS, {}),
    ("scheduler", "lambda:InvokeFunction", FUNCTION, {}),
    ("scheduler", "lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:{NAMES.function('token-refresh')}", {}),
    ("scheduler", "lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:{NAMES.function('reminder')}", {}),
    ("operator", "lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:{NAMES.function('reminder')}", {}),
    ("operator", "lambda:ListFunctions", "*", {}),
    ("operator", "lambda:GetFunctionUrlConfig", f"arn:aws:lambda:{HERE}:function:{NAMES.function('token-page')}", {}),
    ("operator", "sns:GetTopicAttributes", f"arn:aws:sns:{HERE}:{NAMES.topic}", {}),
    ("operator", "s3:GetObject", f"{LAKE}depth/x.parquet", {}),
    ("operator", "s3:ListBucket", BUCKET, {"s3:prefix": "lake/manifest/"}),
    ("operator", "ssm:StartSession", f"arn:aws:ssm:{REGION}::document/AWS-StartSSHSession", {}),
    ("operator", "ssm:PutParameter", TOKEN, {}),
    ("operator", "ssm:GetParameter", TOKEN, {}),  # with it, undo finds the version before
    ("operator", "ssm:PutParameter", REFRESH, {}),
    ("operator", "ssm:GetParameter", RENEWED, {}),
    ("operator", "ssm:PutParameter", RENEWED, {}),
    ("operator", "ssm:DescribeParameters", "*", {}),
    ("operator", "secretsmanager:DescribeSecret", PIN, {}),
    *(
        ("operator", f"glue:{action}", arn, {})
        for arn in (CATALOG, DATABASE)
        for action in ("GetDatabase", "CreateDatabase")
    ),
    *(("operator", f"glue:{action}", arn, {}) for arn in (CATALOG, DATABASE, TABLE) for action in DEFINING),
    ("operator", "glue:GetTags", DATABASE, {}),
    ("operator", "glue:TagResource", DATABASE, {}),
    ("operator", "ssm:StartSession", INSTANCE, OURS),
    ("operator", "ec2:DescribeInstances", "*", {}),
    ("operator", "ec2:DescribeSecurityGroups", "*", {}),
    ("operator", "ec2:StartInstances", INSTANCE, OURS),
    ("operator", "ec2:AuthorizeSecurityGroupIngress", GROUP, OURS),
    ("operator", "ec2:RevokeSecurityGroupIngress", GROUP, OURS),
    ("operator", "lambda:InvokeFunction", ETL, {}),
    ("operator", "s3:ListBucket", BUCKET, {"s3:prefix": "feed/analytics/csv/symbol="}),
    ("scheduler", "lambda:InvokeFunction", ETL, {}),
    ("ingestion", "s3:PutObject", f"{RAW}x.json", {}),
    ("ingestion", "ssm:GetParameter", TOKEN, {}),
    ("ingestion", "ssm:GetParameter", FEED_STATE, {}),
    ("ingestion", "ssm:PutParameter", FEED_STATE, {}),
    ("ingestion", "sns:Publish", TOPIC, {}),
    ("ingestion", "logs:PutLogEvents", INGESTION_LOGS, {}),
    ("etl", "s3:GetObject", f"{RAW}x.json", {}),
    ("etl", "s3:GetObject", f"{TABLES}x.csv.gz", {}),
    ("etl", "s3:PutObject", f"{TABLES}x.csv.gz", {}),
    ("etl", "s3:DeleteObject", f"{TABLES}x.csv.gz", {}),
    ("etl", "s3:ListBucket", BUCKET, {"s3:prefix": "feed/Raw data/Prices/2026-11-20/"}),
    ("etl", "s3:ListBucket", BUCKET, {"s3:prefix": "feed/analytics/csv/symbol=SBIN/year=2026/"}),
    ("etl", "sns:Publish", TOPIC, {}),
    ("etl", "logs:CreateLogStream", ETL_LOGS, {}),
    ("worker-door", "s3:PutObject", f"{INBOX}colab/x.json", {}),
    ("worker-door", "s3:ListBucket", BUCKET, {"s3:prefix": "workers/inbox/colab/"}),
    ("worker-door", "ssm:GetParameter", WORKER_TOKENS, {}),
    ("worker-door", "logs:PutLogEvents", DOOR_LOGS, {}),
    *(("host", f"s3:{action}", f"{INBOX}colab/x.json", {}) for action in ("GetObject", "DeleteObject")),
    ("host", "s3:ListBucket", BUCKET, {"s3:prefix": "workers/inbox/colab/"}),
    ("operator", "lambda:GetFunctionUrlConfig", DOOR, {}),
)
MUST_NOT: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("host", "s3:DeleteObject", f"{LAKE}depth/x.parquet", {}),
    ("host", "s3:DeleteObjectVersion", f"{LAKE}depth/x.parquet", {}),
    ("host", "s3:PutObject", f"{BUCKET}/elsewhere/x", {}),
    ("host", "s3:PutBucketPolicy", BUCKET, {}),
    ("host", "s3:ListBucket", BUCKET, {"s3:prefix": "elsewhere/"}),
    ("host", "s3:ListBucket", BUCKET, {}),
    ("host", "s3:GetObject", "arn:aws:s3:::another-bucket/lake/x", {}),
    ("host", "ssm:GetParameter", SECRET, {}),
    ("host", "ssm:GetParameter", f"{TOKEN}-2", {}),
    ("host", "ssm:PutParameter", TOKEN, {}),
    ("host", "ssm:GetParametersByPath", f"arn:aws:ssm:{HERE}:parameter/", {}),
    ("host", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/{NAMES.role('operator')}", {}),
    ("host", "iam:PassRole", "*", {}),
    ("host", "ec2:TerminateInstances", INSTANCE, OURS),
    ("host", "cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "AWS/EC2"}),
    ("host", "sns:Publish", f"arn:aws:sns:{HERE}:another", {}),
    ("host", "logs:PutLogEvents", LOGS, {}),
    ("host", "logs:PutLogEvents", f"{HOST_LOGS}-2:log-stream:x", {}),
    ("host", "logs:CreateLogGroup", HOST_LOGS, {}),
    ("host", "logs:GetLogEvents", f"{HOST_LOGS}:log-stream:x", {}),
    ("host", "logs:DeleteLogStream", f"{HOST_LOGS}:log-stream:x", {}),
    ("host", "ec2messages:GetMessages", "*", {}),
    ("host", "ssmmessages:OpenDataChannel", "*", {}),
    ("dead-man", "logs:PutLogEvents", OTHER_LOGS, {}),
    ("dead-man", "ssm:GetParameter", TOKEN, {}),
    ("dead-man", "s3:GetObject", f"{LAKE}depth/x.parquet", {}),
    ("dead-man", "ec2:StopInstances", INSTANCE, OURS),
    ("evening", "s3:GetObject", f"{LAKE}manifest/date=2026-11-20/host=x/manifest-1.json", {}),
    ("evening", "s3:PutObject", f"{LAKE}depth/x.parquet", {}),
    ("evening", "ec2:StopInstances", INSTANCE, OTHERS),
    ("evening", "ec2:StopInstances", INSTANCE, {}),
    ("evening", "ec2:TerminateInstances", INSTANCE, OURS),
    ("evening", "ec2:DeleteSnapshot", SNAPSHOT, OTHERS),
    ("evening", "ec2:CreateSnapshot", VOLUME, OTHERS),
    ("evening", "ec2:CreateTags", SNAPSHOT, {}),
    ("evening", "ec2:CreateTags", INSTANCE, {"ec2:CreateAction": "CreateSnapshot"}),
    ("token-page", "ssm:GetParameter", TOKEN, {}),
    ("token-page", "ssm:GetParameter", REFRESH, {}),
    ("token-page", "ssm:PutParameter", SECRET, {}),
    ("token-page", "ssm:PutParameter", KEY, {}),
    ("token-page", "ssm:DeleteParameter", TOKEN, {}),
    ("token-page", "ssm:GetParametersByPath", f"arn:aws:ssm:{HERE}:parameter{NAMES.parameter_prefix}", {}),
    ("token-page", "secretsmanager:GetSecretValue", PIN, {}),
    ("token-page", "sns:Publish", TOPIC, {}),
    ("token-page", "logs:PutLogEvents", REMINDER_LOGS, {}),
    ("token-refresh", "ssm:GetParameter", TOKEN, {}),
    ("token-refresh", "ssm:PutParameter", REFRESH, {}),
    ("token-refresh", "ssm:PutParameter", SECRET, {}),
    ("token-refresh", "secretsmanager:GetSecretValue", PIN.replace("pin-", "pins-"), {}),
    ("token-refresh", "secretsmanager:PutSecretValue", PIN, {}),
    ("token-refresh", "lambda:InvokeFunction", PAGE, {}),
    ("reminder", "ssm:PutParameter", TOKEN, {}),
    ("reminder", "ssm:GetParameter", SECRET, {}),
    ("reminder", "ssm:GetParameter", REFRESH, {}),
    ("reminder", "lambda:UpdateFunctionConfiguration", PAGE, {}),
    ("reminder", "s3:GetObject", f"{LAKE}depth/x.parquet", {}),
    ("scheduler", "lambda:InvokeFunction", PAGE, {}),
    ("scheduler", "ec2:StopInstances", INSTANCE, OURS),
    ("scheduler", "ec2:StartInstances", INSTANCE, OURS),
    ("morning", "ec2:StartInstances", INSTANCE, OTHERS),
    ("morning", "ec2:StartInstances", INSTANCE, {}),
    ("morning", "ec2:StopInstances", INSTANCE, OURS),
    ("morning", "kms:CreateGrant", DISK_KEY, FOR_AWS),
    ("scheduler", "lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:another", {}),
    ("scheduler", "cloudwatch:DisableAlarmActions", ALARM, {}),
    ("scheduler", "cloudwatch:DeleteAlarms", ALARM, {}),
    ("operator", "lambda:InvokeFunction", FUNCTION, {}),
    ("operator", "lambda:InvokeFunction", PAGE, {}),
    ("operator", "s3:DeleteObject", f"{LAKE}depth/x.parquet", {}),
    ("operator", "ssm:GetParameter", SECRET, {}),
    ("operator", "ssm:GetParameter", REFRESH, {}),
    ("operator", "ssm:DeleteParameter", TOKEN, {}),
    ("operator", "secretsmanager:GetSecretValue", PIN, {}),
    ("operator", "secretsmanager:DescribeSecret", PIN.replace("pin-", "pins-"), {}),
    ("operator", "ssm:GetParameter", CHANNELS, {}),
    ("operator", "ssm:GetParameterHistory", SECRET, {}),
    *(("operator", f"glue:{action}", OTHER_TABLE, {}) for action in DEFINING),
    ("operator", "glue:CreateDatabase", f"{DATABASE}_2", {}),
    ("operator", "glue:DeleteTable", TABLE, {}),
    ("operator", "glue:DeleteDatabase", DATABASE, {}),
    ("operator", "glue:TagResource", CATALOG, {}),
    ("host", "glue:GetTables", TABLE, {}),
    ("operator", "ssm:StartSession", INSTANCE, OTHERS),
    ("operator", "ec2:StartInstances", INSTANCE, OTHERS),
    ("operator", "ec2:StopInstances", INSTANCE, OURS),
    ("operator", "ec2:TerminateInstances", INSTANCE, OURS),
    ("operator", "ec2:AuthorizeSecurityGroupIngress", GROUP, OTHERS),
    ("operator", "ssm:SendCommand", INSTANCE, OURS),
    ("operator", "lambda:InvokeFunction", INGESTION, {}),
    *(("ingestion", f"s3:{action}", f"{RAW}x.json", {}) for action in ("GetObject", "DeleteObject")),
    ("ingestion", "s3:ListBucket", BUCKET, {"s3:prefix": "feed/Raw data/Prices/"}),
    *(("ingestion", "s3:PutObject", where, {}) for where in (f"{TABLES}x", f"{LAKE}x", f"{BUCKET}/Raw data/Prices/x")),
    ("ingestion", "ssm:PutParameter", TOKEN, {}),
    ("ingestion", "ssm:GetParameter", SECRET, {}),
    *(("etl", f"s3:{action}", f"{RAW}x.json", {}) for action in ("PutObject", "DeleteObject")),
    *(("etl", f"s3:{action}", f"{LAKE}x", {}) for action in ("GetObject", "PutObject", "DeleteObject")),
    ("etl", "s3:DeleteObjectVersion", f"{TABLES}x.csv.gz", {}),
    ("etl", "s3:ListBucket", BUCKET, {"s3:prefix": "lake/"}),
    ("etl", "ssm:GetParameter", TOKEN, {}),
    ("host", "s3:PutObject", f"{TABLES}x.csv.gz", {}),
    *(("worker-door", f"s3:{action}", f"{INBOX}colab/x.json", {}) for action in ("GetObject", "DeleteObject")),
    *(("worker-door", "s3:PutObject", where, {}) for where in (f"{LAKE}x", f"{BUCKET}/workers/x")),
    ("worker-door", "s3:ListBucket", BUCKET, {"s3:prefix": "lake/"}),
    *(("worker-door", "ssm:GetParameter", name, {}) for name in (TOKEN, SECRET, CHANNELS)),
    ("worker-door", "ssm:PutParameter", WORKER_TOKENS, {}),
    ("worker-door", "sns:Publish", TOPIC, {}),
    ("host", "s3:PutObject", f"{INBOX}colab/x.json", {}),
    ("host", "ssm:GetParameter", WORKER_TOKENS, {}),
    ("operator", "ssm:GetParameter", WORKER_TOKENS, {}),
    ("scheduler", "lambda:InvokeFunction", DOOR, {}),
)
NARROWEST = {  # actions for which AWS knows no resource: service authorization reference
    "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricData",
    "ec2:DescribeInstances",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSnapshots",
    "lambda:ListFunctions",
    "ssm:DescribeParameters",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("policies")
    return render(folder, "__aws_identity_roles", "__aws_storage_policy", feed_prefix="feed/")


@pytest.fixture(scope="module")
def policies(rendered: Any) -> dict[str, Any]:
    """The policy documents by role."""
    by_name = {role["name"]: role["policy"] for role in rendered["__aws_identity_roles"]}
    return {name: by_name[NAMES.role(name)] for name in ROLES}


def test_the_table_of_calls(policies: dict[str, Any], figure: Callable[..., None]) -> None:
    refused = [row for row in MUST if evaluate([policies[row[0]]], Call(*row[1:])) != Decision.ALLOW]
    allowed = [row for row in MUST_NOT if evaluate([policies[row[0]]], Call(*row[1:])) == Decision.ALLOW]

    figure("calls_judged", len(MUST) + len(MUST_NOT), bound=">= 60", unit="calls")
    figure("unexpected_refusals", len(refused), bound="== 0", unit="calls", gate=True)
    figure("unexpected_allows", len(allowed), bound="== 0", unit="calls", gate=True)
    assert (refused, allowed) == ([], [])


def test_no_action_has_a_wildcard_and_no_resource_is_wider_than_it_must_be(
    policies: dict[str, Any], tmp_path: Path, figure: Callable[..., None]
) -> None:
    widest = render(tmp_path, "__aws_identity_roles", session_manager=True)["__aws_identity_roles"]
    statements = [one for role in widest for one in role["policy"]["Statement"]]
    pairs = [(action, one["Resource"]) for one in statements for action in as_list(one["Action"])]

    wild = [action for action, _ in pairs if "*" in action]
    wide = [action for action, resource in pairs if resource == "*" and action not in NARROWEST]
    figure("wildcard_actions", len(wild), bound="== 0", unit="actions", gate=True)
    assert (wild, wide) == ([], [])
    assert all("NotAction" not in one and "NotResource" not in one and one["Effect"] == "Allow" for one in statements)


def test_a_disk_under_a_key_of_the_account_is_granted_to_who_starts_hosts_alone(tmp_path: Path) -> None:
    found = render(tmp_path, "__aws_identity_roles", disk_key=DISK_KEY)["__aws_identity_roles"]
    of_key = Call("kms:CreateGrant", DISK_KEY, FOR_AWS)

    able = [role["name"] for role in found if evaluate([role["policy"]], of_key) == Decision.ALLOW]
    assert able == [NAMES.role("morning")]
    by_hand = Call("kms:CreateGrant", DISK_KEY, {"kms:GrantIsForAWSResource": "false"})
    assert not [role for role in found if evaluate([role["policy"]], by_hand) == Decision.ALLOW]


def test_every_statement_of_every_role_is_needed(policies: dict[str, Any]) -> None:
    idle = []
    for role, policy in policies.items():
        rows = [row for row in MUST if row[0] == role]
        for statement in policy["Statement"]:
            rest = {**policy, "Statement": [one for one in policy["Statement"] if one is not statement]}
            if all(evaluate([rest], Call(*row[1:])) == Decision.ALLOW for row in rows):
                idle.append((role, statement["Sid"]))

    assert idle == []


def test_the_bucket_wants_tls_our_account_and_writes_that_replace_nothing(rendered: Any) -> None:
    policy = rendered["__aws_storage_policy"]
    good = {"aws:SecureTransport": "true", "aws:PrincipalAccount": ACCOUNT, "s3:ObjectCreationOperation": "true"}
    good["aws:PrincipalIsAWSService"] = "false"

    def verdict(**context: str) -> Decision:
        return evaluate([policy], Call("s3:PutObject", f"{LAKE}depth/x", {**good, **context}))

    assert verdict(**{"s3:if-none-match": "*"}) == Decision.NOTHING
    assert verdict(**{"s3:if-match": '"abc"'}) == Decision.DENY, "which would replace what it has seen"
    assert verdict() == Decision.DENY
    assert verdict(**{"s3:ObjectCreationOperation": "false"}) == Decision.NOTHING
    assert verdict(**{"s3:if-none-match": "*", "aws:SecureTransport": "false"}) == Decision.DENY
    assert verdict(**{"s3:if-none-match": "*", "aws:PrincipalAccount": "999999999999"}) == Decision.DENY


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_a_host_with_a_database_reads_its_dsn_and_counts_rows_where_their_users_look(tmp_path: Path) -> None:
    def host_of(found: dict[str, Any]) -> Any:
        return next(role["policy"] for role in found["__aws_identity_roles"] if role["name"] == NAMES.role("host"))

    dsn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{NAMES.parameter('postgres_dsn')}"
    read = Call("ssm:GetParameter", dsn, {})
    counted = [
        Call("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": name})
        for name in ("AlphaHarvester", "AlphaKiteMax/RealTimeStreaming", "Another")
    ]
    for database, allowed in ((False, (0,)), (True, (0, 1))):
        policy = host_of(render(tmp_path, "__aws_identity_roles", database=database))
        assert (evaluate([policy], read) == Decision.ALLOW) is database
        assert [n for n, call in enumerate(counted) if evaluate([policy], call) == Decision.ALLOW] == [*allowed]


def test_a_host_reads_the_secrets_of_an_application_where_it_is_told_so_and_no_others(tmp_path: Path) -> None:
    known = ("application_variables", "database_password")

    def readable(*secrets: str) -> set[str]:
        found = render(tmp_path, "__aws_identity_roles", secrets=secrets)["__aws_identity_roles"]
        [policy] = [role["policy"] for role in found if role["name"] == NAMES.role("host")]
        arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
        reads = {name: Call("ssm:GetParameter", arn + NAMES.parameter(name), {}) for name in (*known, "app_secret")}
        return {name for name, call in reads.items() if evaluate([policy], call) == Decision.ALLOW}

    assert readable() == set()
    assert readable(known[0]) == {known[0]}
    assert readable(*known) == {*known}


def test_a_host_reads_the_login_of_a_remote_where_it_oversees_workers_and_writes_it_never(tmp_path: Path) -> None:
    login = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{NAMES.parameter('rclone_token')}"
    for rclone in (False, True):
        found = render(tmp_path, "__aws_identity_roles", rclone=rclone)
        policy = next(role["policy"] for role in found["__aws_identity_roles"] if role["name"] == NAMES.role("host"))
        assert (evaluate([policy], Call("ssm:GetParameter", login, {})) == Decision.ALLOW) is rclone
        assert evaluate([policy], Call("ssm:PutParameter", login, {})) != Decision.ALLOW


def test_a_price_feed_may_delete_what_a_correction_supersedes_and_nothing_else(tmp_path: Path) -> None:
    found = render(
        tmp_path, "__aws_identity_roles", "__aws_storage_policy", price_feed=["", "two/"], feed_prefix="feed/"
    )
    by_name = {role["name"]: role["policy"] for role in found["__aws_identity_roles"]}
    policy = by_name[NAMES.role("host")]
    key = "analytics/csv/symbol=SBIN/year=2026/month=11/day=23/data_20261123T102500Z.csv.gz"
    raw = "Raw data/Prices/2026-11-23/raw_file_20261123_035006.json"

    def may(action: str, path: str) -> bool:
        return evaluate([policy], Call(f"s3:{action}", f"{BUCKET}/{path}", {})) == Decision.ALLOW

    for prefix in ("", "two/"):
        assert may("PutObject", prefix + key) and may("GetObject", prefix + key) and may("DeleteObject", prefix + key)
        assert may("PutObject", prefix + raw) and may("GetObject", prefix + raw)
        listing = {"s3:prefix": f"{prefix}analytics/csv/symbol=SBIN/"}
        for role in ("host", "operator"):
            listed = evaluate([by_name[NAMES.role(role)]], Call("s3:ListBucket", BUCKET, listing))
            assert listed == Decision.ALLOW
    assert not may("DeleteObject", raw) and not may("DeleteObject", "lake/depth/x.parquet")
    assert not may("PutObject", f"three/{key}") and not may("DeleteObjectVersion", key)
    assert evaluate([policy], Call("s3:ListBucket", BUCKET, {"s3:prefix": "Raw data/"})) != Decision.ALLOW
    others = {name: one for name, one in by_name.items() if name != NAMES.role("host")}
    delete = Call("s3:DeleteObject", f"{BUCKET}/{key}", {})
    assert not [name for name, one in others.items() if evaluate([one], delete) == Decision.ALLOW]

    context = {"aws:SecureTransport": "true", "aws:PrincipalAccount": ACCOUNT, "s3:ObjectCreationOperation": "true"}
    context["aws:PrincipalIsAWSService"] = "false"
    for path in (key, raw, "lake/depth/x", f"two/{key}", f"feed/{key}", f"feed/{raw}"):
        put = Call("s3:PutObject", f"{BUCKET}/{path}", context)
        assert evaluate([found["__aws_storage_policy"]], put) == Decision.DENY, "it would replace what is there"


def test_backups_may_be_put_once_and_read_and_the_evening_sees_that_they_are_there(tmp_path: Path) -> None:
    names = ("__aws_identity_roles", "__aws_storage_policy", "__aws_storage_lifecycle")
    found = render(tmp_path, *names, backups=["database/", "two/database/"])
    by_name = {role["name"]: role["policy"] for role in found["__aws_identity_roles"]}
    dump, manifest = "daily/incremental_2026-11-23.dump.gz", "daily/incremental_2026-11-23.json"

    def may(role: str, action: str, path: str) -> bool:
        call = Call(f"s3:{action}", f"{BUCKET}/{path}", {})
        if action == "ListBucket":
            call = Call("s3:ListBucket", BUCKET, {"s3:prefix": path})
        return evaluate([by_name[NAMES.role(role)]], call) == Decision.ALLOW

    context = {"aws:SecureTransport": "true", "aws:PrincipalAccount": ACCOUNT, "s3:ObjectCreationOperation": "true"}
    context["aws:PrincipalIsAWSService"] = "false"
    for prefix in ("database/", "two/database/"):
        assert may("host", "PutObject", prefix + dump) and may("host", "GetObject", prefix + dump)
        assert not may("host", "DeleteObject", prefix + dump) and not may("host", "ListBucket", prefix)
        assert may("operator", "GetObject", prefix + dump) and may("operator", "ListBucket", prefix)
        assert not may("operator", "PutObject", prefix + dump)
        assert may("evening", "ListBucket", prefix + manifest) and not may("evening", "GetObject", prefix + manifest)
        put = Call("s3:PutObject", f"{BUCKET}/{prefix}{dump}", context)
        assert evaluate([found["__aws_storage_policy"]], put) == Decision.DENY, "it would replace what is there"
    assert not may("host", "PutObject", f"three/{dump}")
    rules = {each["rule"]["ID"]: each["rule"] for each in found["__aws_storage_lifecycle"] if each["wanted"]}
    assert rules["backups-1"]["Filter"] == {"Prefix": "database/"}
    assert int(rules["backups-2"]["Expiration"]["Days"]) == 30
