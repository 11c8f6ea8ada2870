"""A group of symbols of a streamed feed and the one or two connections that carry it.

Its streams are 2i and 2i + 1 for the i-th group of a feed. Both are up all the time when the feed is redundant;
otherwise the second is used only to change to a new token without a gap, and to be asked about a silence.
"""

import asyncio

import structlog

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.protocol import GroupPlan, SymbolTally
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.context import FeedContext
from harvester.capture.streams.sides import Sides
from harvester.capture.streams.silence import SilenceMonitor
from harvester.ledger.outage import Outage

log = structlog.get_logger()
HANDOVER_SECONDS = 20.0
LOOK_SECONDS = 0.1
NOT_UP = "the new connection did not come up"
ROTATION = Outage("stopped", "replaced by a connection with the new token")


class ConnectionGroup:
    """Keeps its symbols live while it is wanted."""

    def __init__(self, number: int, plan: GroupPlan, context: FeedContext) -> None:
        self._plan = plan
        self._context = context
        self.connections = [
            StreamConnection(2 * number + side, plan.symbols, context, plan.new_session) for side in (0, 1)
        ]
        self._sides = Sides(plan, context, self.connections, self.connections[0])
        self._watching: asyncio.Task[None] | None = None
        self._down_since_ns: int | None = None

    def start(self) -> None:
        """Connect."""
        self._down_since_ns = self._context.clock.mono_ns()
        for connection in self.connections if self._plan.redundant else [self._sides.active]:
            connection.start()
        if not self._context.has_heartbeats:
            self._watching = asyncio.create_task(SilenceMonitor(self._sides).run())

    async def stop(self, outage: Outage) -> None:
        """Close all connections; `outage` is why the symbols are not live from now on."""
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await asyncio.gather(*(connection.stop(outage) for connection in self.connections))

    def down_for(self) -> int:
        """Nanoseconds for which no symbol of the group has been live; 0 when one is."""
        now = self._context.clock.mono_ns()
        is_open = any(connection.is_open for connection in self.connections)
        if is_open and any(map(self._context.ledger.is_live, self._plan.symbols)):
            self._down_since_ns = None
            return 0
        if self._down_since_ns is None:
            self._down_since_ns = now
        return now - self._down_since_ns

    async def change_token(self) -> None:
        """Replace connections that were opened with an older token, without a gap where two may be open.

        Where no second connection is allowed the old one stays: it delivers until the server ends it.
        """
        token = self._context.access.token
        for connection in [each for each in self.connections if each.is_open and each.token is not token]:
            if self._plan.redundant:
                missing = connection.missing()
                await connection.stop(ROTATION)
                connection.start()
                if not await self._settles(connection, missing):
                    log.warning("token_not_used_yet", stream=connection.stream, detail=NOT_UP)
                    return  # the other one still delivers
            elif self._plan.may_overlap:
                await self._overlap(connection)

    def tally(self, symbol: str) -> SymbolTally:
        """The symbol's tally; of two connections that carry the same, the larger count."""
        one, other = (connection.tally(symbol) for connection in self.connections)
        both = one.plus(other)
        return both._replace(updates=max(one.updates, other.updates)) if self._plan.redundant else both

    async def _overlap(self, old: StreamConnection) -> None:
        new = self._sides.other(old)
        new.start()
        if await self._settles(new, old.missing()) or not old.is_open:
            self._sides.active = new
            await old.stop(ROTATION)
        else:
            log.warning("token_not_used_yet", stream=old.stream, detail=NOT_UP)
            await new.stop(ROTATION)

    async def _settles(self, connection: StreamConnection, missing: set[str]) -> bool:
        """Whether the connection delivers in time all symbols but those that were `missing` before."""
        deadline = self._context.clock.mono_ns() + int(HANDOVER_SECONDS * NS_PER_SECOND)
        while not connection.missing() <= missing:
            if self._context.clock.mono_ns() > deadline or not connection.is_running:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True
