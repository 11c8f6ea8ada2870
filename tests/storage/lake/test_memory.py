"""The close job's memory over full sessions of five symbols, measured in a process of its own."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.journals import OPEN_NS, HandClock, HandRecorder
from tests.storage.lake.sockets import SocketRecorder

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM

SESSION_SECONDS = 23_400
FIVE = tuple(f"NSE:{name}-EQ" for name in ("HDFCBANK", "RELIANCE", "ADANIENT", "INFY", "SBIN"))


def close(root: Path, place: Path, interval_ns: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.storage.lake.closing", str(place), str(SESSION_SECONDS), str(interval_ns)]
    return json.loads(subprocess.run(command, cwd=root, capture_output=True, check=True).stdout)


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
    report = close(root, tmp_path, interval_ns)
    assert (report["updates"], report["gap_slots"], report["unexplained"]) == (slots * len(FIVE), 0, 0)
    figure(name, round(report["rss_mib"], 1), bound="<= 300", unit="MiB", gate=True)
    figure(name.replace("rss_mib", "cpu_s"), round(report["cpu_seconds"], 1), bound="<= 120", unit="s")


def record_updates(place: Path, updates: int) -> None:
    """A session of so many updates of the books of FIVE, each a frame of its own, spread evenly."""
    recorder = SocketRecorder(place / "journal", HandClock(OPEN_NS), sync_interval_ms=10**7, segment_seconds=10**9)
    close_ns = OPEN_NS + SESSION_SECONDS * NS_PER_SECOND
    recorder.control("window_open", open_ns=OPEN_NS, close_ns=close_ns, interval_ns=None, feeds=[FYERS_HSM])
    topics = {f"dp|nse_cm|{number}": symbol for number, symbol in enumerate(FIVE, start=1)}
    recorder.control("connect", feed=FYERS_HSM, stream=0, symbols=FIVE, topics=topics)
    rng = random.Random(1)
    recorder.entries(0, *(hsm.snapshot(n, hsm.Topic(name), [100] * 30) for n, name in enumerate(topics, start=1)))
    frames = [
        hsm.feed(
            0,
            [
                hsm.update(
                    rng.randrange(5) + 1, [rng.randrange(10**4) if rng.random() < 0.2 else None for _ in range(30)]
                )
            ],
        )
        for _ in range(5_000)
    ]
    step_ns = SESSION_SECONDS * NS_PER_SECOND // updates
    for number in range(updates - len(FIVE)):
        recorder.clock.now_ns += step_ns
        recorder.frame(FYERS_HSM, 0, frames[number % len(frames)])
    recorder.clock.now_ns = close_ns
    recorder.control("window_close")
    recorder.stop()


@pytest.mark.parametrize(
    ("updates", "name"),
    [
        (20_000, "close_rss_mib_20k_updates"),
        pytest.param(200_000, "close_rss_mib_200k_updates", marks=pytest.mark.long),
        pytest.param(1_000_000, "close_rss_mib_1m_updates", marks=pytest.mark.long),
    ],
)
def test_closing_a_day_of_sockets_stays_in_its_memory_however_large(
    root: Path, tmp_path: Path, figure, updates: int, name: str
) -> None:
    record_updates(tmp_path, updates)
    report = close(root, tmp_path, 0)
    facts = report["streams"]["fyers-hsm"]
    assert sum(entry["updates"]["depth"] for entry in facts["symbols"].values()) == updates
    assert facts["unexplained_ns"] == 0
    figure(name, round(report["rss_mib"], 1), bound="<= 300", unit="MiB", gate=True)
    figure(name.replace("rss_mib", "cpu_s"), round(report["cpu_seconds"], 1), bound="<= 300", unit="s")
