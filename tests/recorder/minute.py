"""A window of one minute on a day of its own, and a recorder that is told what happens in it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

from tests.recorder.bench import Bench, JournalView, Script, running
from tests.recorder.fakes import SYMBOLS, FakeClock

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.config.settings import Settings

DAY = date(2026, 8, 5)
OPEN_NS = midnight_ns(DAY) + 10 * 3600 * NS_PER_SECOND
WINDOW = (OPEN_NS, OPEN_NS + 60 * NS_PER_SECOND)
SECOND = NS_PER_SECOND
SBIN, INFY = SYMBOLS
Story = Callable[[Bench], Awaitable[None]]


def at(seconds: float) -> FakeClock:
    """A clock so many seconds after the open."""
    return FakeClock(OPEN_NS + int(seconds * SECOND))


def lasting(seconds: float, *, killed: bool = False) -> Story:
    """So much time passes, at the end of which the recorder may be killed."""

    async def story(bench: Bench) -> None:
        await bench.clock.advance(seconds)
        if killed:
            await bench.kill()

    return story


def record(
    settings: Settings,
    clock: FakeClock,
    story: Story,
    script: Script | None = None,
    *streams: Any,
) -> JournalView:
    """Run a recorder through a story to its regular stop, or the end that the story made; read what it journalled."""

    async def play() -> None:
        async with running(settings, clock, script, streams) as bench:
            await story(bench)
            if not bench.task.done():
                await bench.stop()

    asyncio.run(play())
    return JournalView(settings.journal_dir)


def words(ledger: JournalView, symbol: str = SBIN) -> dict[str, int]:
    """How many slots of the window have which fate."""
    return dict(Counter(ledger.table(symbol, WINDOW, SECOND)))
