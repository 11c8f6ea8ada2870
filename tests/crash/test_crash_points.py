"""A kill, EIO or ENOSPC at the N-th system call, from record to prune: nothing is lost, twice or half there."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SHORT = [("KILL", 4, "0/2"), ("KILL", 4, "1/2"), ("EIO", 10, "0/1"), ("ENOSPC", 10, "0/1")]
LONG = [(fault, 1, share) for fault in ("KILL", "EIO", "ENOSPC") for share in ("0/2", "1/2")]
MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it has a random name

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed (Debian package strace)")


@pytest.fixture
def place() -> Iterator[Path]:
    """In memory where there is some: a kill cannot tell, and every sync is quick."""
    with tempfile.TemporaryDirectory(prefix="crash-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def run(root: Path, place: Path, fault: str, stride: int, share: str, bug: str = "") -> "Counter[str]":
    folder = place / f"{fault}-{share.replace('/', '-')}"
    folder.mkdir()
    command = [sys.executable, "-m", "tests.crash.points", str(folder), fault, str(stride), share, bug]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=3600)
    if "strace cannot attach here" in done.stderr:
        pytest.skip("strace cannot attach to a process here")
    assert done.returncode == 0, done.stderr
    print(done.stderr)
    return Counter(json.loads(done.stdout))


def run_all(root: Path, place: Path, cases: list[tuple[str, int, str]]) -> "Counter[str]":
    with ThreadPoolExecutor(2) as pool:
        reports = pool.map(lambda case: run(root, place, *case), cases)
        return sum(reports, Counter())


def check(total: "Counter[str]", figure, least: int) -> None:
    figure("crash_points", total["points"], bound=f">= {least}", unit="points", gate=True)
    figure("crash_points_lost", total["lost"], bound="== 0", unit="records", gate=True)
    figure("crash_points_twice", total["twice"], bound="== 0", unit="records", gate=True)
    figure("crash_points_flaws", total["flaws"] + total["crashed"], bound="== 0", unit="flaws", gate=True)


def test_a_fault_at_any_call_loses_nothing(root: Path, place: Path, figure) -> None:
    check(run_all(root, place, SHORT), figure, least=60)


@pytest.mark.long
def test_a_fault_at_every_call_loses_nothing(root: Path, place: Path, figure) -> None:
    check(run_all(root, place, LONG), figure, least=600)  # some 216 calls, three faults


def test_the_harness_sees_a_row_dropped_at_compaction(root: Path, place: Path) -> None:
    total = run(root, place, "KILL", 40, "0/9", "drop the last row")
    assert total["lost"] + total["flaws"] > 0
