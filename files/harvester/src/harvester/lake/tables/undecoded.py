"""What of the sockets is recorded and has not become rows, counted by reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from harvester.base.clock import NS_PER_SECOND
from harvester.decode.frames import Reason
from harvester.lake.day.connections import Connection

DECODED = frozenset({Reason.EXTRA_VALUES, Reason.BAD_SCALE, Reason.NO_DEPTH})
"""Reasons that cost no row: the known values are decoded, or there is no book to make a row of."""
STARTING_NS = 15 * NS_PER_SECOND
"""So long after its begin a connection may bring updates before their snapshot: without one it is given up."""


@dataclass
class Undecoded:
    """Parts of messages of one feed that should have become rows. Times are wall ns."""

    parts: Counter[str] = field(default_factory=Counter)
    times: list[int] = field(default_factory=list)
    """The first and the last."""

    def see(self, reason: str, moments: Sequence[int], connection: Connection) -> None:
        """Note parts that were received at these moments."""
        if reason in DECODED:
            return
        if reason == Reason.NO_SNAPSHOT and connection.seq:
            moments = [moment for moment in moments if moment >= connection.from_ns + STARTING_NS]
        if moments:
            self.parts[reason] += len(moments)
            self.times = [min([*self.times, *moments]), max([*self.times, *moments])]
