"""Power cuts on a real ext4: what was called durable is there, and of the rest at most 250 ms is gone.

Only this shows a missing sync: a kill leaves the kernel and its buffers alive.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.crash.powercuts import NO_DISK

CUTS = 40

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root"),
    pytest.mark.skipif(not shutil.which("mkfs.ext4"), reason="mkfs.ext4 is not installed (Debian package e2fsprogs)"),
]


def cut(root: Path, place: Path, cuts: int, bug: str = "") -> dict[str, Any]:
    program = [sys.executable, "-m", "tests.crash.powercuts", str(place), str(cuts), "11", bug]
    done = subprocess.run(["unshare", "--mount", *program], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == NO_DISK:
        pytest.skip(f"no loop device to be had here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_power_cut_loses_at_most_a_quarter_of_a_second(root: Path, tmp_path: Path, figure) -> None:
    report = cut(root, tmp_path, CUTS)
    figure("power_cuts", report["cuts"], bound=f">= {CUTS}", unit="cuts", gate=True)
    figure("lost_ms", round(report["lost_ms_max"], 1), bound="<= 250", unit="ms", gate=True)
    figure("lost_ms_median", round(report["lost_ms_median"], 1), bound="<= 250", unit="ms")
    figure("durable_lost", report["durable_lost"], bound="== 0", unit="records", gate=True)
    figure("power_cut_unreadable_files", report["unreadable"], bound="== 0", unit="files", gate=True)


def test_the_harness_sees_missing_syncs(root: Path, tmp_path: Path) -> None:
    assert cut(root, tmp_path, 3, "never sync")["durable_lost"] > 0
