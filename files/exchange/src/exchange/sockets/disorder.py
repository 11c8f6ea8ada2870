"""What faults do to the sockets' connections and frames."""

from exchange.faults import CONNECTION_ACTIONS, FRAME_ACTIONS, SOCKET_ACTIONS, Armed, FaultSchedule
from exchange.sockets.connection import Outgoing
from exchange.sockets.feeds import Client

DEFAULT_GARBAGE = 64
REFUSE_AUTH = ("refuse_auth",)


class Disorder:
    """Applies the faults of the schedule to one client."""

    def __init__(self, schedule: FaultSchedule, client: Client) -> None:
        self._schedule = schedule
        self._client = client
        self._held: list[Outgoing] = []
        self._silence: Armed | None = None
        client.connection.alter = self.alter

    def _active(self, actions: tuple[str, ...]) -> list[Armed]:
        return self._schedule.of_socket(actions, self._client.connection.path, lambda: self._client.symbols)

    def alter(self, out: Outgoing) -> list[Outgoing]:
        """The frames to send in place of a data frame: none, the same, a spoilt one, or one held back before."""
        armed = [each for each in self._schedule.armed if each.fault.action in SOCKET_ACTIONS]
        if armed:
            self._schedule.count_frame(self._client.connection.path, lambda: self._client.symbols)
        chosen = self._active(FRAME_ACTIONS) if armed else []
        frames = self._spoil(chosen[0], out) if chosen else [out]
        late = [held for held in self._held if held is not out and held.symbol == out.symbol]
        self._held = [held for held in self._held if held not in late]
        return [*frames, *late]

    def _spoil(self, armed: Armed, out: Outgoing) -> list[Outgoing]:
        armed.used += 1
        size = armed.fault.size_bytes
        if armed.fault.action == "garbage_frame":
            return [Outgoing(armed.noise(DEFAULT_GARBAGE)), out]
        if armed.fault.action == "truncated_frame":
            return [out._replace(frame=out.frame[: len(out.frame) // 2 if size is None else size])]
        if armed.fault.action == "duplicate":
            return [out, out]
        if armed.fault.action == "reorder":
            self._held.append(out)
        else:
            self._client.connection.dropped += 1
        return []

    def refuses_auth(self) -> bool:
        """Whether this client is not to be let in."""
        found = self._active(REFUSE_AUTH)
        for armed in found[:1]:
            armed.used += 1
        return bool(found)

    def look(self) -> None:
        """Begin and end the faults that concern the whole connection; called every 50 ms."""
        if self._client.connection.closed_ns is not None:
            return
        if self._silence is not None:
            if not self._schedule.goes_on(self._silence):
                self._end_silence()
            return
        for armed in self._active(CONNECTION_ACTIONS)[:1]:
            armed.used += 1
            if armed.fault.action == "cut":
                self._client.connection.abort("fault: cut", reset=True)
                continue
            self._silence = armed
            if armed.fault.action == "mute":
                self._client.connection.muted = True
            elif armed.fault.action == "quiet":
                self._client.connection.is_quiet = True
            else:
                self._client.connection.freeze()

    def _end_silence(self) -> None:
        """After `half_open` the connection ends with a TCP reset; after the others it continues with snapshots."""
        armed, self._silence = self._silence, None
        if armed is not None and armed.fault.action in ("mute", "quiet"):
            self._client.connection.muted = self._client.connection.is_quiet = False
            self._client.refresh()
        else:
            self._client.connection.abort("fault: half-open", reset=True)
