"""Plays a recorded day: each record at its time, or as fast as the clients take it."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from exchange.options import ReplayOptions
from exchange.replay.hsm_replay import ReplayHsm
from exchange.replay.recording import Event, Recording, body_of
from exchange.replay.tbt_replay import ReplayTbt
from exchange.replay.tbt_state import warm_up
from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import DATA, FYERS_HSM, FYERS_REST, FYERS_TBT

BUCKET_NS = 50_000
BUCKETS = 20_000
"""Up to one second; what is later counts as one second."""
NS_PER_MS = 1e6


class Lateness:
    """A histogram of distances from due to done."""

    def __init__(self) -> None:
        self._counts = [0] * (BUCKETS + 1)
        self.count = 0
        self.worst_ns = 0

    def add(self, late_ns: int) -> None:
        """Count one frame."""
        late_ns = max(0, late_ns)
        self._counts[min(BUCKETS, late_ns // BUCKET_NS)] += 1
        self.count += 1
        self.worst_ns = max(self.worst_ns, late_ns)

    def percentile_ms(self, share: float) -> float:
        """What so large a share of the frames was not later than; 0 without frames."""
        wanted, seen = share * self.count, 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= wanted and seen:
                return (place + 1) * BUCKET_NS / NS_PER_MS
        return 0.0

    def describe(self) -> dict[str, float]:
        """Percentiles in milliseconds."""
        return {
            "p50_ms": self.percentile_ms(0.5),
            "p99_ms": self.percentile_ms(0.99),
            "worst_ms": self.worst_ns / NS_PER_MS,
        }


TURN = 64
"""Records between two turns of the event loop."""
LOOK_SECONDS = 0.02
log = logging.getLogger("exchange")


class Player:
    """Plays one recording. Nothing is dropped: `drained` waits for slow clients, and the day is late by that time."""

    def __init__(self, recording: Recording, options: ReplayOptions) -> None:
        self.recording = recording
        self.hsm = ReplayHsm(recording.topics, self._joined)
        self.tbt = ReplayTbt(recording.depth_symbols, self._joined)
        self.answers = dict(recording.answers)
        """The /depth answer of each symbol that is in force."""
        self.lateness = Lateness()
        self.played = 0
        self.position_ns = recording.first_ns
        self.ended = asyncio.Event()
        self.drained: Callable[[], Awaitable[None]] | None = None
        self._options = options
        self._last_join = 0.0
        self._begun = False

    def _joined(self) -> None:
        self._last_join = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Play the day once."""
        warm_up()
        gc.freeze()  # what is here now stays: a full collection would hold frames up
        if self._options.wait:
            await self._wait_for_subscribers()
        self._begun = True
        log.info("replay of %s begins", self._options.day)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, event in enumerate(self.recording.events()):
            if self._options.speed is not None:
                due = began + (event.due_ns - self.recording.first_ns) / NS_PER_SECOND / self._options.speed
                await self._until(due)
                self._take(event)
                if event.record.kind == DATA and event.record.feed != FYERS_REST:
                    self.lateness.add(int((loop.time() - due) * NS_PER_SECOND))
            else:
                self._take(event)
            if number % TURN == 0:
                await self._breathe()
        await self._breathe()
        log.info("replay of %s has ended", self._options.day)
        self.ended.set()

    async def _until(self, due: float) -> None:
        left = due - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    async def _breathe(self) -> None:
        """Let frames go out, and wait for clients that are behind."""
        await asyncio.sleep(0)
        if self.drained is not None:
            await self.drained()

    async def _wait_for_subscribers(self) -> None:
        loop = asyncio.get_running_loop()
        while not (self.hsm.is_complete and self.tbt.is_complete and self._last_join):
            if self._last_join and loop.time() > self._last_join + self._options.settle_seconds:
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _take(self, event: Event) -> None:
        record = event.record
        self.position_ns = event.due_ns
        if event.control is not None:
            self._obey(event.control)
        elif record.kind == DATA:
            self.played += 1
            if record.feed == FYERS_HSM:
                self.hsm.play(record.stream, record.payload)
            elif record.feed == FYERS_TBT:
                self.tbt.play(record.stream, record.payload)
            elif record.feed == FYERS_REST and (body := body_of(record)) is not None:
                self.answers[event.symbol] = body

    def _obey(self, control: Mapping[str, Any]) -> None:
        """Recorded connections begin and end with the recorder, and one by one."""
        if control["type"] == "start":
            self.hsm.end_all()
            self.tbt.end_all()
        elif control["type"] in ("connect", "disconnect") and type(control.get("stream")) is int:
            if control.get("feed") == FYERS_HSM:
                self.hsm.end(control["stream"])
            elif control.get("feed") == FYERS_TBT:
                self.tbt.end(control["stream"])

    def describe(self) -> dict[str, object]:
        """Where the replay is; times are those of the recording."""
        return {
            "date": self._options.day.isoformat(),
            "speed": self._options.speed or "max",
            "state": "ended" if self.ended.is_set() else "playing" if self._begun else "waiting for subscribers",
            "first_ns": self.recording.first_ns,
            "last_ns": self.recording.last_ns,
            "position_ns": self.position_ns,
            "records": self.played,
            "late": self.lateness.describe(),
        }
