"""The operators' tasks: documented, explained, thin, and quiet about a user's mistakes."""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from invoke.collection import Collection
from invoke.context import MockContext
from invoke.exceptions import Exit
from invoke.tasks import Task

from harvester.base.errors import ConfigError, HarvesterError, UnhealthyError
from runbook.fleet import inventory, playbook
from runbook.fleet.inventory import Host
from runbook.report import delivery

ROOT = Path(__file__).resolve().parents[2]
PROMISED = {
    "allow-me", "athena-tables", "audit", "backfill", "bench", "calendar-update", "cleanup", "configure", "cost",
    "deliver", "demo", "deploy", "destroy", "doctor", "due", "export", "index-update", "jobs", "lab-down", "lab-up",
    "live", "logs", "mutants", "notify-test", "outputs", "pull-data", "pull-database", "query", "replace-host",
    "restart", "restore", "rollback", "rotate-ssh-key", "run-job", "secret-put", "site", "start", "status", "stop",
    "test", "token-page", "token-push", "token-status", "token-undo", "tunnel", "verify-data", "wake",
    "worker", "workers",
}  # fmt: skip
OPERATORS = sorted(PROMISED - {"bench", "demo", "mutants", "test"})


def load_tasks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("operators_tasks", ROOT / "tasks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULE = load_tasks()
COLLECTION = Collection.from_module(MODULE)
TASKS: dict[str, Task[Any]] = {name: COLLECTION[name] for name in COLLECTION.task_names}
# asked for once: Invoke moves each help text from the task to the argument
ARGUMENTS = {name: task.get_arguments() for name, task in TASKS.items()}


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> list[Host]:
    """One host, without asking Ansible."""
    found = [Host("h1", "192.0.2.1", variables={"ansible_connection": "local", "harvester_settings": {}})]
    monkeypatch.setattr(inventory, "load_hosts", lambda *_, **__: found)
    return found


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, Any]]:
    """Playbooks that would have run: name, limit, variables."""
    calls: list[tuple[str, Any, Any]] = []

    def note(name: str, target: playbook.Target, variables: Any = None, **_: Any) -> None:
        calls.append((name, target.limit, variables))

    monkeypatch.setattr(playbook, "run", note)
    return calls


def test_the_promised_tasks_are_there() -> None:
    assert set(TASKS) == PROMISED


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_task_says_what_it_does_and_explains_each_argument(name: str) -> None:
    task = TASKS[name]

    unexplained = [argument.name for argument in ARGUMENTS[name] if len(argument.help or "") < 6]

    assert task.__doc__ and task.__doc__.splitlines()[0].endswith(".")
    assert unexplained == []


@pytest.mark.parametrize("name", OPERATORS)
def test_a_task_is_in_the_runbook(name: str) -> None:
    assert f"./inv {name}" in (ROOT / "docs" / "runbook.md").read_text("utf-8")


def test_listing_tasks_is_fast_because_it_imports_nothing_heavy(figure: Callable[..., None]) -> None:
    code = (
        "import sys, tasks; heavy = {'duckdb', 'pyarrow', 'boto3', 'ansible', 'pydantic', 'rich', 'httpx', 'lab'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    began = time.monotonic()

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    figure("tasks_import_seconds", round(time.monotonic() - began, 2), bound="<= 1", unit="s")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("error", [HarvesterError("a"), ConfigError("b"), UnhealthyError("c")])
def test_an_error_ends_a_task_with_its_paragraph_and_its_code(
    error: HarvesterError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(inventory, "load_hosts", fail)

    with pytest.raises(Exit) as caught:
        TASKS["status"](MockContext())

    assert (caught.value.code, caught.value.message) == (error.exit_code, f"status: {error}")


@pytest.mark.parametrize("name", ["start", "stop", "restart", "deploy", "rollback", "audit"])
def test_a_step_on_hosts_is_its_playbook(name: str, played: list[tuple[str, Any, Any]]) -> None:
    TASKS[name](MockContext(), limit="h1")

    [(ran, limit, variables)] = played
    assert (ran, limit) == (name, "h1")
    assert variables in (None, {"harvester_override_blackout": False})
    assert (ROOT / "playbooks" / f"{name}.yml").exists()


def test_site_is_its_playbook_for_all_hosts(played: list[tuple[str, Any, Any]]) -> None:
    TASKS["site"](MockContext())

    assert played == [("site", None, None)]


@pytest.mark.parametrize("name", ["stop", "restart", "deploy", "rollback"])
def test_force_overrides_the_refusal_inside_a_session(name: str, played: list[tuple[str, Any, Any]]) -> None:
    TASKS[name](MockContext(), force=True)

    assert played[0][2] == {"harvester_override_blackout": True}


@pytest.mark.parametrize(
    ("name", "arguments", "code", "said"),
    [
        ("pull-data", {"since": "20-11-2026"}, 2, "is not a date. Write it as YYYY-MM-DD"),
        ("pull-data", {"since": "2026-11-20", "until": "2026-11-01"}, 2, "is after --until"),
        ("pull-data", {"format": "xlsx"}, 2, "none of parquet and csv"),
        ("pull-data", {"every": "60"}, 2, "give --format csv with it"),
        ("pull-data", {"so_far": True, "since": "2026-11-20"}, 2, "give no dates"),
        ("pull-data", {"so_far": True, "from_": "s3"}, 2, "give no dates, symbols, format or source"),
        ("pull-data", {"format": "csv", "every": "often"}, 2, "'often' is not a number of seconds"),
        ("verify-data", {"until": "yesterday"}, 2, "is not a date"),
        ("verify-data", {"output": "nowhere-at-all"}, 1, "not a lake with a closed day"),
        ("query", {"sql": "select 1", "lake": "nowhere-at-all"}, 2, "./inv pull-data"),
        ("export", {"to": "xlsx"}, 2, "none of csv, hftbacktest, nautilus"),
        ("export", {"to": "nautilus", "every": "5"}, 2, "give --to csv with it"),
        ("export", {"to": "csv", "lake": "nowhere-at-all"}, 2, "./inv pull-data"),
        ("cleanup", {"keep_days": 0}, 2, "Give 2 or more"),
        ("deploy", {"inventory": "no/such/inventory"}, 2, "There is no inventory at"),
        ("deploy", {}, 1, "playbook"),
    ],
)
def test_a_mistake_is_answered_in_one_paragraph(
    name: str, arguments: dict[str, Any], code: int, said: str, hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "deploy":
        monkeypatch.setattr(playbook, "command", lambda *_, **__: ["false"])

    with pytest.raises(Exit) as caught:
        TASKS[name](MockContext(), **arguments)

    assert caught.value.code == code
    assert said.lower() in str(caught.value.message).lower()
    assert "\n" not in str(caught.value.message)


def test_cleanup_removes_nothing_unless_it_is_told_yes(
    hosts: list[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: list[tuple[str, Any, Any]]
) -> None:
    from runbook.pull import cleanup

    plan = cleanup.Plan("h1", (cleanup.PlannedRemoval(_entry(), _day()),))
    monkeypatch.setattr(cleanup, "make_plan", lambda *_, **__: plan)
    monkeypatch.setattr("sys.stdin", (tmp_path / "nobody").open("w+"))
    applied: list[object] = []
    monkeypatch.setattr(cleanup, "apply", lambda *given, **_: applied.append(given[0]))

    with pytest.raises(Exit, match="Nothing was removed"):
        TASKS["cleanup"](MockContext(), output=str(tmp_path))
    TASKS["cleanup"](MockContext(), output=str(tmp_path), dry_run=True)
    assert applied == []

    TASKS["cleanup"](MockContext(), output=str(tmp_path), yes=True)
    assert applied == [plan]


def test_pull_data_ends_with_code_one_and_the_list_when_something_is_missing(
    hosts: list[Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from runbook.pull.pull import HostResult, Problem

    result = delivery.Delivery([HostResult("h1", problems=[Problem("h1", "depth/x", "gone there")])])
    monkeypatch.setattr(delivery, "deliver", lambda *_, **__: result)

    with pytest.raises(Exit) as caught:
        TASKS["pull-data"](MockContext(), output=str(tmp_path))

    assert caught.value.code == 1
    assert "depth/x: gone there" in capsys.readouterr().out


def test_no_task_takes_a_secret_as_an_argument() -> None:
    words = {argument.name for arguments in ARGUMENTS.values() for argument in arguments}

    assert not {word for word in words if word in {"token", "secret", "password", "pin", "key"}}


def _entry() -> Any:
    from harvester.lake.manifest import FileEntry

    return FileEntry("depth/date=2026-11-20/host=a/depth.parquet", 1, "0" * 64, 1)


def _day() -> Any:
    from datetime import date

    return date(2026, 11, 20)
