"""The sequence numbers of the 50-level feed: one symbol, connection by connection."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harvester.decode.frames import ABSENT, Ints
from harvester.decode.fyers_tbt import find_breaks
from harvester.lake.gaps.streams import Reception
from harvester.lake.schema import DEPTH50_TABLE

_RECV, _CONNECTION, _SEQUENCE, _SNAPSHOT = (
    DEPTH50_TABLE.at(name) for name in ("ts_recv", "connection", "sequence", "action")
)
CERTIFIED = ("connection", "first", "last", "messages", "missing", "repeated")
"""What the certificate has of each connection's numbers."""


@dataclass
class Chain:
    """The numbers of one connection."""

    connection: int
    first: int = 0
    last: int = 0
    messages: int = 0
    missing: int = 0
    repeated: int = 0
    last_ns: int = 0
    """Receipt of the last message whose book was valid, in wall ns."""
    broken: tuple[int, str] | None = None
    """The break that no snapshot has repaired yet: its begin in wall ns, and a detail."""


@dataclass
class Sequences:
    """Checks the sequence numbers of one symbol; breaks are added to its reception."""

    reception: Reception
    chains: dict[int, Chain] = field(default_factory=dict)

    def resume(self, chains: Iterable[Chain]) -> None:
        """Go on after the rows that made these chains."""
        self.chains = {chain.connection: chain for chain in chains}

    def see(self, matrix: Ints) -> None:
        """More rows of the symbol, in the order of the journal."""
        for connection in np.unique(matrix[_CONNECTION]).tolist():
            chain = self.chains.setdefault(connection, Chain(connection))
            self._follow(chain, matrix[:, matrix[_CONNECTION] == connection])

    def _follow(self, chain: Chain, rows: Ints) -> None:
        sequence = rows[_SEQUENCE]
        sequence = np.where(sequence == ABSENT, 0, sequence)
        before = np.append(chain.last, sequence[:-1])
        breaks = find_breaks(sequence, before)
        at = 0
        for place in np.flatnonzero(breaks | (rows[_SNAPSHOT] != 0)).tolist():
            self._pass(chain, rows, at, place)
            if breaks[place]:
                self._break(chain, int(before[place]), int(sequence[place]))
            if rows[_SNAPSHOT][place]:
                self._repair(chain, int(rows[_RECV][place]))
            at = place
        self._pass(chain, rows, at, rows.shape[1])
        known = sequence[sequence != 0]
        if len(known):
            chain.first = chain.first or int(known[0])
        chain.last = int(sequence[-1])
        chain.messages += rows.shape[1]

    def _pass(self, chain: Chain, rows: Ints, start: int, end: int) -> None:
        if chain.broken is None and end > start:
            chain.last_ns = int(rows[_RECV][end - 1])

    def _break(self, chain: Chain, before: int, got: int) -> None:
        if got > before:
            chain.missing += got - before - 1
        else:
            chain.repeated += 1
        if chain.broken is None:
            chain.broken = chain.last_ns, f"{got} came after {before}"

    def _repair(self, chain: Chain, at_ns: int) -> None:
        if chain.broken:
            self.reception.breaks.append((chain.broken[0], at_ns, chain.broken[1]))
        chain.broken = None
        chain.last_ns = at_ns

    def finish(self) -> dict[str, Any]:
        """The certificate's entry; a break that no snapshot repaired lasts to the end of its connection."""
        for chain in self.chains.values():
            if chain.broken:
                self.reception.breaks.append((chain.broken[0], None, chain.broken[1]))
        chains = [self.chains[number] for number in sorted(self.chains)]
        return {
            "missing": sum(chain.missing for chain in chains),
            "repeated": sum(chain.repeated for chain in chains),
            "connections": [{name: getattr(chain, name) for name in CERTIFIED} for chain in chains],
        }
