"""200 SIGKILLs at random moments of a writer under load: nothing acknowledged is lost, no file is unreadable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 200
NURSERIES = 2


def start(root: Path, journal: Path, kills: int, seed: int, bug: str = "") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.crash.kills", str(journal), str(kills), str(seed), bug]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> dict[str, int]:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(output)


def test_a_killed_writer_loses_nothing_it_acknowledged(root: Path, tmp_path: Path, figure) -> None:
    nurseries = [start(root, tmp_path / str(seed), KILLS // NURSERIES, seed) for seed in range(NURSERIES)]
    reports = [finish(nursery) for nursery in nurseries]
    total = {key: sum(report[key] for report in reports) for key in reports[0]}
    figure("kills", total["kills"], bound=f">= {KILLS}", unit="kills", gate=True)
    figure("kills_in_recovery", total["in_recovery"], bound=">= 1", unit="kills")
    figure("acknowledged", total["acknowledged"], bound=">= 10000", unit="records")
    figure("acknowledged_lost", total["lost"], bound="== 0", unit="records", gate=True)
    figure("unreadable_files", total["unreadable"], bound="== 0", unit="files", gate=True)
    assert total["acknowledged"] > KILLS, "there was next to nothing to lose"
    assert not total["second_recovery_changed"]


@pytest.mark.parametrize(
    "bug",
    ["acknowledge before writing", "cut the last record too", "overwrite sealed segments", "skip the checksum"],
)
def test_the_harness_sees_a_planted_bug(root: Path, tmp_path: Path, bug: str) -> None:
    report = finish(start(root, tmp_path / "journal", 12, 7, bug))
    assert report["lost"] + report["unreadable"] > 0
