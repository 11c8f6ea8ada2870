"""Scans data-socket (HSM) frames while recording: which topics had an update, which a snapshot, and their last values.

Nothing is refused: what is malformed is counted here, and judged later by the decoder.
"""

from collections.abc import Callable, Iterable

from harvester.brokers.fyers.hsm_state import TopicState
from harvester.brokers.fyers.hsm_wire import FEED

SNAPSHOT, UPDATE, LITE = 0x53, 0x55, 0x4C
ENTRIES_AT = 9
LITE_SIZE = 7
Snapshot = Callable[[str, TopicState, int], None]
"""Called with a topic's name, its values and the frame's wall ns when the topic had a snapshot."""


class HsmScanner:
    """Counts of one connection, by topic. Times are wall ns."""

    def __init__(self, topics: Iterable[str], on_snapshot: Snapshot) -> None:
        self.unknown = 0
        """Entries of unknown form or cut short, and updates of ids that no snapshot named."""
        self.counts = {name: [0, 0] for name in topics}
        """Of each of these topics: entries, and the wall ns of the last; 0: none yet."""
        self.states: dict[str, TopicState] = {}
        """The last values of each topic that had a snapshot."""
        self._by_id: dict[int, tuple[list[int], TopicState]] = {}
        self._on_snapshot = on_snapshot

    def scan(self, frame: bytes, wall_ns: int) -> bool:
        """Take in one message; True when it is a feed frame."""
        if len(frame) < ENTRIES_AT or frame[2] != FEED:
            return False
        known, at, size = self._by_id, ENTRIES_AT, len(frame)
        try:
            for _ in range(frame[7] << 8 | frame[8]):
                form, start = frame[at], at
                topic = frame[at + 1] << 8 | frame[at + 2]
                if form == UPDATE:
                    at += 4 + 4 * frame[at + 3]
                elif form == SNAPSHOT:
                    at = self._name(frame, at, topic, wall_ns)
                elif form == LITE:
                    at += LITE_SIZE
                else:
                    self.unknown += 1
                    return True
                if at > size:
                    self.unknown += 1
                    return True
                try:
                    count, state = known[topic]
                except KeyError:  # no snapshot named this id; the entries behind it may be good
                    self.unknown += 1
                    continue
                count[0] += 1
                count[1] = wall_ns
                if form != SNAPSHOT:
                    state.take(frame[start + (4 if form == UPDATE else 3) : at])
        except IndexError:  # cut short
            self.unknown += 1
        return True

    def _name(self, frame: bytes, start: int, topic: int, wall_ns: int) -> int:
        """Learn a topic from its snapshot; returns where the next entry begins. Raises IndexError when cut short."""
        values_at = start + 5 + frame[start + 3]
        name = frame[start + 4 : values_at - 1].decode("ascii", "replace")
        values_end = values_at + 4 * frame[values_at - 1]
        at = values_end + 5
        for _text in range(3):
            at += 1 + frame[at]
        if at > len(frame):
            return at
        state = self.states[name] = TopicState(frame[values_at:values_end])
        self._by_id[topic] = self.counts.get(name) or [0, 0], state
        self._on_snapshot(name, state, wall_ns)
        return at
