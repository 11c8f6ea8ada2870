"""A check of the Ansible modules of our own changes nothing on a host, whatever is there."""

import array
import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

ROLES = Path(__file__).resolve().parents[2] / "roles"


def load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROLES / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def described(folder: Path) -> list[tuple[str, int, int, int, str]]:
    """Name, mode, owner, time and target of all that is in it."""
    found = sorted(folder.rglob("*"))
    states = ((path, path.lstat()) for path in found)
    return [
        (str(path), state.st_mode, state.st_uid, state.st_mtime_ns, str(path.readlink()) if path.is_symlink() else "")
        for path, state in states
    ]


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """All is immutable; which flags were written. The file systems here may know no flags."""
    written: list[int] = []
    module = load("host_modules/library/host_paths.py")

    def ioctl(_: int, request: int, flags: "array.array[int]") -> None:
        if request == module.GET_FLAGS:
            flags[0] = module.LOCKED
        else:
            written.append(flags[0])

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    return written


@pytest.mark.parametrize("there", ["file", "link", "empty", "folder", "pipe"])
@pytest.mark.parametrize("kind", ["files", "links", "folders"])
def test_way_is_made_by_a_run_and_told_by_a_check(kind: str, there: str, tmp_path: Path, locked: list[int]) -> None:
    module, place = load("host_modules/library/host_paths.py"), tmp_path / "place"
    makers = {"file": place.touch, "link": lambda: place.symlink_to("x"), "pipe": lambda: os.mkfifo(place)}
    makers.get(there, place.mkdir)()
    if there == "folder":
        (place / "inside").touch()
    before = described(tmp_path)

    told = [*module.make_way(place, kind, check=True)]

    assert (locked, described(tmp_path)) == ([], before)
    is_right = (there, kind) in {("file", "files"), ("link", "links"), ("empty", "folders"), ("folder", "folders")}
    assert len(told) == (there in ("file", "empty", "folder")) + (not is_right)
    made = [*module.make_way(place, kind, check=False)]
    assert len(made) == len(told)
    assert locked == [0] * (there in ("file", "empty", "folder"))
    assert (described(tmp_path) == before) == is_right


def test_what_a_service_wrote_is_given_back_by_a_run_and_told_by_a_check(tmp_path: Path, locked: list[int]) -> None:
    module, place = load("host_modules/library/host_paths.py"), tmp_path / "place"
    place.touch(0o400)
    before = described(tmp_path)

    assert module.give_one(place, os.getuid(), module.KEEP, check=True)
    assert (locked, described(tmp_path)) == ([], before)
    assert module.give_one(place, os.getuid(), module.KEEP, check=False)
    assert (locked, place.stat().st_mode & 0o777) == ([0], 0o600)


def test_a_deployment_is_proven_by_a_run_and_told_by_a_check(tmp_path: Path) -> None:
    module = load("harvester/library/harvester_deployment.py")
    deployments, trial = module.Deployments(tmp_path, tmp_path), tmp_path / "deployments/a-1" / module.TRIAL
    trial.parent.mkdir(parents=True)
    trial.touch()

    assert deployments.prove("a-1", check=True) and trial.exists()
    assert deployments.prove("a-1", check=False) and not trial.exists()
    assert not deployments.prove("a-1", check=False)
