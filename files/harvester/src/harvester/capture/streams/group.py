"""A group of symbols of a socket feed and the one or two connections that bring it.

Its streams are 2i and 2i + 1 for the i-th line of a feed. Both are up all the time when the feed is redundant;
otherwise the second is used only to change to a new token without a gap.
"""

import asyncio
from typing import Any

import structlog

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.adapter import Tally
from harvester.capture.streams.connection import Leg, NewSession
from harvester.capture.streams.context import Desk
from harvester.ledger.streams import Reason

log = structlog.get_logger()
HANDOVER_SECONDS = 20.0
LOOK_SECONDS = 0.1
NOT_UP = "the new connection did not come up"
ROTATION = Reason("stopped", "replaced by a connection with the new token")


class Line:
    """Keeps its symbols covered while it is wanted."""

    def __init__(
        self,
        number: int,
        symbols: tuple[str, ...],
        desk: Desk,
        new_session: NewSession,
        *,
        redundant: bool,
        may_overlap: bool,
    ) -> None:
        self.symbols = symbols
        self._desk = desk
        self._redundant = redundant
        self._may_overlap = may_overlap
        self._legs = [Leg(2 * number + side, symbols, desk, new_session) for side in (0, 1)]
        self._active = self._legs[0]
        self._down_since_ns: int | None = None

    def start(self) -> None:
        """Connect."""
        self._down_since_ns = self._desk.clock.mono_ns()
        for leg in self._legs if self._redundant else [self._active]:
            leg.start()

    async def stop(self, reason: Reason) -> None:
        """Hang up."""
        await asyncio.gather(*(leg.stop(reason) for leg in self._legs))

    def down_for(self) -> int:
        """Nanoseconds for which no symbol of the line has been covered; 0 when one is."""
        now = self._desk.clock.mono_ns()
        if any(leg.is_open for leg in self._legs) and any(map(self._desk.ledger.is_covered, self.symbols)):
            self._down_since_ns = None
            return 0
        if self._down_since_ns is None:
            self._down_since_ns = now
        return now - self._down_since_ns

    async def change_token(self) -> None:
        """Replace connections that were opened with an older token, without a gap where two may be open."""
        for leg in [leg for leg in self._legs if leg.is_open and leg.token is not self._desk.gate.token]:
            if self._redundant:
                missing = leg.missing()
                await leg.stop(ROTATION)
                leg.start()
                if not await self._settles(leg, missing):
                    log.warning("token_not_used_yet", stream=leg.stream, detail=NOT_UP)
                    return  # the other one still delivers
            elif self._may_overlap:
                await self._overlap(leg)
            # Where no second connection is allowed the old one stays: it delivers until the server ends it.

    def tallies(self) -> dict[str, Tally]:
        """What came by symbol: of two connections that carry the same, the richer one."""
        found: dict[str, Tally] = {}
        for leg in self._legs:
            for symbol, tally in leg.tallies().items():
                before = found.get(symbol, Tally(0, 0))
                merged = max(before.updates, tally.updates) if self._redundant else before.updates + tally.updates
                found[symbol] = Tally(merged, max(before.last_ns, tally.last_ns))
        return found

    def standing(self) -> dict[int, tuple[list[str], int]]:
        """Of each open connection by stream: its symbols, and the wall ns of its last message."""
        return {leg.stream: standing for leg in self._legs if (standing := leg.standing())}

    def describe(self) -> list[dict[str, Any]]:
        """The connections that are in use, or were."""
        return [leg.describe() for leg in self._legs if leg.is_running or leg.attempt]

    async def _overlap(self, old: Leg) -> None:
        new = self._legs[1] if old is self._legs[0] else self._legs[0]
        new.start()
        if await self._settles(new, old.missing()) or not old.is_open:
            self._active = new
            await old.stop(ROTATION)
        else:
            log.warning("token_not_used_yet", stream=old.stream, detail=NOT_UP)
            await new.stop(ROTATION)

    async def _settles(self, leg: Leg, missing: set[str]) -> bool:
        """Whether the leg delivers in time all that is not missing anyway."""
        deadline = self._desk.clock.mono_ns() + int(HANDOVER_SECONDS * NS_PER_SECOND)
        while not leg.missing() <= missing:
            if self._desk.clock.mono_ns() > deadline or not leg.is_running:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True
