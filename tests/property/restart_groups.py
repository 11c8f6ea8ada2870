"""What is true of each symbol on a day of restarts, and connection groups whose sockets do as a test says."""

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from tests.property.test_recorder_sockets import FakeSocket
from tests.recorder.fakes import SYMBOLS

from harvester.brokers.protocol import GroupPlan, SymbolTally
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.context import FeedContext
from harvester.ledger.outage import Outage
from harvester.ledger.streams import Tail

if TYPE_CHECKING:
    from tests.property.restarts import World

NAMES = (*SYMBOLS, "NSE:TCS-EQ")
ABSENT, UNSERVED, STOPPED, SEEN = "absent", "unserved", "stopped", "seen"


class Fates:
    """What is true of each symbol from which moment on, in wall ns: seen, or the cause of not being seen."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[int, str]]] = {name: [(0, ABSENT)] for name in NAMES}

    def turn(self, symbol: str, at_ns: int, fate: str) -> None:
        """From `at_ns` on; what was said of later moments is void."""
        known = self._known[symbol]
        while known[-1][0] >= at_ns:
            known.pop()
        known.append((at_ns, fate))

    def at(self, symbol: str, moment: int) -> tuple[int, str]:
        """Since when what is true at a moment has been."""
        known = self._known[symbol]
        return known[bisect_right(known, moment, key=lambda each: each[0]) - 1]


class Group:
    """One connection group of a run, whose two sockets send and end as told."""

    def __init__(self, world: "World", number: int, plan: GroupPlan, context: FeedContext) -> None:
        unset: Any = None
        self.symbols = plan.symbols
        self.connections = [StreamConnection(2 * number + side, plan.symbols, context, unset) for side in (0, 1)]
        self._world, self._context = world, context
        self._is_up = False
        world.groups.append(self)

    def start(self) -> None:
        self._is_up = True

    async def stop(self, outage: Outage) -> None:
        self._is_up = False
        if self._world.is_killed:
            return
        self.blame(outage)
        for side in (0, 1):
            self.end(side, outage, self._world.clock.wall_ns())

    async def change_token(self) -> None:
        """Its sockets do not ask for one."""

    def blame(self, outage: Outage) -> None:
        """What no socket delivers has another cause from now on."""
        now, fates = self._world.clock.wall_ns(), self._world.fates
        for symbol in self.symbols:
            is_live = any(symbol in socket.live for socket in self.sockets())
            if not is_live and fates.at(symbol, now)[1] != outage.cause:
                fates.turn(symbol, now, outage.cause)

    def down_for(self) -> int:
        return 0

    def tally(self, symbol: str) -> SymbolTally:
        return SymbolTally()

    def sockets(self) -> list[Any]:
        return [connection.socket for connection in self.connections if connection.socket]

    def live(self, side: int, symbol: str) -> None:
        """The symbol's snapshot comes, on a connection that is made if there is none."""
        connection: Any = self.connections[side]
        if self._is_up and connection.socket is None:
            made: Any = FakeSocket(self._world.clock.wall_ns())
            made.symbols, made.number, made.last_ns = self.symbols, len(self._world.sockets), 0
            self._world.sockets.append(made)
            connection._open(made, made)
        if connection.socket and not connection.socket.is_silent and symbol not in connection.socket.live:
            self.frame(side)
            now = self._world.clock.wall_ns()
            if any(symbol in socket.live for socket in self.sockets()):
                self._world.vague[symbol].append((now, self._world.run_number))
            connection.socket.live[symbol] = now
            self._world.received[connection.socket.number][symbol] = now
            self._context.mark_live(symbol, connection.stream, now)
            self._world.fates.turn(symbol, now, SEEN)

    def frame(self, side: int) -> None:
        connection: Any = self.connections[side]
        if connection.socket and not connection.socket.is_silent:
            now = self._world.clock.wall_ns()
            connection.socket.last_wall_ns = connection.socket.whole_ns = connection.socket.last_ns = now
            connection._record(b"frame", now, self._world.clock.mono_ns())

    def silence(self, side: int, _: str) -> None:
        """From now on nothing comes, and nobody has noticed."""
        for socket in [self.connections[side].socket]:
            if socket:
                socket.is_silent = True  # type: ignore[attr-defined]

    def drop(self, side: int, _: str) -> None:
        self.end(side, Outage("disconnect", ""))

    def end(self, side: int, outage: Outage, proven_ns: int | None = None) -> None:
        """The connection ends; after the close it counts up to when it is known to have brought everything."""
        connection: Any = self.connections[side]
        if socket := connection.socket:
            tail_ns = socket.last_wall_ns if proven_ns is None or socket.is_silent else proven_ns
            until_ns = (
                socket.last_wall_ns if any(part.window for part in self._context.ledger.parts.values()) else tail_ns
            )
            self.forget(socket, until_ns, outage.cause)
            self.blame(outage)
            connection._account(socket, outage, Tail(tail_ns, outage))

    def forget(self, socket: Any, until_ns: int, fate: str) -> None:
        """What the socket delivered ends at `until_ns`; what else is live goes on."""
        live, socket.live = socket.live, {}
        for symbol, since_ns in live.items():
            self._world.seen[symbol].append((since_ns, until_ns))
            if not any(symbol in other.live for other in self.sockets()):
                self._world.fates.turn(symbol, until_ns, fate)
