"""A lab of the tests' own, beside whatever other labs this machine runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenarios import lab_machine

from lab import labs
from lab.labs import HostWish
from lab.testing import RunningLab

__all__ = ["lab_machine"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """One host of each Debian release, without stand-ins."""
    said: list[str] = []
    wishes = [HostWish("d13", "trixie", disk_path="/srv/disk", disk_bytes=32 << 20), HostWish("d12", "bookworm")]
    state = tmp_path_factory.mktemp("labs") / "lab"
    try:
        started = labs.bring_up(state, wishes, said.append, wanted=())
        yield RunningLab(state, {entry.host.name: entry for entry in started}, said)
    finally:
        labs.bring_down(state)


@pytest.fixture
def remove_afterwards(tmp_path: Path) -> Iterator[Path]:
    """A folder for a lab that the test takes down itself; whatever happens, it is gone afterwards."""
    state = tmp_path / "lab"
    yield state
    labs.bring_down(state)
    shutil.rmtree(tmp_path, ignore_errors=True)
