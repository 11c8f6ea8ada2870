"""Power cuts that keep any part of what was not synced, in any order: what was promised stays.

The calls of real work are traced, put on the disk of `disk_model.py`, and the next start runs on what a cut leaves.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash import disk_trace
from tests.crash.disk_checks import CHECKS
from tests.crash.disk_faults import FAULTS
from tests.crash.disk_model import Disk
from tests.crash.disk_work import SCENARIOS, SICK, said_file

from harvester.base.errors import HarvesterError

SEED = 11
STATES = {"record": 80, "recover": 30, "close": 10, "close again": 8, "clean up": 25, "pull": 25, "token": 29}
STATES_LONG = {
    "record": 2_500,
    "recover": 60,
    "close": 500,
    "close again": 500,
    "clean up": 200,
    "pull": 600,
    "token": 60,
}
STATES_OF_A_FAULT = 300
SEEN_AT_ONCE = {
    "files: replacing without the folder's sync",
    "repair: the marker goes before the copy is durable",
    "writer: durable_seq taken after the sync",
}
"""Faults that each run plants; the others are planted with --long."""
MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it has a random name

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed (Debian package strace)")


@pytest.fixture
def home() -> Iterator[Path]:
    """In memory where there is some: the power is cut on the emulated disk."""
    with tempfile.TemporaryDirectory(prefix="disk-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder).resolve()


def trace(root: Path, home: Path, *scenarios: str, fault: str = "") -> dict[str, Disk]:
    """Do the work of these scenarios in one process; the disk of each."""
    disks = {}
    for scenario in scenarios:
        place = home / scenario.replace(" ", "-")
        place.mkdir()
        SCENARIOS[scenario][0](place)
        disks[scenario] = Disk(place, said_file(place), SICK.get(scenario, {}))
    places = [word for scenario, disk in disks.items() for word in (str(disk.root), scenario)]
    done = disk_trace.run("tests.crash.disk_faults", [fault, *places], home / "trace", root)
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip("strace cannot trace a process here")
    assert done.returncode == 0, done.stderr
    for scenario, disk in disks.items():
        disk.replay(home / "trace")
        assert scenario in SICK or seen(disk) == really(disk), "the recorder of calls missed one"
    return disks


def seen(disk: Disk) -> dict[str, bytes | None]:
    """The tree after the work, by the calls; a folder's content is None."""
    last = disk.history.last()
    return {path: None if inode is None else last.contents[inode] for path, inode in last.tree.items()}


def really(disk: Disk) -> dict[str, bytes | None]:
    """The tree after the work, as it lies there."""
    paths = {path.relative_to(disk.root).as_posix(): path for path in disk.root.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else None for name, path in paths.items()}


def wrong(home: Path, scenario: str, disk: Disk, states: int) -> Iterator[str]:
    """What was wrong after each cut."""
    for number, state in enumerate(disk.history.states(SEED, states)):
        place = home / f"{scenario}-{number}"
        state.make(place)
        try:
            CHECKS[scenario](place, state.said, home)
        except (AssertionError, HarvesterError, OSError, ValueError) as error:
            yield f"{scenario}, cut {number}, after {state.said[-1:]}: {type(error).__name__}: {error}"
        finally:
            shutil.rmtree(place)


def check(root: Path, home: Path, figure, wanted: dict[str, int]) -> None:
    disks = trace(root, home, *wanted)
    tried = 0
    found: list[str] = []
    for scenario, disk in disks.items():
        tried += sum(1 for _ in disk.history.states(SEED, wanted[scenario]))
        found += wrong(home, scenario, disk, wanted[scenario])
    figure("reordered_cuts", tried, bound=f">= {sum(wanted.values()) // 2}", unit="cuts")
    assert found == []


def test_a_cut_that_reorders_loses_nothing_that_was_promised(root: Path, home: Path, figure) -> None:
    check(root, home, figure, STATES)


@pytest.mark.long
def test_thousands_of_cuts_that_reorder_lose_nothing_that_was_promised(root: Path, home: Path, figure) -> None:
    check(root, home, figure, STATES_LONG)


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=[pytest.mark.long] if fault not in SEEN_AT_ONCE else []) for fault in FAULTS]
)
def test_a_missing_or_late_sync_is_seen(root: Path, home: Path, fault: str) -> None:
    scenario = FAULTS[fault].scenario
    disk = trace(root, home, scenario, fault=fault)[scenario]
    seen_by = next(wrong(home, scenario, disk, STATES_OF_A_FAULT), None)
    assert seen_by
    print(seen_by)
