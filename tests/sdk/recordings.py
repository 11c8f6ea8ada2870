"""Recorded days for these tests: segments written as a recorder writes them, made by hand or from a live exchange."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.journals import HandClock
from tests.sdk.conftest import Running
from tests.sdk.sockets import DEPTH_SOCKET, Bare, bare

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.journal.format import CONTROL, DATA, FYERS_HSM, FYERS_TBT, RunInfo, encode
from harvester.journal.writer import JournalWriter
from harvester.lake.close import close_day
from harvester.lake.day.model import Expectation
from harvester.lake.layout import Partition

Kept = list[tuple[int, int, int, int, bytes]]
"""Feed, stream, wall ns, monotonic ns and payload of each frame."""


class Segment:
    """One sealed segment file of one run."""

    def __init__(self, run: str = "run") -> None:
        self._run = run
        self._records: list[bytes] = []
        self._first_ns = 0

    def _add(self, kind: int, feed: int, stream: int, wall_ns: int, mono_ns: int, payload: bytes) -> None:
        if not self._records:
            self._first_ns = wall_ns
            header = {"type": "segment", "format": 1, "run_id": self._run, "streams": {"0": "NSE:SBIN-EQ"}}
            self._records.append(encode((CONTROL, 0, 0, 1, wall_ns, mono_ns, json.dumps(header).encode())))
        self._records.append(encode((kind, feed, stream, len(self._records) + 1, wall_ns, mono_ns, payload)))

    def control(self, wall_ns: int, mono_ns: int | None = None, **fields: Any) -> None:
        self._add(CONTROL, 0, 0, wall_ns, wall_ns if mono_ns is None else mono_ns, json.dumps(fields).encode())

    def data(self, feed: int, stream: int, wall_ns: int, payload: bytes, mono_ns: int | None = None) -> None:
        self._add(DATA, feed, stream, wall_ns, wall_ns if mono_ns is None else mono_ns, payload)

    def connect_hsm(self, wall_ns: int, stream: int, topics: dict[str, str], mono_ns: int | None = None) -> None:
        about = {"feed": FYERS_HSM, "stream": stream, "symbols": sorted(set(topics.values())), "topics": topics}
        self.control(wall_ns, mono_ns, type="connect", attempt=1, **about)

    def connect_tbt(self, wall_ns: int, stream: int, symbols: Sequence[str], mono_ns: int | None = None) -> None:
        about = {"feed": FYERS_TBT, "stream": stream, "symbols": list(symbols)}
        self.control(wall_ns, mono_ns, type="connect", attempt=1, **about)

    def write(self, folder: Path) -> Path:
        """Put it into the journal below `folder`; the trading date is that of its first record."""
        directory = folder / "journal" / to_local(self._first_ns).date().isoformat()
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self._first_ns}-1.seg"
        path.write_bytes(b"".join(self._records))
        return path


async def _keep(client: Bare, feed: int, kept: Kept, end: float) -> None:
    while time.monotonic() < end:
        try:
            frame = await client.next(max(0.01, end - time.monotonic()))
        except TimeoutError:
            return
        if isinstance(frame, bytes):
            kept.append((feed, 0, time.time_ns(), time.monotonic_ns(), frame))


async def listen(server: Running, topics: Sequence[str], symbols: Sequence[str], seconds: float) -> Kept:
    """Subscribe on both sockets and keep what comes, in the order of its coming."""
    kept: Kept = []
    async with bare(server) as data, bare(server, DEPTH_SOCKET) as depth:
        await data.login(server)
        await depth.depth(symbols)
        await depth.switch(["1"])
        await data.subscribe(list(topics))
        end = time.monotonic() + seconds
        await asyncio.gather(_keep(data, FYERS_HSM, kept, end), _keep(depth, FYERS_TBT, kept, end))
    return kept


def of_feed(kept: Kept, feed: int) -> list[bytes]:
    """Its frames with market data."""
    return [frame for number, *_, frame in kept if number == feed and (feed != FYERS_HSM or frame[2] == 6)]


def write_recording(folder: Path, kept: Kept, topics: dict[str, str], symbols: Sequence[str]) -> Kept:
    """A day with one connection to each socket; its frames."""
    segment = Segment()
    _, _, wall_ns, mono_ns, _ = kept[0]
    segment.control(wall_ns, mono_ns, type="start", pid=1)
    segment.connect_hsm(wall_ns, 0, topics, mono_ns)
    segment.connect_tbt(wall_ns, 0, symbols, mono_ns)
    for feed, stream, wall, mono, frame in kept:
        segment.data(feed, stream, wall, frame, mono)
    segment.write(folder)
    return kept


def build_lake(folder: Path, kept: Kept, topics: dict[str, str], symbols: Sequence[str]) -> Path:
    """Record the frames with the recorder's own writer, close the day, and return the lake."""
    first_ns = kept[0][2]
    end_ns = kept[-1][2] + NS_PER_SECOND
    clock = HandClock(first_ns)
    run = RunInfo("lab1", "r1", "c0ffee", {})
    writer = JournalWriter(folder / "journal", clock=clock, run=run)
    writer.append_control({"type": "start"})
    window = {"open_ns": first_ns, "close_ns": end_ns}
    writer.append_control(
        {"type": "window_open", **window, "interval_ns": None, "phases": ["continuous"], "feeds": [2, 3]}
    )
    hsm_symbols = sorted(set(topics.values()))
    writer.append_control(
        {"type": "connect", "feed": FYERS_HSM, "stream": 0, "symbols": hsm_symbols, "topics": topics, "attempt": 1}
    )
    writer.append_control({"type": "connect", "feed": FYERS_TBT, "stream": 0, "symbols": list(symbols), "attempt": 1})
    for feed, stream, wall_ns, mono_ns, frame in kept:
        clock.now_ns = wall_ns
        writer.append(feed, stream, frame, wall_ns=wall_ns, mono_ns=mono_ns)
    clock.now_ns = end_ns
    writer.append_control({"type": "window_close", **window})
    writer.close()
    close_day(
        journal=folder / "journal",
        lake=folder / "lake",
        partition=Partition(to_local(first_ns).date(), "lab1"),
        expectation=Expectation((), ((first_ns, end_ns),), None, 0),
        now_ns=end_ns,
    )
    return folder / "lake"
