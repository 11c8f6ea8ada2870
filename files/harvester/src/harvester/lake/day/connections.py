"""Connections of the sockets on one day: symbols, begin, end and cause of the end."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Connection:
    """One connection, numbered by its place among those of the day. Times are wall ns."""

    feed: int
    stream: int
    run_id: str
    seq: int
    """Number of its connect record in the run; 0 for one that has none here."""
    from_ns: int
    symbols: frozenset[str] = frozenset()
    topics: dict[str, str] = field(default_factory=dict)
    """Ticker of each topic name, on the data socket."""
    number: int = 0
    last_ns: int = 0
    """When its last frame came; 0: none did."""
    to_ns: int | None = None
    """When the recorder saw its end; None: the run died first, and what came after the last frame is unknown."""
    cause: str = ""
    detail: str = ""


class Connections:
    """All connections of a day, by number."""

    def __init__(self) -> None:
        self._all: list[Connection] = []
        self._current: dict[tuple[str, int, int], Connection] = {}
        self._by_seq: dict[tuple[str, int, int, int], Connection] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def open(self, connection: Connection) -> Connection:
        """Add a connection and number it. The one before it on its stream ends where this begins, if it had no end."""
        stream = (connection.run_id, connection.feed, connection.stream)
        before = self._current.get(stream)
        if before and before.to_ns is None:
            before.to_ns = connection.from_ns
        if before and (before.symbols, before.topics) == (connection.symbols, connection.topics):
            connection.symbols, connection.topics = before.symbols, before.topics  # kept once, however often it is made
        self._current[stream] = connection
        return self._add(connection)

    def _add(self, connection: Connection) -> Connection:
        connection.number = len(self._all)
        self._all.append(connection)
        self._by_seq[connection.run_id, connection.feed, connection.stream, connection.seq] = connection
        return connection

    def has_had(self, run_id: str, stream: tuple[int, int]) -> bool:
        """Whether (feed, stream) of the run has had a connection."""
        return (run_id, *stream) in self._current

    def close(self, run_id: str, stream: tuple[int, int], at_ns: int, cause: str, detail: str) -> None:
        """The current connection of (feed, stream) ended. Raises KeyError when there is none."""
        connection = self._current[run_id, *stream]
        if connection.to_ns is None:
            connection.to_ns, connection.cause, connection.detail = at_ns, cause, detail

    def get(self, run_id: str, stream: tuple[int, int], seq: int) -> Connection | None:
        """The connection of (feed, stream) that connect record `seq` began, if the day has it."""
        return self._by_seq.get((run_id, *stream, seq))

    def find(self, run_id: str, stream: tuple[int, int], seq: int, at_ns: int) -> Connection:
        """The connection of (feed, stream) that connect record `seq` began.

        Without such a record it is a new one that began at `at_ns` and ended when the next of the stream began.
        """
        found = self.get(run_id, stream, seq)
        if found:
            return found
        made = Connection(feed=stream[0], stream=stream[1], run_id=run_id, seq=seq, from_ns=at_ns)
        later = [each.from_ns for each in self._all if (each.run_id, each.feed, each.stream) == (run_id, *stream)]
        made.to_ns = min((moment for moment in later if moment > at_ns), default=None)
        return self._add(made)

    def topics(self) -> dict[str, str]:
        """Ticker of each topic that any connection of the day named."""
        return {topic: symbol for connection in self._all for topic, symbol in connection.topics.items()}
