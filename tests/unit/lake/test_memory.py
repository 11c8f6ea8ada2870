"""The close job's memory over a full session of five symbols, measured in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.journals import OPEN_NS, HandClock, HandRecorder

from harvester.clock import NS_PER_SECOND

SESSION_SECONDS = 23_400
FIVE = tuple(f"NSE:{name}-EQ" for name in ("HDFCBANK", "RELIANCE", "ADANIENT", "INFY", "SBIN"))


@pytest.mark.parametrize(
    ("interval_seconds", "name"), [(5, "close_rss_mib"), pytest.param(1, "close_rss_mib_1s", marks=pytest.mark.long)]
)
def test_closing_a_full_day_stays_in_its_memory(
    root: Path, tmp_path: Path, figure, interval_seconds: int, name: str
) -> None:
    slots, interval_ns = SESSION_SECONDS // interval_seconds, interval_seconds * NS_PER_SECOND
    recorder = HandRecorder(tmp_path / "journal", HandClock(OPEN_NS), symbols=FIVE, interval_ns=interval_ns)
    recorder.open_window(slots)
    recorder.poll_all(*range(slots))
    recorder.close_window(slots)
    recorder.stop()
    command = [sys.executable, "-m", "tests.unit.lake.closing", str(tmp_path), str(slots), str(interval_ns)]
    report = json.loads(subprocess.run(command, cwd=root, capture_output=True, check=True).stdout)
    assert (report["updates"], report["gap_slots"], report["unexplained"]) == (slots * len(FIVE), 0, 0)
    figure(name, round(report["rss_mib"], 1), bound="<= 300", unit="MiB", gate=True)
    figure(name.replace("rss_mib", "cpu_s"), round(report["cpu_seconds"], 1), bound="<= 120", unit="s")
