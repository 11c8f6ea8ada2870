"""How fast pull-data is beside plain scp of the same files: `python -m pytest tests/bench/bench_pull.py`."""

import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from made_lake import LakeMaker, trading_days, tree
from throwaway_sshd import Server

from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.rsync import SshTransport
from runbook.pull.store import LocalStore

MEBIBYTE = 1 << 20
FILES, FILE_BYTES = 4, 64 * MEBIBYTE
ROUNDS = 3


def test_pull_keeps_up_with_scp(tmp_path: Path, ssh_server: Server, figure: Callable[..., None]) -> None:
    lake = LakeMaker(tmp_path / "host" / "lake", raw_bytes=FILE_BYTES)
    for day in trading_days(FILES):
        lake.add_day(day)
    size = sum(path.stat().st_size for path in lake.root.rglob("*") if path.is_file())

    ours, theirs = [], []
    for number in range(ROUNDS):
        theirs.append(_timed(partial(_scp, ssh_server, lake.root, tmp_path / f"scp{number}")))
        ours.append(_timed(partial(_pull, ssh_server, lake.root, tmp_path / f"pull{number}")))

    assert tree(tmp_path / "pull0" / "lake") == tree(lake.root)
    speed = size / MEBIBYTE / min(ours)
    figure("pull_mib_per_second", round(speed), bound=">= 50", unit="MiB/s")
    ratio = round(min(theirs) / min(ours), 2)
    figure("pull_speed_beside_scp", ratio, bound=">= 0.5", unit="x")


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _scp(server: Server, lake: Path, target: Path) -> None:
    options = ["-F", "none", "-o", f"UserKnownHostsFile={server.known_hosts}", "-i", str(server.key)]
    source = f"{server.host().user}@127.0.0.1:{lake}"
    subprocess.run(["scp", "-q", "-r", *options, "-P", str(server.port), source, str(target)], check=True)
    subprocess.run(["sync", "-f", str(target)], check=True)


def _pull(server: Server, lake: Path, target: Path) -> None:
    """The whole of it: manifests, transfer, hashes, fsync, receipt with a second reading."""
    [result] = pull([partial(SshTransport, server.host(), str(lake))], LocalStore(target), Selection(raw=True))
    assert not result.problems
