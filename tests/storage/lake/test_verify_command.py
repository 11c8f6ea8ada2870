"""harvester verify as a command: what it prints, its exit code in either form, and when a timer's run looks again."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.storage.lake.conftest import Place

from harvester.cli import run

Said = Callable[..., tuple[int, str]]


@pytest.fixture
def verify(closed: Place, capsys: pytest.CaptureFixture[str]) -> Said:
    """Exit code and output of the command on the lake."""

    def call(*options: str) -> tuple[int, str]:
        code = run(["verify", str(closed.lake), *options])
        return code, capsys.readouterr().out

    return call


def damage(place: Place) -> None:
    path = place.current("depth")
    path.write_bytes(path.read_bytes()[:-1])


def test_a_damaged_lake_fails_in_words_and_as_json(closed: Place, verify: Said) -> None:
    code, said = verify()
    assert code == 0 and "2026-11-23 lab1: ok, " in said
    code, said = verify("--json")
    assert (code, json.loads(said)["ok"]) == (0, True)

    damage(closed)

    code, said = verify()
    assert code == 1 and "2026-11-23 lab1: FAILED" in said
    code, said = verify("--json")
    assert (code, json.loads(said)["ok"]) == (1, False)


@pytest.fixture
def stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a timer's runs remember the last good one."""
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    return folder / "verified"


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def test_a_timer_looks_again_after_so_many_days_and_at_once_after_a_bad_run(
    closed: Place, verify: Said, stamp: Path
) -> None:
    assert verify("--every-days", "7")[0] == 0 and stamp.exists()
    age(stamp, 6.9)
    assert verify("--every-days", "7") == (0, "Verified not long ago, nothing to do.\n")
    age(stamp, 7.1)
    before = stamp.stat().st_mtime
    assert "ok, " in verify("--every-days", "7")[1] and stamp.stat().st_mtime > before

    age(stamp, 8)
    damage(closed)
    before = stamp.stat().st_mtime
    for _ in range(2):
        assert verify("--every-days", "7")[0] == 1, "a run that failed is no good one"
    assert stamp.stat().st_mtime == before


def test_a_folder_without_a_closed_day_fails_for_a_person_and_waits_for_a_timer(
    tmp_path: Path, stamp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong path must not look verified; on a new host the timer comes before the first close."""
    (tmp_path / "empty").mkdir()

    assert run(["verify", str(tmp_path / "empty"), "--every-days", "6"]) == 0
    assert capsys.readouterr().out == "No day is closed yet.\n" and not stamp.exists()
    assert run(["verify", str(tmp_path / "empty")]) == 1
    assert "this is not a lake with a closed day" in capsys.readouterr().err


def test_a_day_that_can_be_built_again_says_how(closed: Place, verify: Said) -> None:
    damage(closed)
    (closed.lake.parent / "journal").mkdir(exist_ok=True)

    assert "harvester close --date 2026-11-23 --rebuild" in verify()[1]
