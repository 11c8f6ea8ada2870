"""The host's side of a release: whether it is what was built."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[3] / "roles/harvester/files/install_release.py"


@pytest.fixture
def install():
    spec = importlib.util.spec_from_file_location("install_release", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def release(install, tmp_path):
    """A release that is complete, in the folder of releases of a host."""
    folder = tmp_path / "opt/releases/a1"
    (folder / "bin").mkdir(parents=True)
    (folder / "lib/numpy").mkdir(parents=True)
    (folder / "bin/harvester").write_text("#!/bin/sh\n")
    (folder / "bin/harvester").chmod(0o755)
    (folder / "bin/python3").symlink_to("/usr/bin/python3")
    (folder / "lib/numpy/__init__.py").write_text("x = 1\n")
    (folder / "RELEASE").write_text("a1\n")
    install.mark_complete(folder)
    return folder


def verify(release):
    done = subprocess.run([sys.executable, PATH, "--verify", release], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout


def truncate_all(release):
    for path in release.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.write_text("")


def link_elsewhere(release):
    (release / "bin/python3").unlink()
    (release / "bin/python3").symlink_to("/bin/false")


DAMAGE = {
    "emptied": lambda release: subprocess.run(["rm", "-r", release / "lib"], check=True),
    "truncated": lambda release: (release / "lib/numpy/__init__.py").write_text(""),
    "changed": lambda release: (release / "lib/numpy/__init__.py").write_text("x = 2\n"),
    "closed": lambda release: (release / "lib").chmod(0o700),
    "not executable": lambda release: (release / "bin/harvester").chmod(0o644),
    "with something new": lambda release: (release / "lib/numpy/theirs.pth").write_text("import theirs\n"),
    "with a link elsewhere": link_elsewhere,
    "without its list": lambda release: (release / ".complete").unlink(),
    "with a cut list": lambda release: (release / ".complete").write_text('{"RELE'),
    "all of it truncated": truncate_all,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_release_is_what_was_built_or_damaged(release, damage):
    assert verify(release) == (0, "")

    DAMAGE[damage](release)

    code, said = verify(release)
    assert code == 3
    assert str(release) in said


def test_a_release_of_an_older_role_has_no_list_and_counts_as_whole(release):
    (release / ".complete").write_text("")

    assert verify(release) == (0, "")


def test_a_damaged_release_makes_way_and_what_is_in_use_stays(install, release):
    releases, other = release.parent, release.parent / "b2"
    (other / "bin").mkdir(parents=True)
    (releases.parent / "current").mkdir()
    (releases.parent / "current/release").symlink_to(other)
    (releases / "half").mkdir()

    install.set_aside(release)
    install.remove_half_built(releases)

    assert [path.name for path in releases.iterdir()] == ["b2"], "it runs, though its marker is lost"


def test_a_release_has_its_marker_only_when_its_files_are_on_the_disk(install, release, monkeypatch):
    """After a power cut a complete one is whole: a file that is empty then would count as damage of the disk."""
    marker, marked = release / install.COMPLETE, []
    marker.unlink()
    monkeypatch.setattr(install.os, "sync", lambda: marked.append(marker.exists()))

    install.mark_complete(release)

    assert (marked, marker.exists()) == ([False], True)
