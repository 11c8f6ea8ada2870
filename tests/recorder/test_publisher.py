"""The status file: how often it is written, in which steps, and that they make what one would."""

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import structlog
from msgspec import Raw
from tests.journals import HandClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.monitors import STALE_NS
from harvester.capture.feed import SymbolCounters
from harvester.capture.publisher import MANY, MANY_EVERY_NS, SLICE, StatusPublisher
from harvester.ledger.gaps import Gap


class Publisher(StatusPublisher):
    """One with nothing to tell but symbols and gaps."""

    def describe(self, recorder: Any, *, symbols: Raw, open_gaps: Raw) -> dict[str, Any]:
        return {"before": 1, "symbols": symbols, "open_gaps": open_gaps, "after": 2}


class Feed:
    """A feed of so many symbols, each with a gap."""

    def __init__(self, name: str, first: int, end: int, counters: SymbolCounters) -> None:
        self.name = name
        self.symbols = [f"NSE:S{number}-EQ" for number in range(first, end)]
        self.ledger = Mock(open_gaps=[Gap(f"{name}-{symbol}", symbol, 7, "mute", "\u20b9") for symbol in self.symbols])
        self.ledgers = {"nse_cash": self.ledger}
        self._counters = counters

    def count(self, symbol: str) -> SymbolCounters:
        assert symbol in self.symbols
        return self._counters


class Recorder:
    """A recorder of such feeds; work beside its loop is done when the test says so."""

    def __init__(self, *feeds: Feed) -> None:
        self.feeds = feeds
        self.work: list[Coroutine[Any, Any, None]] = []

    def run_background(self, work: Coroutine[Any, Any, None]) -> None:
        self.work.append(work)


def make(path: Path, polls: Any = None) -> tuple[Publisher, HandClock]:
    clock = HandClock()
    context = Mock(clock=clock, settings=Mock(status_file=path))
    return Publisher(context, polls=polls or Mock(), streams=[], keeper=Mock(), symbol_master=dict), clock


@pytest.mark.parametrize(("symbols", "writes"), [(5, 10), (MANY - 1, 10), (MANY, 2)])
def test_many_symbols_are_written_less_often(tmp_path: Path, symbols: int, writes: int) -> None:
    path = tmp_path / "status.json"
    publisher, clock = make(path)
    recorder = Recorder(Feed("fyers-hsm", 0, symbols, SymbolCounters()))
    found = 0
    for _ in range(10):
        path.unlink(missing_ok=True)
        publisher(recorder)  # type: ignore[arg-type]
        for work in recorder.work:
            asyncio.run(work)  # type: ignore[arg-type]
        recorder.work.clear()
        found += path.exists()
        clock.now_ns += NS_PER_SECOND
    assert found == writes


def test_what_is_written_less_often_is_still_fresh() -> None:
    assert 2 * MANY_EVERY_NS <= STALE_NS


@pytest.mark.parametrize("symbols", [0, 1, 3, MANY + SLICE + 1])
def test_the_steps_make_one_file(tmp_path: Path, symbols: int) -> None:
    polls = Feed("fyers-rest", 0, symbols, SymbolCounters(3, 9, 11, 5, 200, "mute: x"))
    socket = Feed("fyers-hsm", symbols // 2, symbols + 1, SymbolCounters(4, last_recv_ns=6))
    publisher, _ = make(tmp_path / "status.json", polls)
    recorder = Recorder(polls, socket)
    publisher(recorder)  # type: ignore[arg-type]
    for work in recorder.work:
        asyncio.run(work)  # type: ignore[arg-type]

    status = json.loads((tmp_path / "status.json").read_bytes())

    assert list(status) == ["before", "symbols", "open_gaps", "after"]
    assert list(status["symbols"]) == list(dict.fromkeys([*polls.symbols, *socket.symbols]))
    of_polls = {"updates": 3, "last_recv_ns": 5}
    of_socket = {"updates": 4, "last_recv_ns": 6}
    rest = {"slots": 9, "accounted_ns": 11, "last_http": 200, "last_error": "mute: x"}
    none = {"slots": 0, "accounted_ns": 0, "last_http": None, "last_error": ""}
    for name, found in status["symbols"].items():
        feeds = {feed.name: brief for feed, brief in ((polls, of_polls), (socket, of_socket)) if name in feed.symbols}
        updates = sum(brief["updates"] for brief in feeds.values())
        last = max(brief["last_recv_ns"] for brief in feeds.values())
        whole = {"updates": updates, "last_recv_ns": last, "feeds": feeds}
        assert found == whole | (rest if name in polls.symbols else none)
    gaps = [(gap["gap_id"], gap.get("feed")) for gap in status["open_gaps"]]
    assert gaps == [
        (gap.gap_id, None if feed is polls else feed.name) for feed in recorder.feeds for gap in feed.ledger.open_gaps
    ]
    assert all(
        gap["cause"] == "mute" and gap["detail"] == "\u20b9" and gap["from_ns"] == 7 for gap in status["open_gaps"]
    )


def test_messages_get_their_turn_while_a_large_file_is_assembled(tmp_path: Path) -> None:
    publisher, clock = make(tmp_path / "status.json")
    recorder = Recorder(Feed("fyers-hsm", 0, 5_000, SymbolCounters()))
    publisher(recorder)  # type: ignore[arg-type]
    turns = 0

    async def play() -> None:
        nonlocal turns
        work = asyncio.create_task(recorder.work.pop())
        await asyncio.sleep(0)
        while not work.done():
            clock.now_ns += NS_PER_SECOND
            publisher(recorder)  # type: ignore[arg-type]
            assert recorder.work == [], "one at a time"
            await asyncio.sleep(0)
            turns += 1

    asyncio.run(play())
    assert turns >= 2 * 5_000 // SLICE
    assert len(json.loads((tmp_path / "status.json").read_bytes())["symbols"]) == 5_000


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    publisher, clock = make(tmp_path / "later" / "status.json")
    recorder = Recorder(Feed("fyers-hsm", 0, 1, SymbolCounters()))
    for _ in range(2):
        publisher(recorder)  # type: ignore[arg-type]
        clock.now_ns += NS_PER_SECOND
    (tmp_path / "later").mkdir()
    publisher(recorder)  # type: ignore[arg-type]
    assert (tmp_path / "later" / "status.json").exists()


def test_a_file_that_cannot_be_written_is_said_once_each_time(tmp_path: Path) -> None:
    """What was said of a trouble that is over silences nothing of the next."""
    folder = tmp_path / "run"
    folder.mkdir()
    publisher, clock = make(folder / "status.json")
    recorder = Recorder(Feed("fyers-hsm", 0, 2, SymbolCounters()))
    said = []
    for is_there in (False, False, True, True, False, False):
        if is_there:
            folder.mkdir(exist_ok=True)
        elif folder.exists():
            folder.rmdir()
        with structlog.testing.capture_logs() as lines:
            publisher(recorder)  # type: ignore[arg-type]
        said.append([line["event"] for line in lines])
        clock.now_ns += NS_PER_SECOND
        (folder / "status.json").unlink(missing_ok=True)

    assert said == [["status_not_written"], [], [], [], ["status_not_written"], []]


@pytest.mark.parametrize(
    "end", [RuntimeError("a defect of ours"), asyncio.CancelledError()], ids=["defect", "cancelled"]
)
def test_a_file_whose_assembly_ended_badly_is_assembled_again(tmp_path: Path, end: BaseException) -> None:
    path = tmp_path / "status.json"
    publisher, clock = make(path)
    feed = Feed("fyers-hsm", 0, MANY, SymbolCounters())
    recorder = Recorder(feed)

    def fail(symbol: str) -> SymbolCounters:
        raise end

    for count in (fail, type(feed).count.__get__(feed)):
        feed.count = count  # type: ignore[method-assign]
        publisher(recorder)  # type: ignore[arg-type]
        clock.now_ns += MANY_EVERY_NS + NS_PER_SECOND
        for work in recorder.work:
            with contextlib.suppress(type(end)):
                asyncio.run(work)  # type: ignore[arg-type]
        recorder.work.clear()

    assert path.exists()
