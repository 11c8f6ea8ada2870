"""How an operator's command ends where one of several things is not well, whichever it is and whatever was asked."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit

from runbook.doctor.finding import fail, nothing, ok, warn
from runbook.pull.pull import Problem
from runbook.pull.so_far import SoFar
from runbook.tasks import data, monitoring, presentation, tokens, workers

LACKS = (Problem("h1", "depth/x", "it is gone"),)


@pytest.fixture(autouse=True)
def unshown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("delivery", "so_far", "verification", "finding", "sum", "json"):
        monkeypatch.setattr(presentation, f"show_{name}", lambda *_: None)
    monkeypatch.setattr(data, "_sources", lambda *_: [])
    monkeypatch.setattr("runbook.pull.sources.choose", lambda *_: [])


def ending(task: Any, **options: Any) -> int:
    try:
        task(MockContext(), **options)
    except Exit as ended:
        return ended.code
    return 0


@pytest.mark.parametrize("problems", [(), LACKS])
@pytest.mark.parametrize("options", [{}, {"format": "csv"}, {"format": "csv", "every": "60"}, {"raw": True}])
def test_a_pull_that_lacks_something_fails_whatever_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], problems: tuple[Problem, ...]
) -> None:
    monkeypatch.setattr("runbook.report.delivery.deliver", lambda *_, **__: SimpleNamespace(problems=problems))

    assert ending(data.pull_data, output=str(tmp_path), **options) == bool(problems)


@pytest.mark.parametrize("lacking", [(), ("h1",), ("h2",), ("h1", "h2")])
def test_today_so_far_that_did_not_come_of_one_host_is_the_commands_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: tuple[str, ...]
) -> None:
    found = [SoFar(name, problems=LACKS if name in lacking else ()) for name in ("h1", "h2")]
    monkeypatch.setattr("runbook.pull.so_far.pull_so_far", lambda *_: found)

    assert ending(data.pull_data, so_far=True, output=str(tmp_path)) == bool(lacking)


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("is_ok", [False, True])
def test_what_is_wrong_with_the_store_is_the_commands_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool, is_ok: bool
) -> None:
    found = SimpleNamespace(ok=is_ok, to_dict=dict)
    monkeypatch.setattr("runbook.report.verification.verify_store", lambda *_: found)

    assert ending(data.verify_data, json=as_json, output=str(tmp_path)) == (not is_ok)


GOOD, OLD, BAD, NONE = ok("a", "well"), warn("b", "old", "do"), fail("c", "broken", "repair"), nothing("d", "not here")


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("findings", "code"),
    [([], 0), ([GOOD, OLD, NONE], 0), ([BAD, GOOD], 1), ([GOOD, BAD], 1), ([GOOD, BAD, OLD, NONE], 1), ([BAD], 1)],
)
@pytest.mark.parametrize(
    ("options", "rounds"),
    [({}, "examine"), ({"aws": True}, "examine_aws"), ({"production": True}, "examine_production")],
)
def test_one_finding_that_fails_is_the_doctors_end(
    monkeypatch: pytest.MonkeyPatch,
    findings: list[Any],
    code: int,
    as_json: bool,
    options: dict[str, bool],
    rounds: str,
) -> None:
    monkeypatch.setattr(monitoring, "hosts_of", lambda *_: [])
    monkeypatch.setattr(f"runbook.doctor.{rounds}", lambda *_, **__: iter(findings))

    assert ending(monitoring.doctor, json=as_json, **options) == code


@pytest.mark.parametrize("to", ["csv", "hftbacktest", "nautilus"])
@pytest.mark.parametrize("every", [None, "60"])
def test_how_often_is_about_the_csv_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, every: str | None
) -> None:
    for name in ("load_days", "require_days", "find_symbols"):
        monkeypatch.setattr(f"runbook.report.catalogue.{name}", lambda *_, **__: [])
    places = {"lake": str(tmp_path), "output": str(tmp_path / "out")}

    assert ending(data.export, to=to, every=every, **places) == (2 if every and to != "csv" else 0)


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("unwell", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_one_credential_or_overseer_that_is_not_well_is_the_commands_end(
    monkeypatch: pytest.MonkeyPatch, unwell: tuple[int, ...], as_json: bool
) -> None:
    found = [Mock(good=number not in unwell, error="no route" if number in unwell else "") for number in range(3)]
    monkeypatch.setattr(tokens, "hosts_of", lambda *_, **__: [])
    monkeypatch.setattr(workers, "hosts_of", lambda *_, **__: [])
    monkeypatch.setattr(presentation, "show_credentials", lambda *_: None)
    monkeypatch.setattr("runbook.tasks.workers_table.show_workers", lambda *_: None)
    monkeypatch.setattr("runbook.tokens.credentials.look", lambda _: found[:2])
    monkeypatch.setattr("runbook.tokens.token_refresh.look", lambda _: found[2:])
    monkeypatch.setattr("runbook.fleet.workers.overseers", lambda hosts: hosts)
    monkeypatch.setattr("runbook.fleet.workers.gather", lambda _: found)

    codes = [ending(task, json=as_json) for task in (tokens.token_status, workers.workers)]

    assert codes == ([3, 1] if unwell else [0, 0])
