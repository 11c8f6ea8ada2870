"""The operators' commands by docs/exit-codes.md: each failure's code and one paragraph, and no traceback."""

import errno
import os
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit
from tests.contract.test_tasks import TASKS

from harvester.base.errors import ConfigError, HarvesterError, UnhealthyError
from runbook import doctor
from runbook.aws import allow, calendar_delivery, configure, environment
from runbook.fleet.inventory import Host, program
from runbook.pull import plan
from runbook.report import query
from runbook.tasks import aws, backfill, data, database, hosts, lab, monitoring, presentation, tokens, workers

REQUIRED = {
    "query": {"sql": "select 1"},
    "restore": {"to": "2026-11-20"},
    "export": {"to": "csv"},
    "index-update": {"index": "NIFTY50"},
    "secret-put": {"name": "pin"},
    "replace-host": {"host": "h1"},
    "backfill": {"since": "2026-11-02"},
    "run-job": {"name": "close"},
    "worker": {"name": "colab", "restart": True},
}
STEPS = ("hosts_of", "awake_hosts_of", "play", "store_at")
FIRST_CALLS = [
    *(
        (module, name)
        for module in (aws, backfill, data, database, hosts, monitoring, tokens, workers)
        for name in STEPS
    ),
    (allow, "my_network"),
    (calendar_delivery, "look"),
    (calendar_delivery, "ask"),
    (doctor, "examine"),
    (configure, "read_answers"),
    (environment, "load"),
    (environment, "load_managed"),
    (lab, "_run"),
    (plan, "parse_selection"),
    (presentation, "ask_answers"),
    (query, "ask"),
    (runpy, "run_path"),
    (runpy, "run_module"),
]
"""What tasks begin with."""
ENDINGS: list[tuple[BaseException, int, str]] = [
    (HarvesterError("it failed. Do that."), 1, "it failed. Do that."),
    (ConfigError("it is wrong. Write this."), 2, "it is wrong. Write this."),
    (UnhealthyError("it is unwell."), 3, "it is unwell."),
    (KeyboardInterrupt(), 130, "interrupted. What was finished stays; run the command again to go on."),
    (OSError(errno.ENOSPC, "No space left on device", "/d/x"), 1, "/d/x: No space left on device. Free some disk"),
    (OSError(errno.EACCES, "Permission denied", "/d/x"), 1, "/d/x: Permission denied. Run the command as the user"),
    (ZeroDivisionError("a defect"), 1, "unexpected ZeroDivisionError: a defect. HARVESTER_DEBUG=1 ./inv "),
]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Have whatever a task begins with raise this."""

    def arm(error: BaseException) -> None:
        def broken(*_: object, **__: object) -> None:
            raise error

        for module, name in FIRST_CALLS:
            monkeypatch.setattr(module, name, broken, raising=False)

    return arm


@pytest.mark.parametrize("name", sorted(TASKS))
@pytest.mark.parametrize(("error", "code", "says"), ENDINGS, ids=[repr(each[0]) for each in ENDINGS])
def test_every_error_ends_every_task_with_its_code_and_one_paragraph(
    name: str, error: BaseException, code: int, says: str,
    fail: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    fail(error)

    with pytest.raises(Exit) as ended:
        TASKS[name](MockContext(), **REQUIRED.get(name, {}))

    assert ended.value.code == code
    assert str(ended.value.message).startswith(f"{name}: {says}")
    assert "\n" not in str(ended.value.message)
    assert "Traceback" not in "".join(capsys.readouterr())


class Answer:
    """A host that is as told."""

    asleep = False

    def __init__(self, *, healthy: bool) -> None:
        self.healthy = self.good = self.well = healthy

    def to_dict(self) -> dict[str, bool]:
        return {"healthy": self.healthy}


@pytest.mark.parametrize(("healthy", "code"), [(True, 0), (False, 3)])
@pytest.mark.parametrize(
    ("name", "asked", "more"),
    [
        ("status", "runbook.fleet.status.gather", ""),
        ("due", "runbook.fleet.dues.gather", ""),
        ("token-status", "runbook.tokens.credentials.look", "runbook.tokens.token_refresh.look"),
    ],
)  # fmt: skip
def test_what_is_unwell_ends_with_three(
    name: str, asked: str, more: str, healthy: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (monitoring, tokens):
        monkeypatch.setattr(module, "hosts_of", lambda *_, **__: [Host(name, "192.0.2.1") for name in ("h1", "h2")])
    monkeypatch.setattr(asked, lambda *_: [Answer(healthy=True), Answer(healthy=healthy)])
    if more:
        monkeypatch.setattr(more, lambda _: [])

    assert ending(name, json=True) == code


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (2, 2), (130, 130)])
@pytest.mark.parametrize("name", ["test", "bench", "mutants"])
def test_a_check_ends_with_the_code_of_what_ran(
    name: str, code: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for runner in ("run_path", "run_module"):
        monkeypatch.setattr(runpy, runner, lambda *_, **__: {"run": lambda *_, **__: code})

    assert ending(name) == expected


@pytest.mark.parametrize("code", [0, 1, 2, 130])
@pytest.mark.parametrize("name", ["lab-up", "lab-down", "demo"])
def test_the_lab_ends_with_the_code_of_its_own_command(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "lab"
    stand_in.write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setattr(lab, "program", lambda _: str(stand_in))

    assert ending(name) == code


@pytest.mark.parametrize("code", [0, 1, 2, 4, 250])
@pytest.mark.parametrize("name", ["start", "stop", "restart", "deploy", "rollback", "audit", "notify-test", "site"])
def test_a_step_whose_playbook_fails_fails(name: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ["sh", "-c", f"exit {code}"]
    monkeypatch.setattr("runbook.fleet.playbook.command", lambda *_, **__: shown)
    monkeypatch.setattr("runbook.aws.environment.load_managed", lambda *_: None)  # a lab that is up has an account

    assert ending(name) == (1 if code else 0)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["cleanup", "--keep-days", "two"], 2, "inv: --keep-days: 'two' is not a whole number. Write it in digits.\n"),
        (["pull-data", "--since", "yesterday"], 2, "pull-data: --since 'yesterday' is not a date. Write it as"),
        (["cost", "--inventory", "inventory/aws"], 2, "cost: inventory/aws describes nothing in AWS. Run ./inv"),
        (["pull-data", "--nope"], 2, "pull-data: there is no option --nope."),
        (["nope"], 2, "inv: there is no command 'nope'."),
    ],
    ids=["number", "date", "not configured", "option", "command"],
)  # fmt: skip
def test_a_mistake_on_the_command_line(words: list[str], code: int, says: str, root: Path) -> None:
    command = [program("runbook"), *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(says)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--list"], ["--version"], ["--help", "status"]], ids=" ".join)
@pytest.mark.parametrize("buffered", [True, False])
def test_a_list_or_help_that_cannot_be_written_ends_without_a_traceback(
    words: list[str], buffered: bool, root: Path
) -> None:
    environment = os.environ | {"PYTHONUNBUFFERED": "" if buffered else "1"}
    command = [program("runbook"), *words]

    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as unread:
        assert unread.stdout and unread.stderr
        unread.stdout.close()
        assert (unread.stderr.read(), unread.wait()) == ("", 1)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=root, env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("inv: ") and done.stderr.count("\n") == 1
    assert "standard output: No space left on device" in done.stderr


def ending(name: str, **options: Any) -> int:
    """The exit code of a task."""
    try:
        TASKS[name](MockContext(), **REQUIRED.get(name, {}), **options)
    except Exit as ended:
        return int(ended.code)
    return 0
