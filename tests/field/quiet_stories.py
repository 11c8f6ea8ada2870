"""Stories of a recorder's sockets in still time: real sockets on loopback, no machine is too slow, nothing waits.

A test module imports the fixtures `certificate`, `now` and `short_grace`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.golden import loop
from tests.golden.loop import StillLoop
from tests.golden.still import StillTime
from tests.recorder.conftest import certificate
from tests.recorder.live_feed import BETWEEN, NEAR, Journal, Stand, live_feed
from tests.recorder.sockets import until

from harvester.base.clock import NS_PER_SECOND
from harvester.capture.streams import silence
from harvester.net import graceful_close, websocket

__all__ = ["certificate"]
STALE = 0.4
"""Seconds; the recorder's default is 10."""
Story = Callable[[Stand], Awaitable[None]]


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes on one connection is on the other at once here."""
    monkeypatch.setattr(silence, "GRACE_NS", NS_PER_SECOND // 5)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> StillTime:
    """The time of everything in this process; the loop of `play` moves it."""
    still = StillTime(time.time_ns())
    readings = {"time_ns": lambda: still.wall_ns, "monotonic_ns": lambda: still.mono_ns}
    for name, reading in readings.items():
        for module in (time, websocket, graceful_close):
            monkeypatch.setattr(module, name, reading)
    monkeypatch.setattr(loop, "QUIET_SECONDS", 0)
    monkeypatch.setattr(time, "time", lambda: still.wall_ns / NS_PER_SECOND)
    monkeypatch.setattr(time, "monotonic", lambda: still.mono_ns / NS_PER_SECOND)
    return still


def play(certificate: tuple[Path, Path], now: StillTime, story: Story, **options: Any) -> Stand:
    """The stand after a story in which a connection may be silent for STALE seconds."""

    async def run() -> Stand:
        async with live_feed(certificate, stale_seconds=STALE, **options) as stand:
            await flow(stand)
            await story(stand)
        return stand

    with asyncio.Runner(loop_factory=lambda: StillLoop(now, lambda: None)) as runner:
        return runner.run(run())


async def flow(stand: Stand, frames: int = 5) -> None:
    """Until so many more frames of the newest connection are journalled."""
    wanted = len(stand.journal.messages) + frames
    await until(lambda: len(stand.journal.messages) >= wanted, 10)


async def quiet(stand: Stand, times: int = 1) -> None:
    """Until it was seen so often that nothing was missed."""
    await until(lambda: len(stand.journal.of_type("quiet")) >= times, 60)


@asynccontextmanager
async def books_of(stand: Stand, path: str = "/tbt", **options: Any) -> AsyncIterator[Stand]:
    """The 50-level socket with the same symbols in the same recorder; its books have begun to change.

    `path` and `options` are of another group in its place, see Stand.
    """
    books = Stand(stand.broker, stand.tls, path=path, stale_seconds=STALE, trading=stand.trading, **options)
    books.open_window()
    books.feed.follow(NEAR)
    try:
        await flow(books)
        yield books
    finally:
        await books.feed.stop(BETWEEN)


def causes(journal: Journal) -> list[str]:
    """Of SBIN's gaps that are not empty and were closed."""
    return [cause for cause, _, _ in journal.gaps]


def made(stand: Stand) -> int:
    return stand.broker.connections(stand.path)


def is_whole(stand: Stand, number: int) -> bool:
    """Whether every frame that was sent on a connection, but what was in flight at its end, is journalled."""
    sent, kept = stand.broker.sent[stand.path, number], set(stand.journal.messages)
    return all(frame in kept for frame in sent[:-2])
