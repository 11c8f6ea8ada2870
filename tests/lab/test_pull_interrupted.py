"""pull-data from a booted host, killed ten times at random: it ends as one that was never interrupted."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "operator" / "support"))

from made_lake import LakeMaker, trading_days, tree
from pull_kills import kill_pulls

from lab.keys import SSH_CONFIG
from lab.testing import RunningLab
from runbook.fleet.inventory import load_hosts
from runbook.pull.store import LocalStore

KILLS = 10
LAKE = "/var/tmp/made-lake"  # noqa: S108  # on a host of the test's own


@pytest.mark.parametrize("name", ["d12", "d13"])
def test_a_pull_killed_ten_times_ends_identical(
    lab: RunningLab, root: Path, tmp_path: Path, figure: Callable[..., None], name: str
) -> None:
    [host] = load_hosts(root, str(lab.state / "inventory.json"), name)
    lake = LakeMaker(tmp_path / "lake", raw_bytes=9_000_000)
    for day in trading_days(3):
        lake.add_day(day)
    put = f"mkdir -p {LAKE} && tar -xf - -C {LAKE}"
    with subprocess.Popen(["tar", "-cf", "-", "-C", str(lake.root), "."], stdout=subprocess.PIPE) as archive:
        ssh = ["ssh", "-F", str(lab.state / SSH_CONFIG), name, put]
        subprocess.run(ssh, stdin=archive.stdout, check=True)

    outcome = kill_pulls(host, LAKE, tree(lake.root), LocalStore(tmp_path / "pulled"), KILLS, seed=7)

    figure(f"pull_kills_{name}", outcome.kills, bound=f">= {KILLS}", unit="kills", gate=True)
    figure(f"pull_half_files_{name}", outcome.half_files, bound="== 0", unit="files", gate=True)
    figure(f"pull_files_different_{name}", outcome.different, bound="== 0", unit="files", gate=True)
