"""doctor --aws, check by check: what AWS answers becomes a finding, word by word; the account answers as it is told."""

import io
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError
from runbook.aws.environment import Environment
from runbook.doctor import account as production
from runbook.doctor import aws, before, support
from runbook.doctor.finding import Finding, fail, nothing, ok, warn

ACCOUNT = "123456789012"
NAMES = Names("lab")
HOST = NAMES.host(1)
SITE = "Run ansible-playbook -i inventory/aws site.yml: it repairs what differs."
MORE = "Ask for more in the console under Service Quotas; an answer can take a day."
VARIABLES: dict[str, Any] = {
    "aws_host_instance_type": "t3.micro",
    "aws_host_names": [HOST, "other"],
    "aws_host_elastic_ip": True,
    "aws_account_subnet": None,
    "aws_functions_page_concurrency": 2,
    "aws_functions_deployed": [],
    "broker_account": "XX00000",
    "aws_watch_budget_dollars": 20,
}


class Aws:
    """Clients of an account. An answer is by service and operation; where it is a mapping by arguments, by these."""

    profile = "work"

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str, region: str | None = None) -> "Client":
        return Client(self, f"{service}@{region}" if region else service)


class Client:
    def __init__(self, account: Aws, service: str) -> None:
        self._account, self._service = account, service

    @property
    def exceptions(self) -> Any:
        class Exceptions:
            EntityNotFoundException = KeyError

        return Exceptions

    def get_paginator(self, operation: str) -> Any:
        client = self

        class Pages:
            def paginate(self, **arguments: Any) -> list[Any]:
                return [getattr(client, operation)(**arguments)]

        return Pages()

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            name = f"{self._service}.{operation}"
            self._account.asked.append((name, arguments))
            answer = self._account.answers[name]
            answer = answer(**arguments) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def denied(operation: str = "x") -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)


def look(check: Any, answers: Mapping[str, Any], **variables: Any) -> list[Finding]:
    account: Any = Aws(answers)
    return list(check(Environment(VARIABLES | variables, NAMES, account), ACCOUNT))


def instance(identity: str, name: str = HOST, **metadata: Any) -> dict[str, Any]:
    return {
        "InstanceId": identity, "Tags": [{"Key": "Name", "Value": name}], "State": {"Name": "running"},
        "InstanceType": "t3.micro", "ImageId": "ami-1",
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1} | metadata,
    }  # fmt: skip


def instances(*made: dict[str, Any]) -> dict[str, Any]:
    def describe(Filters: Any = None, InstanceIds: Any = None) -> Any:
        chosen = [each for each in made if not InstanceIds or [each["InstanceId"]] == InstanceIds]
        return {"Reservations": [{"Instances": [each]} for each in chosen]}

    return {"ec2.describe_instances": describe}


def test_each_host_is_there_with_a_metadata_service_that_wants_a_token_and_ends_on_it() -> None:
    unsafe = fail("other", "its metadata service answers without a token, or beyond one hop", SITE)
    safe = ok(HOST, "i-1, running, IMDSv2 alone")
    for wrong in ({"HttpTokens": "optional"}, {"HttpPutResponseHopLimit": 2}):
        assert look(aws.check_hosts, instances(instance("i-1"), instance("i-2", "other", **wrong))) == [safe, unsafe]
    assert look(aws.check_hosts, instances(instance("i-1"))) == [safe, fail("other", "is not there", SITE)]


def test_the_console_of_each_host_shows_its_keys() -> None:
    key = "ssh-ed25519 AAAA"
    shown = f"-----BEGIN SSH HOST KEY KEYS-----\n{key} root@h\n-----END SSH HOST KEY KEYS-----"

    def console(InstanceId: str, Latest: bool) -> dict[str, str]:
        return {"Output": shown if InstanceId == "i-1" else ""}

    answers = instances(instance("i-1"), instance("i-2", "other")) | {"ec2.get_console_output": console}
    assert look(aws.check_console, answers) == [
        ok("console", f"{HOST} shows 1 SSH host keys"),
        warn(
            "console", "other shows no SSH host key (AWS keeps the output for a while)",
            "After a few minutes of running it should; else accept the key by hand (runbook).",
        ),
    ]  # fmt: skip


def test_tables_are_looked_at_where_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(what: str) -> Any:
        return type("Change", (), {"what": what})

    plans = {ACCOUNT: [change("bars"), change("days")]}
    monkeypatch.setattr(aws.athena, "plan", lambda _, account: plans[account])

    def exists(Name: str) -> Any:
        return {} if Name == "alpha_harvester_lab" else KeyError(Name)

    assert look(aws.check_tables, {"glue.get_database": KeyError("none")}) == []
    assert look(aws.check_tables, {"glue.get_database": exists}) == [
        warn("tables", "bars, days: not as the lake is", "./inv athena-tables repairs them.")
    ]
    plans[ACCOUNT] = []
    assert look(aws.check_tables, {"glue.get_database": exists}) == [
        ok("tables", "alpha_harvester_lab has every kind of table, for every host")
    ]


@pytest.mark.parametrize(
    ("arns", "found"),
    [
        ([], fail("alerts", "there is no subscription", "Set aws_watch_email, then run site.yml.")),
        (["arn:1", "arn:2"], ok("alerts", "2 confirmed")),
        (
            ["arn:1", "PendingConfirmation", "pending confirmation"],
            fail("alerts", "1@x.y, 2@x.y has not confirmed AWS's mail", "Follow the link in that mail."),
        ),
    ],
)
def test_every_subscription_of_the_alarms_is_confirmed(arns: list[str], found: Finding) -> None:
    def listed(TopicArn: str) -> dict[str, Any]:
        assert TopicArn == f"arn:aws:sns:ap-south-1:{ACCOUNT}:alpha-harvester-lab-alerts"
        return {"Subscriptions": [{"Endpoint": f"{at}@x.y", "SubscriptionArn": arn} for at, arn in enumerate(arns)]}

    assert look(aws.check_topic, {"sns.list_subscriptions_by_topic": listed}) == [found]


def schedules(until: dict[str, str] | None, *names: str) -> dict[str, Any]:
    settings = {} if until is None else {"Environment": {"Variables": until}}
    return {
        "scheduler.list_schedules": {"Schedules": [{"Name": name} for name in names]},
        "scheduler.get_schedule": {},
        "lambda.get_function_configuration": settings,
    }


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (schedules({}), fail("schedules", "there are none", SITE)),
        (schedules(None, "a"), warn("schedules", "functions know trading days until no day alone", SITE)),
        (schedules({}, "a"), warn("schedules", "functions know trading days until no day alone", SITE)),
        (
            schedules({"KNOWN_UNTIL": "2026-12-31"}, "a"),
            warn("schedules", "functions know trading days until 2026-12-31 alone", SITE),
        ),
        (schedules({"KNOWN_UNTIL": "2027-01-01"}, "a", "b"), ok("schedules", "2, trading days known until 2027-01-01")),
    ],
)
def test_functions_are_called_on_time_and_know_the_days_of_six_weeks(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], found: Finding
) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Then":
            return cls(2026, 11, 16, 20, 30, tzinfo=UTC).astimezone(tz)  # already the 17th in India

    monkeypatch.setattr(aws, "datetime", Then)
    assert look(aws.check_schedules, answers) == [found]


def test_functions_are_called_and_what_they_say_of_a_failure_is_told() -> None:
    def invoke(FunctionName: str, Payload: bytes) -> dict[str, Any]:
        called[FunctionName] = Payload
        if FunctionName.endswith("dead-man"):
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"no\xff " + b"x" * 400)}
        return {"Payload": io.BytesIO(b"{}")}

    called: dict[str, bytes] = {}
    wanted = ["dead-man", "reminder", "token-page"]
    found = look(aws.check_functions, {"lambda.invoke": invoke}, aws_functions_deployed=wanted)

    said = f"failed when it was called: no\N{REPLACEMENT CHARACTER} {'x' * 296}"
    assert {each.name: each for each in found} == {
        "dead-man": fail("dead-man", said, "Look at /aws/lambda/alpha-harvester-lab-dead-man."),
        "reminder": ok("reminder", "was called and answered"),
    }
    assert called == {
        NAMES.function("reminder"): b'{"now": "2026-01-04T12:00:00+05:30"}',
        NAMES.function("dead-man"): b"{}",
    }, "the page has a check of its own"


@pytest.mark.parametrize(
    ("answer", "page", "door"),
    [
        (
            404,
            ok("token page", "u/ answers 404 to a caller without a link"),
            "404, not 200, to GET /health: look at its log group",
        ),
        (
            200,
            "200, not 404, to a caller without a link: look at its log group",
            ok("worker door", "u/ answers 200 to GET /health"),
        ),
        (
            403,
            "403, not 404, to a caller without a link: its permissions are not both there",
            "403, not 200, to GET /health: its permissions are not both there",
        ),
        (httpx.ConnectError("no way"), None, None),
    ],
)  # fmt: skip
def test_the_public_addresses_answer_what_they_should(
    monkeypatch: pytest.MonkeyPatch, answer: Any, page: Any, door: Any
) -> None:
    def get(url: str, timeout: float) -> httpx.Response:
        asked.append((url, timeout))
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)

    asked: list[tuple[str, float]] = []
    monkeypatch.setattr(httpx, "get", get)
    answers = {"lambda.get_function_url_config": {"FunctionUrl": "u/"}}
    for check, name, function, found in (
        (aws.check_token_page, "token page", "token-page", page),
        (aws.check_worker_door, "worker door", "worker-door", door),
    ):
        if found is None:
            found = fail(name, "u/ does not answer (no way)", f"Is the network up? If so: {SITE}")
        elif isinstance(found, str):
            found = fail(name, f"u/ answers {found}", SITE)
        wanted = {"aws_functions_deployed": [function], "aws_functions_worker_door": True}
        assert look(check, answers, **wanted) == [found]
        assert look(check, {}, aws_functions_deployed=["reminder"]) == []
    assert asked == [("u/", 20), ("u/health", 20)]


def simulated(answers: dict[str, str]) -> Any:
    def simulate(PolicySourceArn: str, ActionNames: list[str], ResourceArns: list[str]) -> dict[str, Any]:
        [action] = ActionNames
        [resource] = ResourceArns
        asked.append((PolicySourceArn.rpartition("/")[2], action, resource))
        usual = "allowed" if (action, resource) in allowed else "implicitDeny"
        return {"EvaluationResults": [{"EvalDecision": answers.get(action, usual)}]}

    asked: list[tuple[str, str, str]] = []
    prefix = f"arn:aws:ssm:ap-south-1:{ACCOUNT}:parameter/alpha-harvester-lab".replace("-lab", "/lab")
    secret = f"arn:aws:secretsmanager:ap-south-1:{ACCOUNT}:secret:schwab-api-token-lab-AbCdEf"
    allowed = {
        ("s3:PutObject", f"arn:aws:s3:::alpha-harvester-lab-{ACCOUNT}-ap-south-1/lake/x"),
        ("ssm:GetParameter", f"{prefix}/fyers/access-token"),
        ("ssm:GetParameter", f"{prefix}/schwab/access-token"),
        ("secretsmanager:GetSecretValue", secret),
        ("cloudwatch:GetMetricData", "*"),
        ("ec2:DescribeInstances", "*"),
    }
    return {"iam.simulate_principal_policy": simulate}, asked, f"{prefix}/fyers/app-secret"


@pytest.mark.parametrize("variables", [{}, {"aws_identity_schwab": "ssm"}, {"aws_identity_schwab": "secretsmanager"}])
def test_the_simulator_is_asked_of_each_role_by_full_names(variables: dict[str, str]) -> None:
    answers, asked, app_secret = simulated({})
    assert look(aws.check_rights, answers, **variables) == [ok("rights", "7 calls as they should be")]
    host, dead_man, morning = (NAMES.role(name) for name in ("host", "dead-man", "morning"))
    assert [(role, action) for role, action, _ in asked[:2]] == [(host, "s3:DeleteObject"), (host, "s3:PutObject")]
    assert asked[3] == (host, "ssm:GetParameter", app_secret)
    assert asked[4:] == [
        (dead_man, "cloudwatch:GetMetricData", "*"),
        (dead_man, "ec2:StopInstances", "*"),
        (morning, "ec2:DescribeInstances", "*"),
    ]


def test_rights_that_are_more_or_less_than_meant_are_named() -> None:
    answers, *_ = simulated({"s3:DeleteObject": "allowed", "cloudwatch:GetMetricData": "explicitDeny"})
    assert look(aws.check_rights, answers) == [
        fail("rights", "host may s3:DeleteObject; dead-man may not cloudwatch:GetMetricData", SITE)
    ]


def test_a_check_that_aws_or_we_refuse_is_a_finding_and_ends_no_other() -> None:
    def check_some_thing(_: Environment, __: str) -> Iterator[Finding]:
        yield ok("before", "it")
        raise error

    account: Any = Aws({})
    here = Environment(VARIABLES, NAMES, account)
    error: Exception = ClientError({"Error": {"Code": "ExpiredToken"}}, "x")
    found = list(aws.attempt(check_some_thing, here, ACCOUNT))
    said = "The AWS login has expired. Run `aws sso login --profile work`, then the same command again: it goes on."
    assert found == [ok("before", "it"), fail("some thing", said, "See there; then run this again.")]
    error = ConfigError("of ours")
    assert list(aws.attempt(check_some_thing, here, ACCOUNT))[1] == fail("some thing", "of ours", "See there.")


@pytest.mark.parametrize("is_before", [False, True])
def test_the_checks_of_an_account_are_those_of_its_time(monkeypatch: pytest.MonkeyPatch, is_before: bool) -> None:
    account: Any = Aws({"sts.get_caller_identity": {"Account": ACCOUNT}})
    here = Environment(VARIABLES | {"aws_account_id": ""}, NAMES, account)
    loaded: list[Any] = []
    monkeypatch.setattr(aws.environments, "load", lambda *given: loaded.append(given) or here)
    monkeypatch.setattr(aws, "attempt", lambda check, of, number: [ok(check.__name__, f"{of is here} {number}")])

    found = list(aws.examine_aws(Path("/root"), None, before=is_before))

    chosen = before.BEFORE if is_before else aws.CHECKS
    assert found[0] == ok("account", f"{ACCOUNT}, ap-south-1, alpha-harvester-lab")
    assert found[1:] == [ok(check.__name__, f"True {ACCOUNT}") for check in chosen]
    assert loaded == [(Path("/root"), "inventory/aws")]
    here.variables["aws_account_id"] = "999999999999"  # type: ignore[index]
    [refused] = aws.examine_aws(Path("/root"), "mine")
    said = f"These credentials belong to account {ACCOUNT}, and aws_account_id says 999999999999."
    assert refused == fail("account", said, "See there.")
    assert loaded[1] == (Path("/root"), "mine")


def test_the_accounts_part_of_production_is_nothing_where_nothing_is_in_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(production.environments, "load_managed", lambda *_: None)
    assert list(production.examine_account(Path("/root"), None)) == [
        nothing(name, "this inventory describes nothing in AWS") for name in ("alerts", "rights", "trail", "tags")
    ]
    answers, *_ = simulated({})
    assert look(production.check_roles, answers) == [ok("rights", "7 calls as they should be")]
    assert look(production.check_roles, {}, aws_endpoint_url="x") == [
        nothing("rights", "this account is a stand-in, which does not judge policies as AWS does")
    ]


def test_the_place_of_hosts_is_a_zone_that_has_their_type_and_todays_image() -> None:
    def subnets(SubnetIds: Any = None, Filters: Any = None) -> dict[str, Any]:
        zone = "ap-south-1c" if SubnetIds == ["subnet-9"] else "ap-south-1b"
        return {"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": zone}]}

    kind = {"VCpuInfo": {"DefaultVCpus": 2}, "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]}}

    def kinds(InstanceTypes: list[str]) -> dict[str, Any]:
        assert InstanceTypes == ["t3.micro"]
        return {"InstanceTypes": [kind]}

    def offerings(LocationType: str, Filters: Any) -> dict[str, Any]:
        assert {"Name": "instance-type", "Values": ["t3.micro"]} in Filters
        return {"InstanceTypeOfferings": [{"Location": "ap-south-1b"}]}

    answers = {
        "ec2.describe_instance_type_offerings": offerings,
        "ec2.describe_subnets": subnets,
        "ec2.describe_instance_types": kinds,
        "ec2.describe_images": {"Images": [{"RootDeviceName": "/dev/sda1"}]},
        "ssm.get_parameter": {"Parameter": {"Value": "ami-7"}},
    }
    said = "t3.micro in ap-south-1{}, a default subnet, and today's Ubuntu 24.04: ami-7"
    assert look(before.check_place, answers) == [ok("place", said.format("b"))]
    assert look(before.check_place, answers, aws_account_subnet="subnet-9") == [ok("place", said.format("c"))]


@pytest.mark.parametrize(
    ("plan", "found"),
    [
        ({"accountPlanType": "PAID"}, ok("plan", "the account is on the paid plan")),
        (
            {"accountPlanType": "FREE"},
            fail(
                "plan", "the account is on the free plan, which ends, and its hosts with it",
                "Upgrade it in the console under Billing, Free plan; what is within the free tier stays free.",
            ),
        ),
        (
            {"accountPlanType": "FREE", "accountPlanExpirationDate": datetime(2027, 5, 1, tzinfo=UTC)},
            fail(
                "plan", "the account is on the free plan, which ends on 2027-05-01, and its hosts with it",
                "Upgrade it in the console under Billing, Free plan; what is within the free tier stays free.",
            ),
        ),
        (
            denied(),
            warn(
                "plan", "not known: these credentials may not call freetier:GetAccountPlanState",
                "Look at the console's home page.",
            ),
        ),
        (
            ClientError({"Error": {"Code": "Other"}}, "x"),
            warn("plan", "not known: AWS does not say", "Look at the console's home page."),
        ),
    ],
)  # fmt: skip
def test_the_plan_of_the_account_is_told(plan: Any, found: Finding) -> None:
    assert look(before.check_plan, {"freetier@us-east-1.get_account_plan_state": plan}) == [found]


def quota(value: float, code: str) -> dict[str, Any]:
    def get(ServiceCode: str, QuotaCode: str) -> dict[str, Any]:
        assert (ServiceCode, QuotaCode) == ("ec2", code)
        return {"Quota": {"Value": value}}

    return {"service-quotas.get_service_quota": get}


def test_the_quotas_have_room_for_what_is_yet_to_be_made() -> None:
    def kinds(InstanceTypes: list[str]) -> dict[str, Any]:
        asked.append(InstanceTypes)
        return {"InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 2}}]}

    asked: list[list[str]] = []
    cores = {"ec2.describe_instance_types": kinds}
    none, one = instances(), instances(instance("i-1"))
    for there, limit, found in (
        (none, 4, ok("vCPUs", "the quota is 4, 4 are needed (2 hosts of t3.micro)")),
        (none, 3, fail("vCPUs", "the quota is 3, and 4 are needed (2 hosts of t3.micro)", MORE)),
        (one, 3, ok("vCPUs", "the quota is 3, 2 are needed (1 hosts of t3.micro)")),
    ):
        assert look(before.check_vcpus, cores | there | quota(limit, "L-1216C47A")) == [found]
    assert look(before.check_vcpus, cores | none, aws_host_instance_type="g5.xlarge") == [
        warn("vCPUs", "the quota of g5.xlarge is not known here", "Look under Service Quotas.")
    ]
    why = "not known: these credentials may not call servicequotas:GetServiceQuota"
    assert look(before.check_vcpus, cores | none | {"service-quotas.get_service_quota": denied()}) == [
        warn("vCPUs", why, "Look under Service Quotas.")
    ]
    assert asked == [["t3.micro"]] * 3 + [["g5.xlarge"], ["t3.micro"]]


def test_the_quota_has_room_for_the_addresses_yet_to_come() -> None:
    ours = {"Tags": [{"Key": key, "Value": value} for key, value in NAMES.tags.items()]}

    def addresses(*taken: Any) -> dict[str, Any]:
        def describe(Filters: Any = None) -> dict[str, Any]:
            return {"Addresses": [each for each in taken if not Filters or each]}

        return {"ec2.describe_addresses": describe}

    room = quota(2, "L-0263D0A3")
    assert look(before.check_addresses, {}, aws_host_elastic_ip=False) == []
    assert look(before.check_addresses, addresses({}, {}) | room) == [
        fail("Elastic IPs", "the quota is 2, and 4 are needed (2 taken, 2 to come)", MORE)
    ]
    assert look(before.check_addresses, addresses(ours) | room) == [
        ok("Elastic IPs", "the quota is 2, 2 are needed (1 taken, 1 to come)")
    ]
    assert look(before.check_addresses, addresses(ours, ours, {}) | room) == [
        ok("Elastic IPs", "the quota is 2, 0 are needed (3 taken, 0 to come)")
    ]


@pytest.mark.parametrize(
    ("allowed", "variables", "is_enough"),
    [
        (102, {}, True),
        (101, {}, False),
        (10, {"aws_functions_page_concurrency": 0}, True),
        (10, {"broker_account": ""}, True),
    ],
)
def test_functions_can_be_reserved_for_the_page(allowed: int, variables: dict[str, Any], is_enough: bool) -> None:
    answers = {"lambda.get_account_settings": {"AccountLimit": {"ConcurrentExecutions": allowed}}}
    few = warn(
        "functions", f"{allowed} may run at a time, so none can be reserved for the token page",
        f"Set aws_functions_page_concurrency: 0, which costs nothing else. Or: {MORE}",
    )  # fmt: skip
    found = ok("functions", f"{allowed} may run at a time") if is_enough else few
    assert look(before.check_concurrency, answers, **variables) == [found]


def test_a_budget_can_be_made_where_one_is_wanted() -> None:
    name = "budgets@us-east-1.describe_budgets"
    fix = "As root user: Account, IAM user and role access to billing. Or set aws_watch_budget_dollars: 0."
    assert look(before.check_billing, {}, aws_watch_budget_dollars=0) == []
    seen = ok("budget", "budgets can be seen with these credentials")
    assert look(before.check_billing, {name: lambda AccountId, MaxResults: {ACCOUNT: 1}[AccountId]}) == [seen]
    assert look(before.check_billing, {name: denied()}) == [
        warn("budget", "not known: these credentials may not call budgets:ViewBudget", fix)
    ]


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        (None, warn("support", "it: until when it is supported is not known here", "Look it up at AWS.")),
        (date(2027, 6, 29), warn("support", "it: supported until 2027-06-29", support.UPDATE)),
        (date(2027, 6, 30), ok("support", "it: supported until 2027-06-30")),
    ],
)
def test_what_is_supported_for_half_a_year_is_well(ends: date | None, found: Finding) -> None:
    assert support.judge("it", ends, date(2027, 1, 1)) == found


def test_what_runs_in_aws_and_what_speaks_to_it_is_judged_each_by_its_own_end(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {NAMES.function("reminder"): "python3.13", NAMES.function("dead-man"): "python3.99"}
    monkeypatch.setattr(support, "judge", lambda what, ends: ok(what, str(ends)))
    monkeypatch.setattr(support.sys, "version_info", (3, 11, 7))

    def runtime(FunctionName: str) -> dict[str, str]:
        return {"Runtime": used[FunctionName]}

    answers = {"lambda.get_function_configuration": runtime}
    assert look(support.check_support, answers, aws_functions_deployed=["dead-man", "reminder"]) == [
        ok("the functions' runtime python3.13", "2029-06-30"),
        ok("the functions' runtime python3.99", "None"),
        ok("boto3 with Python 3.11 (this machine)", "2028-04-30"),
        ok("boto3 with Python 3.12 (hosts)", "2029-04-30"),
    ]


def bucket(*, there: Any = None, put: Any = None, status: str = "Enabled", **closed: bool) -> dict[str, Any]:
    blocked = {"PublicAccessBlockConfiguration": aws.BLOCKED | closed}
    return {
        "s3.head_bucket": there or {}, "s3.get_public_access_block": blocked, "s3.put_object": put or {},
        "s3.get_bucket_versioning": {"Status": status}, "s3.delete_object": {},
    }  # fmt: skip


def refusal(code: int) -> ClientError:
    return ClientError({"Error": {"Code": str(code)}, "ResponseMetadata": {"HTTPStatusCode": code}}, "x")  # type: ignore[typeddict-item]


def test_the_bucket_is_there_closed_versioned_and_refuses_what_could_replace_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(s3: Any, name: str) -> dict[str, Any]:
        kept = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        return {"public_access": kept, "versioning": s3.get_bucket_versioning(Bucket=name)["Status"]}

    def exists(s3: Any, name: str) -> bool:
        return bool(s3.head_bucket(Bucket=name) != "none")

    monkeypatch.setattr(aws, "bucket_exists", exists)
    monkeypatch.setattr(aws, "read_bucket", read)
    name = f"alpha-harvester-lab-{ACCOUNT}-ap-south-1"
    refuses = ok("bucket", f"{name} refuses a write that could replace something")
    is_open = fail("bucket", f"{name} is not closed to the public, or not versioned", SITE)
    for answers, found in (
        (bucket(there="none"), [fail("bucket", f"{name} is not there", SITE)]),
        (bucket(put=refusal(403)), [refuses]),
        (bucket(put=refusal(403), status="Suspended"), [is_open, refuses]),
        (bucket(put=refusal(403), BlockPublicAcls=False), [is_open, refuses]),
        (bucket(), [fail("bucket", f"{name} took a write without a condition", SITE)]),
    ):
        account: Any = Aws(answers)
        assert list(aws.check_bucket(Environment(VARIABLES, NAMES, account), ACCOUNT)) == found
        assert all(arguments["Bucket"] == name for _, arguments in account.asked)
        wrote = [arguments for operation, arguments in account.asked if operation == "s3.put_object"]
        assert wrote in ([], [{"Bucket": name, "Key": "lake/.doctor", "Body": b""}])
    with pytest.raises(ClientError):
        look(aws.check_bucket, bucket(put=refusal(500)))


PREFIX = "/alpha-harvester/lab"


@pytest.mark.parametrize(
    ("variables", "stored", "found"),
    [
        ({}, (), ("token", "/fyers/access-token is not stored", "token-push")),
        ({}, ("fyers/access-token",), None),
        ({"aws_identity_schwab": "ssm"}, ("fyers/access-token",), (
            "token", "/schwab/access-token is not stored", "token-push",
        )),
        ({"aws_identity_schwab": "ssm"}, ("schwab/access-token",), (
            "token", "/schwab/app-secret is not stored, so no host can renew the access token",
            "secret-put --name schwab-app-secret",
        )),
        ({"aws_identity_schwab": "ssm"}, ("schwab/access-token", "schwab/app-secret"), None),
    ],
)  # fmt: skip
def test_the_token_is_stored_and_encrypted_and_of_schwab_what_renews_it(
    variables: dict[str, str], stored: tuple[str, ...], found: tuple[str, str, str] | None
) -> None:
    def there(kind: str) -> dict[str, Any]:
        def describe(ParameterFilters: Any) -> dict[str, Any]:
            assert ParameterFilters == [{"Key": "Path", "Option": "Recursive", "Values": [PREFIX]}]
            return {"Parameters": [{"Name": f"{PREFIX}/{name}", "Type": kind} for name in stored]}

        return {"ssm.describe_parameters": describe}

    [made] = look(aws.check_secrets, there("SecureString"), aws_functions_deployed=["reminder"], **variables)
    if found:
        name, said, command = found
        assert made == warn(name, PREFIX + said, f"./inv {command} --inventory inventory/aws")
    else:
        assert made == ok("token", f"{PREFIX}/{stored[0]} is stored, encrypted")
    [plain] = look(aws.check_secrets, there("String"), aws_functions_deployed=["reminder"], **variables)
    assert plain.level == "warn" and plain.name == "token"


def test_schwabs_login_may_be_in_secrets_manager_and_the_page_and_the_door_have_secrets_of_their_own() -> None:
    def listed(*names: str) -> dict[str, Any]:
        return {"Parameters": [{"Name": f"{PREFIX}/{name}", "Type": "SecureString"} for name in names]}

    name = "schwab-api-token-lab"
    for there, is_stored in (("schwab-api-token-lab-2", False), (name, True)):
        answers = {"ssm.describe_parameters": listed("schwab/app-secret")}
        answers |= {"secretsmanager.list_secrets": {"SecretList": [{"Name": there}]}}
        wanted: dict[str, Any] = {"aws_identity_schwab": "secretsmanager", "aws_functions_deployed": ["reminder"]}
        missing = warn("token", f"{name} is not stored", "./inv token-push --inventory inventory/aws")
        kept = ok("token", f"{name} is stored, encrypted")
        assert look(aws.check_secrets, answers, **wanted) == [kept if is_stored else missing]

    wanted = {"aws_functions_deployed": ["token-page", "worker-door"], "aws_functions_worker_door": True}
    page, door = "is not stored, so no login works there", "is not stored, so the door lets no worker in"
    answers = {"ssm.describe_parameters": listed("fyers/access-token")}
    put = "./inv secret-put --name {} --inventory inventory/aws"
    assert look(aws.check_secrets, answers, **wanted)[1:] == [
        warn("token page", f"{PREFIX}/fyers/app-secret {page}", put.format("app-secret")),
        warn("token page", f"{PREFIX}/token-page/signing-key {page}", put.format("page-key")),
        warn("worker door", f"{PREFIX}/workers/door-tokens {door}", put.format("worker-tokens") + " < FILE"),
    ]
    every = ("fyers/access-token", "fyers/app-secret", "token-page/signing-key", "workers/door-tokens")
    assert len(look(aws.check_secrets, {"ssm.describe_parameters": listed(*every)}, **wanted)) == 1


def test_functions_of_the_price_feed_are_called_with_a_time_at_night_in_india(monkeypatch: pytest.MonkeyPatch) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Then":
            return cls(2026, 11, 16, 20, 30, 5, tzinfo=UTC).astimezone(tz)

    called: dict[str, bytes] = {}

    def invoke(FunctionName: str, Payload: bytes) -> dict[str, Any]:
        called[FunctionName] = Payload
        return {}

    monkeypatch.setattr(aws, "datetime", Then)
    monkeypatch.setattr(aws, "deployed", lambda _: ["ingestion", "token-refresh", "etl"])
    assert [each.name for each in look(aws.check_functions, {"lambda.invoke": invoke})] == ["ingestion", "etl"]
    at_night = b'{"now": "2026-11-17T03:00:05+05:30"}'
    assert called == {NAMES.function("ingestion"): at_night, NAMES.function("etl"): at_night}


def test_a_trail_that_keeps_calls_is_named_and_one_that_is_off_comes_with_the_command() -> None:
    def trail(name: str, everywhere: bool) -> dict[str, Any]:
        return {"Name": name, "TrailARN": f"arn:{name}", "IsMultiRegionTrail": everywhere}

    def status(Name: str) -> dict[str, bool]:
        return {"IsLogging": Name in on}

    on: set[str] = set()
    answers = {
        "cloudtrail.describe_trails": {"trailList": [trail("a", False), trail("b", True), trail("c", True)]},
        "cloudtrail.get_trail_status": status,
    }
    none = fail("trail", "there is none of all regions, so calls are not kept", production.TRAIL)
    assert look(production.check_trail, {"cloudtrail.describe_trails": {"trailList": [trail("a", False)]}}) == [none]
    off = "b, c is switched off, so calls are not kept"
    assert look(production.check_trail, answers) == [fail("trail", off, "aws cloudtrail start-logging --name b")]
    on |= {"arn:a", "arn:c"}
    assert look(production.check_trail, answers) == [ok("trail", "c keeps all calls, of every region")]


def test_the_checks_of_production_in_an_account_come_in_their_order_and_a_refusal_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account: Any = Aws({"sts.get_caller_identity": {"Account": ACCOUNT}})
    here = Environment(VARIABLES | {"aws_account_id": ""}, NAMES, account)
    loaded: list[Any] = []
    monkeypatch.setattr(production.environments, "load_managed", lambda *given: loaded.append(given) or here)
    monkeypatch.setattr(production, "attempt", lambda check, of, number: [ok(check.__name__, f"{of is here} {number}")])
    checks = ("check_topic", "check_roles", "check_trail", "check_tags")
    assert list(production.examine_account(Path("/root"), "mine")) == [ok(name, f"True {ACCOUNT}") for name in checks]
    assert loaded == [(Path("/root"), "mine")]

    def refuse(*_: Any) -> None:
        raise ConfigError("no inventory")

    monkeypatch.setattr(production.environments, "load_managed", refuse)
    assert list(production.examine_account(Path("/root"), None)) == [fail("account", "no inventory", "See there.")]


def test_tags_are_read_of_the_functions_that_are_there_and_of_the_disks_of_the_hosts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = dict(NAMES.tags)
    monkeypatch.setattr(production, "find_disks", lambda *_: [{"id": "vol-1", "tags": ours}])
    monkeypatch.setattr(production, "read_role", lambda _, role: {"tags": ours} if role == NAMES.role("host") else None)
    monkeypatch.setattr(production, "bucket_exists", lambda *_: False)
    monkeypatch.setattr(production, "read_log_group", lambda _, group: {"tags": ours | {"more": group}})
    monkeypatch.setattr(production, "read_group", lambda _, group: {"Project": group})
    one = NAMES.function("reminder")
    answers = instances(instance("i-1")) | {
        "lambda.list_functions": {"Functions": [{"FunctionName": one, "FunctionArn": "arn:f"}]},
        "lambda.list_tags": lambda Resource: {"Tags": ours | {"arn": Resource}},
        "sns.list_topics": {"Topics": [{"TopicArn": f"arn:x:{NAMES.topic}"}, {"TopicArn": f"arn:x:my-{NAMES.topic}"}]},
        "sns.list_tags_for_resource": lambda ResourceArn: {"Tags": [{"Key": "arn", "Value": ResourceArn}]},
    }
    account: Any = Aws(answers)
    here = Environment(VARIABLES | {"aws_functions_deployed": ["reminder", "dead-man"]}, NAMES, account)
    groups = ("/alpha-harvester/lab/hosts", f"/aws/lambda/{NAMES.function('dead-man')}", f"/aws/lambda/{one}")
    found = list(production._tags(here, ACCOUNT))
    assert [what for what, _ in found] == [
        "i-1", "vol-1", NAMES.role("host"), one, *groups, NAMES.topic, NAMES.schedule_group,
    ]  # fmt: skip
    tags = dict(found)
    assert tags["i-1"] == {"Name": HOST} and tags[one] == ours | {"arn": "arn:f"}
    assert tags[NAMES.topic] == {"arn": f"arn:x:{NAMES.topic}"} and tags[NAMES.schedule_group] == {
        "Project": "alpha-harvester-lab"
    }
    lacking = f"i-1, {NAMES.topic}, {NAMES.schedule_group} lack tags of this environment"
    assert list(production.check_tags(here, ACCOUNT)) == [fail("tags", lacking, SITE)]
    asked = [given for name, given in account.asked if name == "ec2.describe_instances" and "Filters" in given]
    assert asked[0]["Filters"] == [
        {"Name": "tag:Name", "Values": [HOST, "other"]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
