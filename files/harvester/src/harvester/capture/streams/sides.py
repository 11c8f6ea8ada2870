"""The two connections of a group, and which of them is up."""

from dataclasses import dataclass

from harvester.brokers.protocol import GroupPlan
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.context import FeedContext


@dataclass
class Sides:
    """What a group and its silence monitor share."""

    plan: GroupPlan
    context: FeedContext
    connections: list[StreamConnection]
    active: StreamConnection
    """The one that is up, where the two do not carry the same all the time."""

    def other(self, connection: StreamConnection) -> StreamConnection:
        """The second of the two."""
        return self.connections[1] if connection is self.connections[0] else self.connections[0]
