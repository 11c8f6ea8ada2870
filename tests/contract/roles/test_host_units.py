"""The module that settles systemd units, before a systemctl that only takes notes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MODULE = "host_modules/library/host_units.py"
SYSTEMCTL = """#!/bin/sh
case "$1" in
show) cat "$STATE" ;;
*) echo "$@" >>"$NOTES" ;;
esac
"""
Settle = Callable[..., tuple[dict[str, Any], list[str]]]


@pytest.fixture
def settle(run_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settle:
    """Settle one timer that systemd says to be so; (the module's answer, what was called)."""
    program, notes = tmp_path / "systemctl", tmp_path / "notes"
    program.write_text(SYSTEMCTL, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NOTES", str(notes))

    def run(load: str, active: str, file_state: str, *, check: bool = False, **unit: Any) -> Any:
        lines = {
            "Id": "a.timer", "LoadState": load, "ActiveState": active, "UnitFileState": file_state, "DropInPaths": "",
            "NeedDaemonReload": "no", "ActiveEnterTimestampMonotonic": "1", "FragmentPath": "",
        }  # fmt: skip
        (tmp_path / "state").write_text("\n".join(f"{key}={value}" for key, value in lines.items()), encoding="utf-8")
        notes.write_text("", encoding="utf-8")
        answer = run_module(MODULE, check=check, units=[{"name": "a.timer", **unit}])
        return answer, notes.read_text("utf-8").splitlines()

    return run


def test_a_unit_that_is_wanted_is_enabled_and_started(settle: Settle) -> None:
    answer, called = settle("loaded", "inactive", "disabled")

    assert answer["changed"] and called == ["enable a.timer", "restart a.timer"]


@pytest.mark.parametrize(
    ("active", "file_state"), [("active", "enabled"), ("inactive", "enabled"), ("active", "disabled")]
)
def test_a_unit_that_is_to_be_off_is_disabled_and_stopped(active: str, file_state: str, settle: Settle) -> None:
    answer, called = settle("loaded", active, file_state, disabled=True)

    assert answer["changed"] and answer["stopped"] == ["a.timer"]
    assert called == ["disable a.timer", "stop a.timer"]


def test_a_unit_that_is_off_stays_so(settle: Settle) -> None:
    answer, called = settle("loaded", "inactive", "disabled", disabled=True)

    assert (answer["changed"], called) == (False, []), json.dumps(answer)


def test_a_unit_that_is_to_be_off_need_not_exist(settle: Settle) -> None:
    answer, _ = settle("not-found", "inactive", "", disabled=True)

    assert not answer["changed"] and not answer.get("failed")
    assert settle("not-found", "inactive", "")[0]["failed"]


def test_check_mode_calls_nothing(settle: Settle) -> None:
    answer, called = settle("loaded", "active", "enabled", check=True, disabled=True)

    assert (answer["changed"], called) == (True, [])
