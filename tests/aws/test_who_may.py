"""The runbook's table: each command as the operator and as the administrator, with hosts awake and asleep."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from invoke.context import MockContext
from invoke.exceptions import Exit
from tests.aws.account import NAMES, ROOT, Cloud, as_account
from tests.aws.backups import upload_backup
from tests.aws.rendering import render
from tests.aws.test_operator_role import ANYBODY, judged_by
from tests.contract.test_tasks import TASKS
from tests.operator.support.made_lake import LakeMaker
from tests.recorder.fakes import make_token

from harvester.base.market import midnight_ns
from harvester.base.redaction import Secret
from harvester.tokens.claims import read_claims
from lab.aws.policies import Call, Decision, evaluate
from lab.aws.server import ACCOUNT, IMAGE, REGION
from runbook.aws import environment, sleepers
from runbook.fleet import inventory, keys, logs, playbook, tunnel
from runbook.fleet.ssh import SshConnection
from runbook.pull.transport import LocalTransport
from runbook.tokens import token_push
from runbook.tokens.broker_login import Obtained

NAME = NAMES.host(1)
ROW = re.compile(r"^\| `([a-z0-9 -]+)` \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", re.MULTILINE)
CELLS = [(role, state) for role in ("operator", "admin") for state in ("awake", "asleep")]
TABLE = [
    pytest.param(command, *cell, expected, id=f"{command}-{'-'.join(cell)}")
    for command, *found in ROW.findall((ROOT / "docs/runbook.md").read_text("utf-8"))
    for cell, expected in zip(CELLS, found, strict=True)
]
YES = ("cleanup", "rotate-ssh-key", "wake", "allow-me", "athena-tables", "replace-host", "destroy")
BACKUPS = f"s3://{NAMES.bucket(ACCOUNT)}/database/"
OPTIONS: dict[str, dict[str, Any]] = {
    "backfill": {"since": "2026-11-02", "until": "2026-11-03"},
    "run-job": {"name": "sync"},
    "worker": {"name": "colab", "pause": True},
    "secret-put": {"name": "app-secret"},
    "allow-me": {"network": "203.0.113.9/32"},
    "replace-host": {"host": NAME},
    "pull-data --from s3": {"from_": "s3"},
    "pull-database": {"place": BACKUPS, "database": "mydb"},
    "restore": {"place": BACKUPS, "database": "mydb", "to": "2026-11-20"},
}
SUNDAY_NS = midnight_ns(date(2026, 11, 22))
REPORT = {"healthy": True, "checks": [], "status": {}, "token_version": "ssm:2"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(tmp_path_factory.mktemp("who"))
    made.client("ec2").create_security_group(GroupName=NAMES.security_group, Description="x")
    bucket: Any = {"LocationConstraint": REGION}
    made.client("s3").create_bucket(Bucket=NAMES.bucket(ACCOUNT), CreateBucketConfiguration=bucket)
    upload(made, make_lake(tmp_path_factory.mktemp("uploaded")))
    upload_backup(made, tmp_path_factory.mktemp("backups"))
    yield made
    made.close()


def make_lake(folder: Path) -> Path:
    """A lake with a closed day."""
    LakeMaker(folder / "lake").add_day("2026-11-20")
    return folder / "lake"


def upload(place: Cloud, lake: Path) -> None:
    for file in (found for found in lake.rglob("*") if found.is_file()):
        key = f"lake/{file.relative_to(lake)}".replace("manifest.json", "manifest-1.json")
        place.client("s3").put_object(Bucket=NAMES.bucket(ACCOUNT), Key=key, Body=file.read_bytes(), IfNoneMatch="*")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("operator")
    roles = render(folder, "__aws_identity_roles", backups=["database/"])["__aws_identity_roles"]
    [found] = [role["policy"] for role in roles if role["name"] == NAMES.role("operator")]
    return found


@pytest.fixture(scope="module")
def answers(place: Cloud) -> dict[str, Any]:
    """What Ansible says of the inventory, asked once: all variables of the host and of this machine."""
    run_instance(place)
    with pytest.MonkeyPatch.context() as patch:
        as_account(place, patch)
        asked: dict[str, Any] = {}
        names = set(inventory.CONNECTION_VARIABLES) | set(inventory.OPERATOR_VARIABLES)
        asked |= inventory.ask_ansible(ROOT, str(place.inventory), None, inventory.GROUP, sorted(names))
        names = {"aws_account_managed", "aws_account_region", "aws_endpoint_url", "broker_account", "broker_refresh"}
        names |= environment.load(ROOT, str(place.inventory)).variables.keys()
        asked |= inventory.ask_ansible(ROOT, str(place.inventory), None, "localhost", sorted(names))
    return asked


def run_instance(place: Cloud) -> str:
    """A host of ours that runs."""
    tags = [{"Key": key, "Value": value} for key, value in {**NAMES.tags, "Name": NAME}.items()]
    wanted: Any = [{"ResourceType": "instance", "Tags": tags}]
    made = place.client("ec2").run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=1, InstanceType="t3.micro", TagSpecifications=wanted
    )
    return str(made["Instances"][0]["InstanceId"])


@pytest.fixture
def world(
    place: Cloud, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], None]:
    """An account with one host in that state; SSH, playbooks and the broker's login are stand-ins."""

    def build(state: str) -> None:
        as_account(place, monkeypatch)
        ec2 = place.client("ec2")
        found = [one for group in ec2.describe_instances()["Reservations"] for one in group["Instances"]]
        alive = [one["InstanceId"] for one in found if one["State"]["Name"] in ("running", "stopped")]
        identity = alive[0] if alive else run_instance(place)
        (ec2.stop_instances if state == "asleep" else ec2.start_instances)(InstanceIds=[identity])
        for version in (1, 2):
            place.client("ssm").put_parameter(
                Name=NAMES.parameter("access_token"),
                Value=make_token(4_000_000_000 + version),
                Type="SecureString",
                Overwrite=True,
            )

        def ask(_: Any, __: Any, ___: Any, pattern: str, names: Any, **____: Any) -> dict[str, Any]:
            hosts = [name for name in answers if (name == "localhost") == (pattern == "localhost")]
            now = {"harvester_asleep": sleeps(place), "broker_redirect_uri": "http://127.0.0.1:8080/"}
            return {name: {one: now.get(one, answers[name].get(one)) for one in names} for name in hosts}

        for module in (inventory, environment):
            monkeypatch.setattr(module, "ask_ansible", ask)
        stand_ins(monkeypatch, tmp_path)
        answer_invocations(monkeypatch)

    return build


def answer_invocations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function that notify-test calls says that the topic took its message: moto runs no functions."""
    through = BaseClient._make_api_call

    def call(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
        if operation == "Invoke":
            return {"Payload": io.BytesIO(b'{"test": [["topic", ""]]}')}
        return through(client, operation, asked)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


def sleeps(place: Cloud) -> bool:
    found = place.client("ec2").describe_instances()["Reservations"]
    return any(one["State"]["Name"] == "stopped" for group in found for one in group["Instances"])


def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a command does beyond AWS."""
    token = Secret(make_token(4_000_000_009))
    done = subprocess.CompletedProcess([], 0, json.dumps(REPORT).encode(), b"")
    monkeypatch.setattr(SshConnection, "run", lambda *_, **__: done)
    # The table is of hours outside sessions, and this may run in one.
    monkeypatch.setattr(sleepers, "judge", partial(sleepers.judge, wall_ns=SUNDAY_NS))
    monkeypatch.setattr("runbook.fleet.deliveries.deliver", lambda *_: ([], ""))
    monkeypatch.setattr("runbook.fleet.dues.ask", lambda *_: {"entries": [], "settled": True})
    monkeypatch.setattr("runbook.fleet.workers.overseers", lambda hosts: hosts)
    monkeypatch.setattr("runbook.fleet.workers.gather", lambda *_: [])
    monkeypatch.setattr("runbook.fleet.workers._names", lambda _: ["colab"])
    monkeypatch.setattr("runbook.fleet.jobs.gather", lambda *_: [])
    monkeypatch.setattr("runbook.fleet.jobs.run_now", lambda *_: {"result": "ok"})
    monkeypatch.setattr("runbook.tasks.jobs_table.show_record", lambda *_: None)
    for step in ("order", "begin"):
        monkeypatch.setattr(f"runbook.fleet.backfill.{step}", lambda *_: None)
    monkeypatch.setattr("runbook.fleet.backfill.follow", lambda *_: {"state": "done", "refused": []})
    for shown in ("show_plan", "show_result"):
        monkeypatch.setattr(f"runbook.tasks.backfill_table.{shown}", lambda *_: None)
    monkeypatch.setattr(playbook, "run", lambda *_, **__: None)
    monkeypatch.setattr(logs, "show", lambda *_, **__: None)
    monkeypatch.setattr("runbook.fleet.live_page.prove", lambda *_: None)
    monkeypatch.setattr("runbook.fleet.live_page.relay", lambda *_: None)
    monkeypatch.setattr(tunnel, "open_tunnel", lambda *_: subprocess.Popen(["true"]))
    monkeypatch.setattr(tunnel, "follow", lambda *_: None)
    monkeypatch.setattr(keys, "shared_key", lambda _: tmp_path / "key")
    monkeypatch.setattr(keys, "rotate", lambda *_: tmp_path / "key")
    monkeypatch.setattr(token_push, "obtain", lambda *_, **__: Obtained(token, read_claims(token)))
    monkeypatch.setattr("runbook.tokens.adoption.wait", lambda *_, **__: ())
    monkeypatch.setattr("runbook.pull.cleanup.run", lambda *_, **__: None)
    monkeypatch.setattr("runbook.aws.allow.remember", lambda *_: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("a-secret"))

    # The bucket's half of pull-database and restore; PostgreSQL's is in tests/database.
    monkeypatch.setattr("runbook.database.pull.choose", lambda *_: None)
    monkeypatch.setattr("runbook.database.pull._wanted", lambda _, backups, __: backups)
    for step in ("_merge_all", "restore"):
        monkeypatch.setattr(f"runbook.database.pull.{step}", lambda *_: None)
    monkeypatch.setattr("runbook.database.pull.switch", lambda *_: "")

    lake = make_lake(tmp_path)

    def connect(host: Any) -> Any:
        return lambda: LocalTransport(host.name, lake)

    for module in ("runbook.pull.sources", "runbook.aws.destroy"):
        monkeypatch.setattr(f"{module}.connect_to", connect)
    monkeypatch.setattr("runbook.aws.destroy.find_risks", lambda *_, **__: [])


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, policy: Any) -> Callable[[str], None]:
    """From now on each call of this process is judged by the role's policy; an administrator's is not."""

    def begin(role: str) -> None:
        through = BaseClient._make_api_call

        def call(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
            action = f"{client.meta.service_model.service_name}:{operation}"
            calls = [] if action in ANYBODY else resources(action, asked)
            if any(evaluate([policy], one) != Decision.ALLOW for one in calls):
                said: Any = {"Error": {"Code": "AccessDenied", "Message": f"is not authorized to perform: {action}"}}
                raise ClientError(said, operation)
            return through(client, operation, asked)

        if role == "operator":
            monkeypatch.setattr(BaseClient, "_make_api_call", call)

    return begin


def resources(action: str, asked: dict[str, Any]) -> list[Call]:
    """What AWS judges a call by."""
    service, _, operation = action.partition(":")
    tags = {f"aws:ResourceTag/{key}": value for key, value in NAMES.tags.items()}
    if service == "ec2" and operation.startswith("Describe"):
        return [Call(action)]
    if service == "ec2":
        instance = asked.get("InstanceId") or asked.get("InstanceIds", [""])[0]
        kind = f"security-group/{asked['GroupId']}" if "GroupId" in asked else f"instance/{instance}"
        return [Call(action, f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}", tags)]
    if service == "ssm" and "Name" in asked:  # a version is chosen by a suffix, and is no resource of its own
        asked = {**asked, "Name": asked["Name"].partition(":")[0]}
    if action == "lambda:Invoke":  # the one operation whose right has another name
        return [Call("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{asked['FunctionName']}")]
    if service in ("s3", "glue", "lambda", "sns", "ssm", "secretsmanager") and action != "s3:HeadBucket":
        return judged_by(action, asked)
    return [Call(action)]


@pytest.mark.parametrize(("command", "role", "state", "expected"), TABLE)
def test_the_table_of_commands_states_and_roles(
    command: str,
    role: str,
    state: str,
    expected: str,
    place: Cloud,
    world: Callable[[str], None],
    judged: Callable[[str], None],
    tmp_path: Path,
) -> None:
    world(state)
    judged(role)
    name = command.split()[0]
    options = dict(OPTIONS.get(command, {}), inventory=str(place.inventory))
    if name in YES:
        options["yes"] = True
    if name in ("pull-data", "pull-database", "restore", "cleanup", "replace-host", "destroy"):
        options["output"] = str(tmp_path / "pulled")

    code, said = 0, ""
    try:
        TASKS[name](MockContext(), **options)
    except Exit as ended:
        code, said = int(ended.code), str(ended.message)

    found = "wake" if "./inv wake" in said else "admin" if "may not call" in said or "not authorized" in said else "yes"
    assert (found, code == 0) == (expected, expected == "yes"), said


def test_the_table_has_each_command_that_acts_on_hosts_or_account() -> None:
    apart = {"bench", "calendar-update", "configure", "demo", "doctor", "export", "index-update", "lab-down", "lab-up"}
    apart |= {"mutants", "query", "test", "token-page", "verify-data"}
    apart.add("site")  # the account's modules, not the command, ask AWS: an administrator's work (test_provision)

    assert {param.values[0].split()[0] for param in TABLE} == set(TASKS) - apart  # type: ignore[union-attr]
