"""What the roles put on a host, as Ansible renders it: files with owner, mode and text, units, packages, commands.
And what they put into the account that watches it (`account`).

Nothing runs and no host is asked: variables are the inventory's, facts and answers of a bare host are given here.

Comments and empty lines are left out of the texts. Of a kind of host that is like another one, only what differs is
written: the texts that do, and the lines that its lists have more (+) and less (-).
"""

import gc
import json
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
os.environ |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LAB_STATE": "no-lab", "LC_ALL": "C.UTF-8"}

from ansible.inventory.manager import InventoryManager  # noqa: E402
from ansible.parsing.dataloader import DataLoader  # noqa: E402
from ansible.playbook import Playbook  # noqa: E402
from ansible.playbook.block import Block  # noqa: E402
from ansible.playbook.task import Task  # noqa: E402
from ansible.plugins.loader import init_plugin_loader  # noqa: E402
from ansible.template import Templar, trust_as_template  # noqa: E402
from ansible.vars.hostvars import HostVars  # noqa: E402
from ansible.vars.manager import VariableManager  # noqa: E402
from tests.compiled import keep_compiled  # noqa: E402
from tests.golden import account, steps  # noqa: E402

FILES = ("file", "copy", "template", "ini_file")
OTHERS = ("systemd_service", "apt", "command", "shell")
LISTS = ("files.txt", "units.txt", "packages.txt", "commands.txt")
QUIET = (
    "assert", "debug", "fail", "find", "getent", "include_role", "include_tasks", "meta", "package_facts", "setup",
    "stat", "wait_for_connection", "harvester_deployment", "harvester_units", "host_paths", "validate_argument_spec",
)  # fmt: skip
"""Modules that leave no file, or only links that say which deployment is current; the included role removes files."""
ALL_UNITS = trust_as_template("{{ __harvester_units | map(attribute='name') }}")
RELEASE = {"release": "0123456789ab", "wheelhouse": "/w/0.tar", "wheelhouse_id": "0", "wheel": "/w/1.whl"}
BARE_HOST: dict[str, Any] = {
    "ansible_managed": "Ansible managed",
    "ansible_check_mode": False,
    "ansible_run_tags": ["all"],
    "__harvester_built": {"stdout": json.dumps(RELEASE)},
    "__harvester_before": {"current": "", "previous": "", "releases": [], "broken": True, "status": {}},
    "__harvester_sysusers": {"changed": True},
    "__harvester_link": {"stat": {"exists": True}},
    "__harvester_now": {"reload": True, "unsettled": ALL_UNITS}
    | {key: [] for key in ("outdated", "rebuilt", "unknown", "foreign")},
    "__application_built": {"rc": 0, "stdout": json.dumps({"release": "ba9876543210", "archive": "/c/0", "moved": []})},
    "__application_link": {"stat": {"exists": False}},
    "__application_within": {"skipped": True},
    "__application_seen": {"results": []},
    "__application_timers": {"files": []},
    "__application_damage": {"rc": 3},
    "__application_prepared": {"rc": 0},
    "__application_switched": {"changed": True},
    "__application_active": {"stdout": "inactive"},
    "__application_schema": {"rc": 0, "stdout_lines": ["applied"]},
    "__application_now": {"rc": 1},
    "__application_pruned": {"stdout": ""},
    "__application_env_there": {"stat": {"exists": False}},
    "__application_env_kept": {"skipped": True},
    "__application_env_brought": {"changed": True},
    "__container_engine_compose": {"stdout": "2.26.1-4", "stderr": ""},
    "__database_backup_judged": {"rc": 0},
    "__database_backup_now": {"reload": True, "unsettled": ["harvester-deliver-database.timer"], "unknown": []},
    "__overseer_judged": {"rc": 0},
    "__overseer_found": {"files": []},
    "__overseer_now": {"reload": True, "outdated": [], "unknown": []}
    | {"unsettled": ["harvester-workers.timer", "harvester-worker-door.service"]},
    "__rclone_installed": {"stat": {"exists": False}},
    "__rclone_found": {"files": []},
    "__jobs_now": {"reload": True, "unsettled": [], "unknown": []},
    "__jobs_removed": {"changed": False},
    "__jobs_sysusers": {"changed": True},
    "__harvester_damage": {"skipped": True},
    "__harvester_way": {"cleared": []},
    "__host_baseline_zone": {"stdout": "Asia/Calcutta"},
    "__host_baseline_snapd": {"stat": {"exists": True}},
    "__host_baseline_snap_timer": {"stdout": ""},
    "__host_baseline_cloud_init": {"stat": {"exists": True}},
    "__host_baseline_swap": {"stdout": ""},
}  # fmt: skip
"""What the tasks before would have found out."""
FACTS: dict[str, Any] = {
    "distribution": "Ubuntu", "distribution_major_version": "24",
    "date_time": {"tz": "IST"}, "env": {}, "user_id": "ubuntu", "packages": {}, "architecture": "x86_64",
    "getent_passwd": {}, "getent_group": {}, "python": {"version": {"major": 3, "minor": 12}},
}  # fmt: skip
MACHINE = FACTS | {"virtualization_tech_guest": ["kvm"]}
CONTAINER = FACTS | {"virtualization_tech_guest": ["container", "systemd-nspawn"]}


class Kind(NamedTuple):
    """A kind of host: an inventory, what it says beyond that, and the kind with which it shares most texts."""

    inventory: str
    host: str
    facts: dict[str, Any]
    variables: dict[str, Any]
    like: str = ""


AWS = {"broker_app_id": "ABCDE12345-100", "aws_account_id": "123456789012"}
CHANNELS = {"harvester_renew": True, "__harvester_alert_channels": "ssm:/alpha-harvester/production/channels"}
APPLICATION = {
    "application_source": "market-app", "application_env_file": "secrets", "application_schema": "Schema.sql",
}  # fmt: skip
DATABASE = {
    "aws_identity_database": {"live": True, "ca_file": "/etc/harvester/rows-ca.crt"},
    "aws_identity_rows_namespace": "AlphaKiteMax/RealTimeStreaming",
    "harvester_rows_ca_file": "/etc/ssl/certs/ca-certificates.crt",
}
BACKUPS: dict[str, Any] = {
    "database_backup": {
        "database": "mydb",
        "place": "s3://b-bucket/database/",
        "tables": [
            {"name": "my_schema.ticks"},
            {"name": "my_schema.raw_ticks", "merge": "replace_dates", "date": "run_date"},
        ],
    },
    "database_backup_password_file": str(ROOT / "README.md"),  # read by a check alone, which is not rendered
}
WITHOUT_BUCKET = BACKUPS | {
    "database_backup": {key: value for key, value in BACKUPS["database_backup"].items() if key != "place"}
}
OVERSEER = {
    "rclone_remotes": {"drive": {"type": "drive", "scope": "drive"}},
    "rclone_secrets": {"drive": {"token": "ssm:/alpha-harvester/production/rclone/token"}},
    "overseer_settings": {"workers": [{"name": "colab", "mailbox": "drive:box", "notebook": "train.ipynb"}]},
    "overseer_door": True,
    "overseer_door_tokens_file": str(ROOT / "README.md"),
    "overseer_sync": [{"name": "logs-up", "from": "/srv/bot/logs", "to": "drive:logs", "max_age": "24h"}],
    "overseer_training": "auto_12h_train.py",
    "overseer_code": {"folder": "/home/trader/bot", "user": "trader"},
}
KINDS = {
    "aws": Kind("inventory/aws", "m-1", MACHINE, AWS),
    "refreshing": Kind("inventory/aws", "m-1", MACHINE, AWS | CHANNELS, "aws"),
    "database": Kind("inventory/aws", "m-1", MACHINE, AWS | DATABASE, "aws"),
    "application": Kind("inventory/aws", "m-1", MACHINE, AWS | APPLICATION, "aws"),
    "backups": Kind("inventory/aws", "m-1", MACHINE, AWS | BACKUPS, "aws"),
    "without-bucket": Kind("inventory/aws", "m-1", MACHINE, AWS | WITHOUT_BUCKET, "backups"),
    "overseer": Kind("inventory/aws", "m-1", MACHINE, AWS | OVERSEER, "aws"),
    "onlooker": Kind(
        "inventory/aws",
        "m-1",
        MACHINE,
        AWS | OVERSEER | {"harvester_records": False, "harvester_settings": {"host_id": "watch-1"}},
        "aws",
    ),
    "lab": Kind("inventory/lab", "h1", CONTAINER, {"__host_baseline_swap": {"skipped": True}}, "aws"),
}


def main() -> None:
    """Write the artefacts of all kinds to standard output, as JSON."""
    gc.disable()  # it took a quarter of the time
    keep_compiled()
    init_plugin_loader([])
    rendered: dict[str, dict[str, str]] = {}
    found: dict[str, str] = {}
    reached: set[tuple[str, str]] = set()
    for name, kind in KINDS.items():
        rendered[name] = render(kind, reached)
        known = rendered.get(kind.like, {})
        for path, text in rendered[name].items():
            if kind.like and path in LISTS:
                lines, before = text.splitlines(), known[path].splitlines()
                text = "".join(f"+ {line}\n" for line in lines if line not in before)
                text += "".join(f"- {line}\n" for line in before if line not in lines)
            if text != known.get(path) and (text or path not in LISTS):
                found[f"{name}/{path}"] = text
    found |= account.make()
    found["steps.txt"] = steps.make(reached)
    json.dump(found, sys.stdout)


def render(kind: Kind, reached: set[tuple[str, str]]) -> dict[str, str]:
    """The texts of one host's files by their paths below /, and its lists; roles and names of tasks go to `reached`."""
    play, host, manager, loader = _load(kind.inventory, kind.host)
    manager._extra_vars = BARE_HOST | kind.variables
    texts: dict[str, str] = {}
    lists: dict[str, dict[str, None]] = {name: {} for name in LISTS}
    for task in _tasks(play):
        if task._role:
            reached.add((task._role.get_name(), task.name))
        module = task.action.rpartition(".")[2]
        if module not in (*FILES, *OTHERS, *QUIET):
            raise SystemExit(f"{task}: say in {__file__} what {task.action} leaves on a host.")
        if task.check_mode is True:
            continue  # it shows something, and leaves nothing
        variables = manager.get_vars(play=play, host=host, task=task) | {"ansible_facts": kind.facts}
        for item in _items(task, Templar(loader, variables)) if module not in QUIET else ():
            templar = Templar(loader, variables | item)
            if not all(templar.evaluate_conditional(condition) for condition in task.when):
                continue
            wanted = templar.template({key: value for key, value in task.args.items() if key != "stdin"})
            if module in FILES:
                path = _path(wanted)
                lists["files.txt"][_file(module, path, wanted, templar.template(task.notify) or [])] = None
                if (text := _text(module, task, wanted, templar)) is not None:
                    texts[path.lstrip("/")] = text
            elif module == "systemd_service":
                said = " ".join(
                    f"{key}={wanted[key]}" for key in ("enabled", "state", "daemon_reload") if key in wanted
                )
                lists["units.txt"][f"{wanted.get('name', 'systemd')} {said}"] = None
            elif module == "apt":
                lists["packages.txt"] |= dict.fromkeys(sorted(wanted["name"]))
            elif task.changed_when != [False]:
                said = wanted.get("argv") or [wanted["_raw_params"]]
                lists["commands.txt"][f"{task.get_name()}: {' '.join(map(str, said))}"] = None
    return texts | {name: "".join(f"{line}\n" for line in lines) for name, lines in lists.items()}


class Loader(DataLoader):
    """Reads each file once, and copies nothing: what it gives is only read here."""

    def load_from_file(self, file_name: str, cache: str = "all", unsafe: bool = False, **options: Any) -> Any:
        return super().load_from_file(file_name, "all", True, **options)


@cache
def _load(inventory: str, name: str) -> tuple[Any, Any, Any, Any]:
    """The play that sets up a host, the host, and who knows its variables."""
    loader = Loader()
    loader.set_basedir(str(ROOT))
    Path("hosts.yml").write_text(f"harvesters: {{hosts: {{{name}: {{}}}}}}\n", encoding="utf-8")
    known = InventoryManager(loader, [str(ROOT / inventory), str(Path("hosts.yml").resolve())])
    manager = VariableManager(loader, known)
    HostVars(known, manager, loader)
    [play] = Playbook.load(str(ROOT / "playbooks/configure.yml"), manager, loader).get_plays()
    return play, known.get_host(name), manager, loader


def _tasks(play: Any) -> Iterator[Task]:
    """Every task of the play's roles, in their order, then their handlers; not what only a failure runs."""
    for block in play.compile():
        yield from _inside(block)
    for role in play.roles:
        for block in role.get_handler_blocks(play):
            yield from _inside(block)


def _inside(block: Block) -> Iterator[Task]:
    for each in block.block:
        if isinstance(each, Block):
            yield from _inside(each)
        else:
            if each.action == "ansible.builtin.include_tasks":
                _require_no_files(Path(each._role._role_path) / "tasks" / each.args["_raw_params"])
            yield each


def _require_no_files(path: Path) -> None:
    """What is included at run time is not walked, so it must leave no file."""
    if found := re.findall(rf"ansible\.builtin\.({'|'.join(FILES)}):", path.read_text("utf-8")):
        raise SystemExit(
            f"{path} writes files ({', '.join(found)}) and is included; import it, so that they are listed."
        )


def _items(task: Task, templar: Templar) -> list[dict[str, Any]]:
    """The variables of each turn of a task's loop."""
    if task.loop is None:
        return [{}]
    return [{task.loop_control.loop_var or "item": each} for each in templar.template(task.loop)]


def _path(wanted: dict[str, Any]) -> str:
    """Where a file goes, without the hash in the name of a configuration."""
    path = wanted.get("dest") or wanted["path"]
    return re.sub(
        r"config-[0-9a-f]{12}", "config-HASH", path + (Path(wanted["src"]).name if path.endswith("/") else "")
    )


def _file(module: str, path: str, wanted: dict[str, Any], notify: str | list[str]) -> str:
    """One line: path, kind, owner, group, mode, and what checks or follows."""
    kind = wanted.get("state", "file") if module == "file" else "file"
    words = [path, kind, *(str(wanted.get(key, "-")) for key in ("owner", "group", "mode"))]
    words += [f"to={wanted['src']}"] if kind == "link" else []
    checks = [f"checked by {' '.join(wanted['validate'].split())}"] if "validate" in wanted else []
    follows = [f"then {handler}" for handler in ([notify] if isinstance(notify, str) else notify)]
    return ", ".join([" ".join(words), *checks, *follows])


def _text(module: str, task: Task, wanted: dict[str, Any], templar: Templar) -> str | None:
    """The text that a task writes; None where it writes none, or copies a file as it is."""
    if module != "template":
        return plain(str(wanted["content"])) if "content" in wanted else None
    folder = Path(task._role._role_path) / "templates"
    source = trust_as_template((folder / wanted["src"]).read_text("utf-8"))
    return plain(templar.copy_with_new_env(searchpath=[str(folder)]).template(source))


def plain(text: str) -> str:
    """A file's lines without comments and empty lines."""
    kept = [line for line in text.splitlines() if line.strip() and not re.match(r"\s*(#(?!!)|//)", line)]
    return "".join(f"{line}\n" for line in kept)


if __name__ == "__main__":
    main()
