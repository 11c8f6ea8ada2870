"""Two connections that carry the same: one that gets nothing of what the other gets is deaf."""

from collections.abc import Iterable
from dataclasses import dataclass

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.protocol import SNAPSHOT_SECONDS
from harvester.capture.streams.connection import StreamConnection
from harvester.ledger.outage import Outage
from harvester.net.websocket import WebSocket

SNAPSHOT_NS = int(SNAPSHOT_SECONDS * NS_PER_SECOND)


@dataclass
class _Track:
    """What was seen of one socket. Times are monotonic ns."""

    socket: WebSocket
    begun_ns: int
    snapshots_ns: int = 0
    """Data until then were the snapshots of the beginning, which its pair does not get; 0: they are not here yet."""
    last_ns: int = 0
    """Its last data, while the pair is ahead of it."""
    behind_ns: int = 0
    """Since when the pair has been ahead and nothing came."""

    @property
    def updates_ns(self) -> int:
        """When data came last that the pair should have, too; 0: none did."""
        return self.socket.data_mono_ns if 0 < self.snapshots_ns < self.socket.data_mono_ns else 0


class PairMonitor:
    """Ends a deaf connection; the other one goes on."""

    def __init__(self, stale_ns: int) -> None:
        """`stale_ns`: for so long a connection may have nothing of what its pair has."""
        self._stale_ns = stale_ns
        self._tracks: dict[int, _Track] = {}

    def look(self, connections: Iterable[StreamConnection], now_ns: int) -> None:
        """Take note of what came on each, and end one that stays behind."""
        for connection in connections:
            self._follow(connection, now_ns)
        latest_ns = max((track.updates_ns for track in self._tracks.values()), default=0)
        for connection in connections:
            track = self._tracks.get(connection.stream)
            if track and self._is_deaf(track, latest_ns, now_ns):
                connection.is_doubted = True
                limit = f"{self._stale_ns / NS_PER_SECOND:g} s"
                track.socket.end(Outage("mute", f"no data for {limit}, while its pair had some"))

    def _follow(self, connection: StreamConnection, now_ns: int) -> None:
        socket, session = connection.socket, connection.session
        if not (connection.is_open and socket and session):
            self._tracks.pop(connection.stream, None)
            return
        track = self._tracks.get(connection.stream)
        if track is None or track.socket is not socket:
            track = self._tracks[connection.stream] = _Track(socket, now_ns)
        if not track.snapshots_ns and (not session.missing() or now_ns - track.begun_ns > SNAPSHOT_NS):
            track.snapshots_ns = socket.data_mono_ns

    def _is_deaf(self, track: _Track, latest_ns: int, now_ns: int) -> bool:
        heard_ns = track.socket.data_mono_ns
        if heard_ns >= latest_ns:
            track.last_ns = 0
        elif track.last_ns != heard_ns:
            track.last_ns, track.behind_ns = heard_ns, now_ns
        return track.last_ns != 0 and now_ns - track.behind_ns > self._stale_ns
