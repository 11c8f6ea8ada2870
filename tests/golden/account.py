"""What the roles aws_* put into an account, as Ansible renders it: what watches it, tasks' arguments, each right."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from tests.aws_days.rendering import HOSTS, NAMES, ROOT, render
from tests.golden.steps import AROUND

from harvester.base.aws_names import FUNCTIONS
from lab.aws.server import ACCOUNT
from runbook.aws.account import describe

ROLES = ("account", "baseline", "identity", "storage", "host", "functions", "watch")
QUIET = ("assert", "debug", "import_tasks", "meta", "set_fact")
LISTED = ("alarms", "dashboard_body", "schedules", "assume_role_policy_document", "policy_json", "policy")
"""Arguments that have a list of their own here."""
[HOST] = [*HOSTS][:1]
LOOK = {
    "account": ACCOUNT, "partition": "aws", "names": describe(NAMES, ACCOUNT), "functions": [*FUNCTIONS],
    "image_id": "ami-1", "root_device": "/dev/sda1", "subnet_id": "subnet-1", "vpc_id": "vpc-1", "key": "",
    "instances": [], "addresses": {}, "subscriptions": [], "policies": {"x": ["added"]},
    "disks": [{"host": HOST, "id": "vol-1", "zone": "z", "gib": 8, "type": "gp2", "encrypted": True, "tags": {}}],
}  # fmt: skip
BEFORE = {
    "__aws_functions_archives": {"stdout": "{}"},
    "aws_functions_built": {"known_until": "2027-05-01", "archives": {name: f"{name}.zip" for name in FUNCTIONS}},
    "__aws_host_group": {"group_id": "sg-1"},
    "__aws_host_routes": {"route_tables": [{"id": "rtb-1"}]},
    "__aws_host_addressed": {"results": [{"public_ip": "203.0.113.1"}]},
    "__aws_host_key": "ssh-ed25519 A",
    "aws_host_ids": HOSTS,
}
"""What the tasks before would have found out."""
EVERYTHING: dict[str, Any] = {
    "ansible_check_mode": False, "ansible_playbook_python": "python", "aws_account_look": LOOK,
    "aws_host_names": [HOST], "aws_host_symbols": ["NSE:SBIN-EQ"],
    "aws_host_ssh_sources": ["203.0.113.7/32", "2001:db8::/64"],
    "aws_functions_feed_symbols": ["NSE:SBIN-EQ"], "aws_functions_feed_prefix": "feed/",
    "aws_functions_worker_door": True, "aws_identity_database": {"live": True}, "aws_identity_rclone": True,
    "aws_identity_disk_key": "arn:key", "aws_identity_secrets": ["database_password"],
    "aws_identity_rows_namespace": "Rows", "aws_identity_session_manager": True, "aws_storage_backups": ["db/"],
    "aws_storage_expire_days": 400, "aws_storage_price_feed": ["one/"], "aws_watch_email": "me@example.com",
    "aws_watch_rows_tickers": ["SPY"], "broker_account": "XX00000", "broker_app_id": "A-100", "broker_refresh": True,
}  # fmt: skip
"""Every option of an inventory."""
US = {
    "rights-us": {"harvester_market": "us"},
    "rights-us-secretsmanager": {"harvester_market": "us", "aws_identity_schwab": "secretsmanager"},
}
"""What accounts of the market us have beyond that, by where Schwab's login lies."""


def make() -> dict[str, str]:
    """The artefacts of an account with one host of a burstable type, and with every function and option."""
    found = render(aws_account_look=LOOK, aws_host_names=[HOST], aws_watch_rows_tickers=["SPY"])
    rows = {
        "alarms": found["alarms"].items(),
        "schedules": [(each.pop("name"), each) for each in found["schedules"]],
        "dashboard": [(each["properties"]["title"], each) for each in found["dashboard"]["widgets"]],
        "tasks": tasks(),
        "rights": rights(),
    }
    lines = {name: [_line(*row) for row in each] for name, each in rows.items()}
    for name, more in US.items():
        theirs = [_line(*row) for row in rights(**more)]
        lines[name] = [f"+ {line}" for line in theirs if line not in lines["rights"]]
        lines[name] += [f"- {line}" for line in lines["rights"] if line not in theirs]
    return {f"account/{name}.txt": "".join(each) for name, each in lines.items()}


def tasks() -> Iterator[tuple[str, Any]]:
    """Each task of the roles with its arguments, of a loop each turn; conditions are not of this list."""
    loader = DataLoader()
    for role in ROLES:
        for path in sorted((ROOT / f"roles/aws_{role}/tasks").glob("*.yml")):
            for task in loader.load_from_file(str(path), trusted_as_template=True):
                [module] = [key for key in task if "." in key or key.startswith("aws_")]
                if module.rpartition(".")[2] not in QUIET:
                    yield from turns(role, f"aws_{role}/{path.name} {task['name']}", task, module)


def turns(role: str, name: str, task: dict[str, Any], module: str) -> Iterator[tuple[str, Any]]:
    variables = known(role) | task.get("vars", {})
    items = rendered(role, task["loop"]) if "loop" in task else [None]
    wanted = {key: said for key, said in task[module].items() if key not in LISTED}
    for item in items:
        turn = {task["loop_control"]["loop_var"]: item} if "loop" in task else {}
        around = {key: task[key] for key in AROUND if key in task}
        yield name, {module: Templar(DataLoader(), variables | turn).template(wanted)} | around


def rights(**more: str) -> Iterator[tuple[str, Any]]:
    """Each statement of each role's policy and trust, and of the buckets' policies."""
    for name in ("storage", "baseline"):
        variables = known(name) | more
        document = Templar(DataLoader(), variables).template(variables[f"__aws_{name}_policy"])
        for statement in document["Statement"]:
            yield f"bucket of {name}", statement
    roles = trust_as_template("{{ __aws_identity_roles }}")
    for role in Templar(DataLoader(), known("identity") | more).template(roles):
        for kind in ("trust", "policy"):
            for statement in role[kind]["Statement"]:
                yield f"{role['name']} {kind}", statement


@cache
def rendered(role: str, text: str) -> Any:
    return Templar(DataLoader(), known(role)).template(text)


def known(role: str) -> dict[str, Any]:
    """The variables of the roles, as this one sees them."""
    found = {key: said for each in (*ROLES, role) for part in ("defaults", "vars") for key, said in read(each, part)}
    return found | {"role_path": f"{ROOT}/roles/aws_{role}"} | BEFORE | EVERYTHING


@cache
def read(role: str, part: str) -> list[tuple[str, Any]]:
    path = ROOT / f"roles/aws_{role}/{part}/main.yml"
    return [*DataLoader().load_from_file(str(path), trusted_as_template=True).items()] if path.is_file() else []


def _line(name: str, said: Any) -> str:
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, default=str)
    return f"{name}: {text.replace(str(ROOT), '/checkout')}\n"
