"""An account of the market us is planned, built, changed and destroyed: by New York's days, with Schwab's login."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.aws.account import NAMES, ROOT, Cloud, as_account
from tests.us.test_us_settings import APP

from harvester.base.aws_names import FUNCTIONS
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import entered
from lab.aws.server import ACCOUNT, REGION
from runbook.aws import archives, destroy, environment
from runbook.aws.functions import OF_FYERS, chosen
from runbook.aws.leftovers import left_with_tags
from runbook.aws.schedules import read_schedules
from runbook.aws.teardown import plan
from runbook.doctor import aws as checks

US = {
    "harvester_market": "us",
    "aws_host_symbols": ["QQQ"],
    "schwab_app_id": APP,
    "schwab_redirect_uri": "https://127.0.0.1:8182",
    "aws_identity_database": {"live": True},
    "aws_identity_rows_namespace": "AlphaKiteMax/RealTimeStreaming",
    "aws_watch_rows_tickers": ["QQQ"],
}
"""Beside what `configure` writes, broker_account and broker_refresh of Fyers among it."""
IN_MANAGER = {"aws_identity_schwab": "secretsmanager"}
DEPLOYED = ["dead-man", "morning", "evening", "reminder"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account that the tests use one after the other."""
    made = Cloud(tmp_path_factory.mktemp("us"))
    say(made, **US)
    yield made
    made.close()


@pytest.fixture
def here(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[environment.Environment]:
    as_account(cloud, monkeypatch)
    loaded = environment.load(ROOT, str(cloud.inventory))
    with environment.reaching(loaded):
        yield loaded


def say(cloud: Cloud, **variables: Any) -> None:
    """Have the inventory say this from here on."""
    file = cloud.inventory / "group_vars/all.yml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text("utf-8")) | variables), encoding="utf-8")


def rights(cloud: Cloud, sid: str) -> tuple[list[str], str]:
    """Actions and the last part of the resource of a statement of the host's role; none: it has no such statement."""
    iam, role = cloud.client("iam"), NAMES.role("host")
    [policy] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    found = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]["Statement"]
    [one] = [one for one in found if one["Sid"] == sid] or [{"Action": [], "Resource": ""}]
    return [*one["Action"]], str(one["Resource"]).rpartition(":")[2]


@pytest.mark.long
def test_a_check_of_the_empty_account_makes_nothing_and_refuses_nothing(cloud: Cloud) -> None:
    check = cloud.run("--check", "--diff")

    assert (check.code, check.failed, plan(cloud, NAMES, ACCOUNT)) == (0, {}, [])
    assert "aws_functions : Deploy the functions" in check.changed


def test_one_run_builds_it(cloud: Cloud) -> None:
    first = cloud.run()

    assert (first.code, first.failed) == (0, {})
    assert "aws_watch : Settle what watches" in first.changed


def test_functions_are_those_that_know_no_broker_but_schwab(cloud: Cloud) -> None:
    listed = cloud.client("lambda").list_functions()["Functions"]
    ours = {role["RoleName"] for role in cloud.client("iam").list_roles()["Roles"]}

    assert {one["FunctionName"] for one in listed} == {NAMES.function(name) for name in DEPLOYED}
    assert not ours & {NAMES.role(name) for name in OF_FYERS}
    [variables] = [
        one["Environment"]["Variables"] for one in listed if one["FunctionName"] == NAMES.function("reminder")
    ]
    assert variables["LOGIN"] == f"ssm:{NAMES.parameter('schwab_access_token')}"
    assert "PAGE_FUNCTION" not in variables


def test_schedules_and_functions_go_by_new_yorks_days(cloud: Cloud) -> None:
    schedules = read_schedules(cloud.client("scheduler"), NAMES.schedule_group)
    with zipfile.ZipFile(cloud.folder / "functions/morning.zip") as archive:
        sessions = json.loads(archive.read("sessions.json"))["sessions"]

    assert {*schedules} == {*DEPLOYED}
    assert {one["ScheduleExpressionTimezone"] for one in schedules.values()} == {"America/New_York"}
    opens, closes, evening = next(iter(sessions.values()))
    assert (opens[10:19], evening[10:19]) == ("T09:30:00", "T16:15:00" if closes[11:13] == "16" else "T13:15:00")
    assert opens[19:] in ("-05:00", "-04:00")


def test_the_alarm_on_rows_watches_what_a_host_counts(cloud: Cloud) -> None:
    [alarm] = cloud.client("cloudwatch").describe_alarms(AlarmNames=[NAMES.alarm("rows-QQQ")])["MetricAlarms"]

    assert {one["Name"]: one["Value"] for one in alarm["Dimensions"]} == {"Environment": NAMES.stem, "Ticker": "QQQ"}
    assert (alarm["MetricName"], alarm["Period"], alarm["EvaluationPeriods"]) == ("DataPointsFetched", 900, 1)


@pytest.mark.long
def test_the_second_run_changes_nothing(cloud: Cloud, figure: Callable[..., None]) -> None:
    second = cloud.run()

    figure("us_second_run_changed", len(second.changed), bound="== 0", unit="tasks", gate=True)
    assert second.failed == {}


def secrets_of(here: environment.Environment) -> list[tuple[str, str]]:
    return [(one.level, one.fix) for one in checks.check_secrets(here, ACCOUNT)]


def test_the_doctor_asks_for_schwabs_login_and_the_apps_secret(cloud: Cloud, here: environment.Environment) -> None:
    ssm, push = cloud.client("ssm"), "./inv token-push --inventory inventory/aws"
    assert secrets_of(here) == [("warn", push)]

    ssm.put_parameter(Name=NAMES.parameter("schwab_access_token"), Value="{}", Type="SecureString")
    assert secrets_of(here) == [("warn", "./inv secret-put --name schwab-app-secret --inventory inventory/aws")]
    ssm.put_parameter(Name=NAMES.parameter("schwab_app_secret"), Value="s", Type="SecureString")
    assert secrets_of(here) == [("ok", "")]


@pytest.mark.long
def test_another_store_of_the_login_changes_rights_and_function_alone(cloud: Cloud) -> None:
    assert rights(cloud, "RenewTheToken")[0] == ["ssm:GetParameter", "ssm:PutParameter"]
    say(cloud, **IN_MANAGER)

    check, run = cloud.run("--check"), cloud.run()

    assert run.failed == {}
    changed = ["aws_identity : Give each role its policy", "aws_functions : Deploy the functions"]
    assert run.changed == check.changed == changed
    actions, secret = rights(cloud, "RenewTheToken")
    assert actions == ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
    assert secret.startswith(NAMES.schwab_secret)
    assert rights(cloud, "ReadTheAppsSecret")[1].endswith(NAMES.parameter("schwab_app_secret"))


def test_the_doctor_asks_the_store_that_is_used(cloud: Cloud, here: environment.Environment) -> None:
    here = replace(here, variables={**here.variables, **IN_MANAGER})
    assert [level for level, _ in secrets_of(here)] == ["warn"], "the login of SSM is not it"

    cloud.client("secretsmanager").create_secret(Name=NAMES.schwab_secret, SecretString="{}")
    assert secrets_of(here) == [("ok", "")]


def test_destroy_lists_and_removes_the_login_with_all_else(
    cloud: Cloud, here: environment.Environment, figure: Callable[..., None]
) -> None:
    here = replace(here, variables={**here.variables, **IN_MANAGER})
    manager, other = cloud.client("secretsmanager"), f"{NAMES.schwab_secret}2"
    manager.create_secret(Name=other, SecretString="of another environment")
    doomed = plan(cloud, NAMES, ACCOUNT, secrets=here.secrets)

    assert ("secret", NAMES.schwab_secret) in [(one.kind, one.name) for one in doomed]
    with pytest.raises(HarvesterError, match=f"Not everything is gone: .*secret {NAMES.schwab_secret}"):
        destroy.check_gone(here, ACCOUNT)
    destroy.remove(doomed, lambda _: None)
    destroy.check_gone(here, ACCOUNT)

    left = left_with_tags(here.account, NAMES)
    figure("us_tagged_resources_left", len(left), bound="== 0", unit="resources", gate=True)
    assert left == []
    assert [one["Name"] for one in manager.list_secrets()["SecretList"]] == [other]


@pytest.mark.parametrize("function", sorted(OF_FYERS))
def test_a_function_of_the_other_broker_is_refused_in_this_market(function: str) -> None:
    means = {"account": "XX00000", "refresh": True, "market": "us"}
    assert chosen([], **means) == DEPLOYED
    with pytest.raises(ConfigError, match=f"{function} asks Fyers, .*market us. Leave it out"):
        chosen([function, *DEPLOYED], **means)


def test_candles_by_functions_are_refused_in_this_market() -> None:
    with pytest.raises(ConfigError, match=r"aws_functions_feed_symbols: .*the market nse alone\. Name none"):
        chosen([], account="", refresh=False, feed=True, market="us")
    assert {*chosen([], account="X", refresh=True, feed=True, door=True)} == {*FUNCTIONS}


@pytest.mark.parametrize(
    ("variables", "action", "login"),
    [
        ({}, "ssm:GetParameter", f":ssm:{REGION}:{ACCOUNT}:parameter{NAMES.parameter('access_token')}"),
        (
            {"harvester_market": "us", "aws_identity_schwab": "{{ the default }}"},
            "ssm:GetParameter",
            f":ssm:{REGION}:{ACCOUNT}:parameter{NAMES.parameter('schwab_access_token')}",
        ),
        (IN_MANAGER, "secretsmanager:GetSecretValue", f":secret:{NAMES.schwab_secret}-AbCdEf"),
    ],
    ids=["fyers", "ssm", "secretsmanager"],
)
def test_the_doctor_has_aws_judge_the_right_to_the_login_that_is_used(
    variables: dict[str, Any], action: str, login: str
) -> None:
    asked: list[tuple[str, str, str]] = []

    def simulate(PolicySourceArn: str, ActionNames: list[str], ResourceArns: list[str]) -> Any:
        [one], [arn] = ActionNames, ResourceArns
        asked.append((PolicySourceArn.rpartition("/")[2], one, arn))
        return {"EvaluationResults": [{"EvalDecision": "implicitDeny"}]}

    client: Any = SimpleNamespace(simulate_principal_policy=simulate)
    account: Any = SimpleNamespace(client=lambda _: client)
    [finding] = checks.check_rights(environment.Environment(variables, NAMES, account), ACCOUNT)

    [arn] = [arn for role, one, arn in asked if role == NAMES.role("host") and arn.endswith(login)]
    assert f"host may not {action};" in finding.detail
    assert (NAMES.role("host"), action, arn) in asked


def test_an_unknown_market_is_said_before_an_archive_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"market": "uk", "hosts": [], "feed": []})))
    with pytest.raises(ConfigError, match=r"harvester_market is 'uk'\. Write one of nse, us"):
        archives.main([str(ROOT / "files/functions"), str(tmp_path), ""])
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(("market", "opens"), [("us", "09:30:00-0"), ("nse", "09:00:00+05:30")])
def test_the_build_goes_by_the_market_that_it_is_told(
    market: str, opens: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    symbols = {"us": ["QQQ"], "nse": ["NSE:SBIN-EQ"]}[market]
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"market": market, "hosts": symbols, "feed": []})))
    with entered("nse"):
        archives.main([str(ROOT / "files/functions"), str(tmp_path), ""])

    built = json.loads(capsys.readouterr().out)["archives"]
    with zipfile.ZipFile(built["evening"]) as archive:
        sessions = json.loads(archive.read("sessions.json"))["sessions"]
    assert opens in {session[0][11 : 11 + len(opens)] for session in sessions.values()}
    assert "token-page" in built, "every archive is made; which are deployed the account's look says"
