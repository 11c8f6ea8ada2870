"""The real recorder against the local exchange under load, each a process of its own: `python -m tests.bench.live`.

Runs in a network and mount namespace of its own, where the broker's host names are this machine's loopback: what the
SDK's environment would lead through the exchange's proxy goes straight to it.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import child

from exchange.client import call_control, read_ready
from exchange.environment import client_environment
from exchange.hosts import BROKER_HOSTS
from exchange.market.load import load_ticker
from exchange.replay.entries import FEED, HEAD
from exchange.sockets.sent import LENGTH, read_sent
from exchange.state import StateDir
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.config.file import PATH_VARIABLE
from harvester.journal import read_segment
from harvester.journal.format import CONTROL, DATA, FYERS_HSM, Record, decode_control
from harvester.tokens.handover import Token, write_handover
from lab.calendar import announce, closed_calendar, market_today, write_calendar
from runbook.fleet.inventory import program

LEAD_SECONDS = 20
SETTLE_SECONDS = 3
READY_SECONDS = 60
TOPICS = 20_000
TICKS = os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """What a recording of synthetic symbols cost and kept."""

    symbols: int
    seconds: float
    entries_per_frame: int
    updates: int
    """Entries of quotes and of books that were recorded in the window."""
    lost: int
    """Frames of the session, from the first to its close, that the journal lacks or has altered."""
    tail_gaps: int
    """Gaps of the window's end that the recorder itself recorded: what it knows not to have read."""
    core_share: float
    """Per cent of one core that the recorder took, from soon after the open until the close."""
    rss_mib: float
    journal_bytes: int
    latency_ms: tuple[float, float] | None
    """Median and 99th percentile, in the window, from the exchange's send to the recorder's clock just before the
    journal's write."""


def lead_names_here(place: Path) -> None:
    """Have the broker's host names mean loopback, in this namespace alone. Raises CalledProcessError."""
    hosts = place / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *BROKER_HOSTS)), encoding="ascii")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)


@dataclass
class Session:
    """A recording under way: the recorder, the exchange's state directory, and the window's open and close."""

    recorder: "subprocess.Popen[bytes]"
    exchange: Path
    opens: datetime
    closes: datetime
    sockets: list[dict[str, Any]] = field(default_factory=list)
    """What the exchange says of each connection that had frames, once the recorder has ended."""


@contextmanager
def recording(
    place: Path, command: list[str], symbols: int, seconds: int, *, serve: Sequence[str], settings: dict[str, Any]
) -> Iterator[Session]:
    """The exchange, with these options beside ours, and the recorder `command` with these settings beside ours."""
    calendar, state = place / "calendar.json", place / "exchange"
    write_calendar(calendar, closed_calendar(market_today()))
    exchange = [program("exchange"), "serve", "--state", str(state), "--calendar", str(calendar)]
    exchange += ["--topic-limit", str(TOPICS), "--load-symbols", str(symbols), *serve]
    with _running(place, "exchange", exchange, {}) as server:
        _wait_for(state / "ready.json", server)
        environment = {"SSL_CERT_FILE": client_environment(read_ready(state))["SSL_CERT_FILE"]}
        config = _configure(place, [load_ticker(number) for number in range(symbols)], settings)
        _hand_over(place)
        with _running(
            place, "recorder", command, {**child.compiled(), **environment, PATH_VARIABLE: str(config)}
        ) as recorder:
            _wait_for(place / "status.json", recorder)
            opens, closes = announce(calendar, lead_seconds=LEAD_SECONDS, seconds=seconds)
            session = Session(recorder, state, opens, closes)
            yield session
        session.sockets += [row for row in call_control(state, "GET", "/sockets").json() if row["frames"]]


def record_load(place: Path, symbols: int, seconds: int, *, rate: float, frame_entries: int, keep: bool) -> Load:
    """Record `symbols` synthetic symbols for so long. With `keep` the exchange keeps its frames, for latency."""
    serve = ["--load-rate", str(rate), "--frame-entries", str(frame_entries), *(["--keep-frames"] if keep else [])]
    command = [program("harvester"), "run"]
    with recording(place, command, symbols, seconds, serve=serve, settings={}) as session:
        pid, opens, closes = session.recorder.pid, session.opens, session.closes
        sleep_until(opens.timestamp() + SETTLE_SECONDS)
        began, spent = time.monotonic(), _cpu_seconds(pid)
        sleep_until(closes.timestamp() - 1)
        share = (_cpu_seconds(pid) - spent) / (time.monotonic() - began)
        rss_mib = child.memory_kib("VmHWM", pid) / 1024
        sleep_until(closes.timestamp() + 2)
    window = int(opens.timestamp()) * NS_PER_SECOND, int(closes.timestamp()) * NS_PER_SECOND
    updates, lost, tail_gaps, latency = _judge(place, session.sockets, window)
    size = sum(path.stat().st_size for path in _segments(place))
    return Load(symbols, seconds, frame_entries, updates, lost, tail_gaps, 100 * share, rss_mib, size, latency)


def _segments(place: Path) -> list[Path]:
    return sorted((place / "data" / "journal").glob("2*/*.seg"))


def _judge(
    place: Path, rows: list[dict[str, Any]], window: tuple[int, int]
) -> tuple[int, int, int, tuple[float, float] | None]:
    """Compare what the exchange says it has sent with the journal, connection by connection.

    Entries of the window, frames lost, gaps of the window's end, and the latency. Where the exchange kept its frames,
    those that it sent after the close may be missing: a server that is slow to hear the goodbye sends some to nobody.
    """
    segments = _segments(place)
    updates = lost = 0
    latencies: list[int] = []
    streams = _streams(segments)
    for row in rows:
        stream = streams[row["first_topic"]]
        kept = _Kept()
        sent = read_sent(Path(row["file"])) if row["file"] else None
        for record in _of_stream(segments, stream):
            is_inside = window[0] <= record.wall_ns < window[1]
            kept.add(record.payload, counts=is_inside)
            other = next(sent, None) if sent else None
            if other and is_inside:
                latencies.append(record.wall_ns - other.wall_ns)
        updates += kept.entries
        missing = row["frames"] - kept.frames
        lost += kept.holes + (missing == 0 and kept.digest.hexdigest() != row["sha256"])
        lost += sum(frame.wall_ns <= window[1] for frame in sent) if sent else abs(missing)
    latencies.sort()
    latency = (_share(latencies, 50), _share(latencies, 99)) if latencies else None
    return updates, lost, _tail_gaps(segments), latency


def _tail_gaps(segments: list[Path]) -> int:
    """How many gaps were recorded after the window's close."""
    kinds = [control["type"] for control in _controls(segments)]
    return kinds[kinds.index("window_close") :].count("gap_open")


class _Kept:
    """Counts the frames of one connection in the journal; message numbers of feed frames rise by one."""

    def __init__(self) -> None:
        self.frames = self.entries = self.holes = 0
        self.digest = hashlib.sha256()
        self._number = 0

    def add(self, frame: bytes, *, counts: bool) -> None:
        """Take a frame in; its entries count when they are of the window."""
        self.frames += 1
        self.digest.update(LENGTH.pack(len(frame)) + frame)
        if len(frame) >= HEAD.size and frame[2] == FEED:
            _, _, number, entries = HEAD.unpack_from(frame)
            self.entries += counts * entries
            self.holes += abs(number - self._number - 1)
            self._number = number


def _share(ordered: list[int], per_cent: int) -> float:
    return ordered[len(ordered) * per_cent // 100] / NS_PER_MS


def _streams(segments: list[Path]) -> dict[str, int]:
    """The stream of each connection in the journal, by the first of its topics."""
    connects = [control for control in _controls(segments) if control["type"] == "connect"]
    return {next(iter(control["topics"])): control["stream"] for control in connects}


def _controls(segments: list[Path]) -> list[dict[str, Any]]:
    records = (record for path in segments for record in read_segment(path) if record.kind == CONTROL)
    return [decode_control(record.payload) or {} for record in records]


def _of_stream(segments: list[Path], stream: int) -> Iterator[Record]:
    for path in segments:
        yield from (record for record in read_segment(path) if _is_frame(record) and record.stream == stream)


def _is_frame(record: Record) -> bool:
    return record.kind == DATA and record.feed == FYERS_HSM


def _configure(place: Path, symbols: list[str], settings: dict[str, Any]) -> Path:
    config = {
        "host_id": "bench",
        "data_dir": str(place / "data"),
        "symbols": symbols,
        "broker": {"app_id": StateDir(place / "exchange").app().app_id},
        "feeds": ["fyers-hsm"],
        "connect_before_seconds": 12,
        "calendar": {"file": str(place / "calendar.json")},
        "token": {"source": "file", "file": str(place / "credential"), "handover": str(place / "access-token")},
        "status_file": str(place / "status.json"),
        **settings,
    }
    path = place / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _hand_over(place: Path) -> None:
    command = [program("exchange"), "token", "--state", str(place / "exchange")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    expires_ns = time.time_ns() + 3600 * NS_PER_SECOND
    write_handover(place / "access-token", Token(Secret(text), "file:bench", expires_ns))


@contextmanager
def _running(place: Path, name: str, command: list[str], more: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A program in the background; it must live until it is told to end, and end well."""
    log = place / f"{name}.log"
    with log.open("wb") as output:
        running = subprocess.Popen(command, env={**os.environ, **more}, stdout=output, stderr=output)
        try:
            yield running
        finally:
            died = running.poll() is not None
            running.terminate()
            code = running.wait(30)
    if died or code != 0:
        raise RuntimeError(f"{name} ended too early or badly, with exit code {code}: {log.read_text('utf-8')[-1500:]}")


def _wait_for(path: Path, writer: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not path.exists():
        if writer.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{path} did not appear")
        time.sleep(0.05)


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main(place: str, symbols: str, seconds: str, rate: str, frame_entries: str, keep: str) -> None:
    lead_names_here(Path(place))
    load = record_load(
        Path(place), int(symbols), int(seconds), rate=float(rate), frame_entries=int(frame_entries), keep=keep == "True"
    )
    print(json.dumps(load._asdict()))


if __name__ == "__main__":
    main(*sys.argv[1:])
