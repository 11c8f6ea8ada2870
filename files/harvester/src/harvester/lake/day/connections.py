"""Connections of the sockets on one day: what each served, from when to when, and why it ended."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Link:
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
    """When the recorder saw its end; None: the run died before, so nobody watched what came after its last frame."""
    cause: str = ""
    detail: str = ""


class Links:
    """All connections of a day."""

    def __init__(self) -> None:
        self._all: list[Link] = []
        self._current: dict[tuple[str, int, int], Link] = {}
        self._by_seq: dict[tuple[str, int, int, int], Link] = {}

    def __iter__(self) -> Iterator[Link]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def open(self, link: Link) -> Link:
        """A connection began; the one before it on its stream is over. It has its number afterwards."""
        stream = (link.run_id, link.feed, link.stream)
        before = self._current.get(stream)
        if before and before.to_ns is None:
            before.to_ns = link.from_ns
        link.number = len(self._all)
        self._all.append(link)
        self._current[stream] = link
        self._by_seq[*stream, link.seq] = link
        return link

    def close(self, run_id: str, stream: tuple[int, int], at_ns: int, cause: str, detail: str) -> None:
        """The current connection of (feed, stream) ended. Raises KeyError when there is none."""
        link = self._current[run_id, *stream]
        if link.to_ns is None:
            link.to_ns, link.cause, link.detail = at_ns, cause, detail

    def find(self, run_id: str, stream: tuple[int, int], seq: int, at_ns: int) -> Link:
        """The connection of (feed, stream) that connect record `seq` began; one without a record is made up."""
        found = self._by_seq.get((run_id, *stream, seq))
        if found:
            return found
        made = Link(feed=stream[0], stream=stream[1], run_id=run_id, seq=seq, from_ns=at_ns)
        later = [link.from_ns for link in self._all if (link.run_id, link.feed, link.stream) == (run_id, *stream)]
        made.to_ns = min((moment for moment in later if moment > at_ns), default=None)
        made.number = len(self._all)
        self._all.append(made)
        self._by_seq[run_id, *stream, seq] = made
        return made

    def symbols(self, feed: int) -> set[str]:
        """What the feed's connections served."""
        return {symbol for link in self._all if link.feed == feed for symbol in link.symbols}

    def topics(self) -> dict[str, str]:
        """Ticker of each topic that any connection of the day named."""
        return {topic: symbol for link in self._all for topic, symbol in link.topics.items()}
