"""The recorder against the exchange, at the broker's own addresses: what was sent is what is in the journal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Figure
from tests.exchanges import serving
from tests.recorder.fakes import make_config, session_around
from tests.service.process import COMMAND, FIVE, kib, seconds_until_a_session_may_begin
from tests.streams.audit import Audit

from exchange.environment import client_environment
from exchange.sockets.sent import BINARY, read_sent
from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.tokens.handover import Token, write_handover

SBIN, INDEX = "NSE:SBIN-EQ", "NSE:NIFTY50-INDEX"
EXCHANGE = [sys.executable, "-c", "from exchange.cli import main; main()"]
MANY, RATE = 5000, 2.0
World = tuple[dict[str, Any], dict[str, str]]


@contextmanager
def exchange(state: Path, *options: str) -> Iterator[World]:
    """An exchange that trades at all hours: what it says of itself, and the environment that leads to it."""
    with serving(state, "--keep-frames", *options) as ready:
        yield ready, {**os.environ, **client_environment(ready)}


@contextmanager
def recorder(directory: Path, state: Path, world: World, **changes: Any) -> Iterator[int]:
    """A recording service of that exchange; its process id."""
    ready, environment = world
    token = subprocess.run(
        [*EXCHANGE, "token", "--state", str(state)], capture_output=True, text=True, check=True
    ).stdout.strip()
    time.sleep(seconds_until_a_session_may_begin())
    calendar = session_around(directory / "cal.json", time.time_ns(), before_seconds=0, after_seconds=600)
    config = make_config(directory, broker={"app_id": ready["app_id"]}, calendar={"file": str(calendar)}, **changes)
    (directory / "data").mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    handed = Token(Secret(token), "file:00000001", time.time_ns() + 3600 * NS_PER_SECOND)
    write_handover(directory / "access-token", handed)
    environment |= {"HARVESTER_CONFIG": str(directory / "config.json")}
    with (directory / "log").open("w") as log:
        process = subprocess.Popen([*COMMAND, "run"], env=environment, stdout=log, stderr=log)
        try:
            yield process.pid
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()


def wait_for(directory: Path, condition: Callable[[dict[str, Any]], object], seconds: float = 60) -> dict[str, Any]:
    """The first status that fulfils the condition."""
    deadline = time.monotonic() + seconds
    file = directory / "status.json"
    while time.monotonic() < deadline:
        if file.exists():
            status: dict[str, Any] = json.loads(file.read_bytes())
            if condition(status):
                return status
        time.sleep(0.2)
    raise AssertionError("never: " + (directory / "log").read_text()[-2000:])


def is_covered(status: dict[str, Any]) -> bool:
    connections = [one for feed in status["feeds"].values() for one in feed["connections"]]
    return bool(connections) and not any(one["missing"] for one in connections) and not status["open_gaps"]


def compare(audit: Audit, state: Path) -> tuple[int, int]:
    """How many frames both sides have, and how many the exchange sent long before the last that was recorded.

    What a connection recorded must be the beginning of what was sent on it; at its end some are still on their way.
    """
    sent = {
        path.name: [(frame.wall_ns, frame.payload) for frame in read_sent(path) if frame.opcode == BINARY]
        for path in sorted((state / "frames").iterdir())
    }
    same = lost = 0
    for connection in audit.connections:
        recorded = connection.payloads
        assert recorded
        twin = next(
            name for name, frames in sent.items() if [payload for _, payload in frames[: len(recorded)]] == recorded
        )
        same += len(recorded)
        late_ns = connection.messages[-1][0] - 2 * NS_PER_SECOND
        lost += sum(1 for wall_ns, _ in sent.pop(twin)[len(recorded) :] if wall_ns < late_ns)
    assert not any(sent.values()), "a connection that the recorder knows nothing of"
    return same, lost


def disturb(state: Path, **fault: object) -> None:
    """Arm a fault of the running exchange, or end those that are armed."""
    what = json.dumps(fault) if fault else "--clear"
    subprocess.run([*EXCHANGE, "fault", "--state", str(state), what], check=True, capture_output=True)


def wait_for_attempts(directory: Path, *attempts: int) -> int:
    """How many updates SBIN had when the data socket's connections had been made so often and all was covered."""

    def is_made(status: dict[str, Any]) -> bool:
        made = [one["attempt"] for one in status["feeds"]["fyers-hsm"]["connections"]]
        return made == [*attempts] and is_covered(status)

    return int(wait_for(directory, is_made)["symbols"][SBIN]["updates"])


def test_what_the_exchange_sent_is_in_the_journal_after_a_cut_a_deaf_connection_and_a_halt(
    tmp_path: Path, figure: Figure
) -> None:
    state = tmp_path / "exchange"
    hsm = {"index_symbols": [INDEX], "mute_seconds": 2.0}
    feeds = {"feeds": ["fyers-hsm", "fyers-tbt"], "hsm": hsm, "tbt": {"symbols": [SBIN]}}
    with (
        exchange(state) as world,
        recorder(tmp_path, state, world, symbols=FIVE, **feeds),
    ):
        wait_for(tmp_path, is_covered)
        disturb(state, action="cut", path="/hsm/*")
        before = wait_for_attempts(tmp_path, 2)
        wait_for(tmp_path, lambda status: status["symbols"][SBIN]["updates"] > before + 10)
        disturb(state, action="quiet", path="/hsm/*", count=1)
        wait_for_attempts(tmp_path, 2, 1)
        disturb(state, action="halt")
        before = wait_for_attempts(tmp_path, 3, 1)
        disturb(state)
        wait_for(tmp_path, lambda status: status["symbols"][SBIN]["updates"] > before + 10)
    audit = Audit(tmp_path / "data" / "journal")

    same, lost = compare(audit, state)

    figure("socket_frames_recorded", same, bound=">= 20", unit="frames", gate=True)
    figure("socket_frames_lost", lost, bound="== 0", unit="frames", gate=True)
    for symbol in (*FIVE, INDEX):
        audit.check_gaps(symbol, FYERS_HSM)
        assert audit.causes(symbol, FYERS_HSM) == ["not_started", "disconnect", "mute", "stopped"]
    assert audit.causes(SBIN, FYERS_TBT) == ["not_started", "stopped"]
    quiet = [record["symbols"] for record in audit.of_type("quiet") if record["feed"] == FYERS_HSM]
    assert [set(symbols) for symbols in quiet] == [{*FIVE, INDEX}]


@pytest.mark.long
def test_five_thousand_symbols_fit_into_memory_and_lose_nothing(tmp_path: Path, figure: Figure) -> None:
    state = tmp_path / "exchange"
    symbols = [f"NSE:LOAD{number:05}-EQ" for number in range(MANY)]
    load = ("--load-symbols", str(MANY), "--load-rate", str(RATE))
    with (
        exchange(state, *load) as world,
        recorder(tmp_path, state, world, symbols=symbols, feeds=["fyers-hsm"]) as pid,
    ):
        began = wait_for(tmp_path, is_covered, 120)
        cpu, mono = cpu_seconds(pid), time.monotonic()
        time.sleep(60)
        share = (cpu_seconds(pid) - cpu) / (time.monotonic() - mono)
        updates = wait_for(tmp_path, bool)["symbols"]
        memory = Path(f"/proc/{pid}/status").read_text()
        gaps = wait_for(tmp_path, bool)["open_gaps"]
    audit = Audit(tmp_path / "data" / "journal")

    same, lost = compare(audit, state)

    total = sum(symbol["updates"] for symbol in updates.values())
    before = sum(symbol["updates"] for symbol in began["symbols"].values())
    figure("recorder_rss_mib_5000", kib(memory, "VmHWM") / 1024, bound="<= 96", unit="MiB", gate=True)
    figure("recorder_core_share_5000", round(share, 3), bound="<= 0.25", unit="cores")
    figure("recorder_updates_5000", total - before, bound=f">= {MANY * RATE * 40:.0f}", unit="updates")
    figure("recorder_lost_5000", lost, bound="== 0", unit="frames", gate=True)
    assert not gaps
    assert same > 0 and total > before


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
