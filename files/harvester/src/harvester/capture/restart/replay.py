"""What earlier runs of the day left in the journal: how far each symbol is accounted for, and gaps still open."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from harvester.journal.format import CONTROL, DATA, FYERS_REST, POLL, JournalError, Record, decode_control
from harvester.journal.reader import read_segment
from harvester.ledger.polls import Gap

log = structlog.get_logger()


@dataclass
class StreamHistory:
    """What a socket feed left. Times are wall ns."""

    streams: dict[int, list[str]] = field(default_factory=dict)
    """Symbols of each stream's last connection."""
    last_ns: dict[int, int] = field(default_factory=dict)
    """When the last message of each stream came."""
    seen_until: dict[str, int] = field(default_factory=dict)
    """For each symbol, the last message of connections that have ended."""
    topics: dict[str, list[str]] = field(default_factory=dict)
    """What the data socket called each symbol."""
    opened: dict[str, Gap] = field(default_factory=dict)

    def connect(self, record: dict[str, Any]) -> None:
        """A connection of a stream begins, so the one before has ended."""
        self.disconnect(record["stream"])
        self.streams[record["stream"]] = record["symbols"]
        for topic, symbol in record.get("topics", {}).items():
            names = self.topics.setdefault(symbol, [])
            if topic not in names:
                names.append(topic)

    def stand(self, state: dict[str, Any]) -> None:
        """Take over how a running recorder stood."""
        for stream, (symbols, last_ns) in state["streams"].items():
            self.streams[int(stream)], self.last_ns[int(stream)] = symbols, last_ns
        self.topics = state["topics"]
        self.opened = {gap.gap_id: gap for gap in (Gap(*gap) for gap in state["open"])}

    def disconnect(self, stream: int) -> None:
        """What the stream's connection saw ends with its last message, except where another one serves the symbol."""
        last_ns = self.last_ns.pop(stream, 0)
        symbols = self.streams.pop(stream, ())
        served = {symbol for others in self.streams.values() for symbol in others}
        for symbol in symbols:
            if symbol not in served:
                self.seen_until[symbol] = max(self.seen_until.get(symbol, 0), last_ns)

    def end(self) -> None:
        """A run has ended, with all its connections.

        Of those that served one symbol the first that fell silent counts: whether the other had its snapshot before,
        nobody wrote down.
        """
        until: dict[str, int] = {}
        for stream, last_ns in self.last_ns.items():
            for symbol in self.streams.get(stream, ()):
                until[symbol] = min(until.get(symbol, last_ns), last_ns)
        for symbol, last_ns in until.items():
            self.seen_until[symbol] = max(self.seen_until.get(symbol, 0), last_ns)
        self.streams, self.last_ns = {}, {}


class DayHistory:
    """Read once at a start. Times are wall ns. Segments may be out of order where the clock was set back."""

    def __init__(self) -> None:
        self.last_slot: dict[str, int] = {}
        self.accounted: dict[str, int] = {}
        """Up to where a symbol's polls were accounted for when the recorder last wrote how it stood."""
        self.last_wall_ns = 0
        self.feeds: dict[int, StreamHistory] = {}
        self.settled: set[tuple[int, int]] = set()
        """Windows that a run recorded to their close."""
        self._streams: dict[int, str] = {}
        self._opened: dict[str, Gap] = {}
        self._closed: dict[str, int] = {}

    def read(self, day_directory: Path, *, whole: bool = False) -> None:
        """Take in the sealed segments of the day, all of them or those that are needed.

        Damage is skipped, and so are a segment that cannot be read and a record of another form than ours, for nothing
        in the journal may keep the recorder from starting: what is not known of counts as missed.
        """
        segments = sorted(day_directory.glob("*.seg"))
        for path in segments if whole else _needed(segments):
            for record in _read(path):
                try:
                    self._take(record)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    log.error("record_not_understood", file=path.name, seq=record.seq, detail=type(error).__name__)
        for feed in self.feeds.values():
            feed.end()

    def _take(self, record: Record) -> None:
        control = (decode_control(record.payload) or {}) if record.kind == CONTROL else {}
        if not _is_of_recovery(control):
            self.last_wall_ns = max(self.last_wall_ns, record.wall_ns)
        if control:
            self._take_control(control)
        elif record.kind == DATA and record.feed != FYERS_REST:
            self.feed(record.feed).last_ns[record.stream] = record.wall_ns
        elif record.kind == DATA and len(record.payload) >= POLL.size:
            scheduled_ns = POLL.unpack_from(record.payload)[0]
            symbol = self._streams.get(record.stream)
            if symbol:
                self.last_slot[symbol] = max(self.last_slot.get(symbol, 0), scheduled_ns)

    def feed(self, number: int) -> StreamHistory:
        """What a socket feed left."""
        return self.feeds.setdefault(number, StreamHistory())

    @property
    def open_gaps(self) -> list[Gap]:
        """Gaps of polls that nothing closed."""
        return [gap for gap_id, gap in self._opened.items() if gap_id not in self._closed]

    def gaps_until(self, symbol: str) -> int:
        """Where the last closed gap of the symbol's polls ends; 0 when it has none."""
        ends = (to_ns for gap_id, to_ns in self._closed.items() if self._symbol_of(gap_id) == symbol)
        return max(ends, default=0)

    def accounted_until(self, symbol: str, interval_ns: int) -> int:
        """Up to where each of the symbol's slots has data or a gap; 0 when nothing is known."""
        last_slot = self.last_slot.get(symbol)
        polled_ns = 0 if last_slot is None else last_slot + interval_ns
        return max(polled_ns, self.gaps_until(symbol), self.accounted.get(symbol, 0))

    def _symbol_of(self, gap_id: str) -> str | None:
        gap = self._opened.get(gap_id)
        return gap.symbol if gap else None

    def _take_control(self, record: dict[str, Any]) -> None:
        kind = record.get("type")
        if kind == "segment":
            self._streams = {int(number): symbol for number, symbol in record["streams"].items()}
        elif kind == "gap_open":
            gap_id, symbol = record["gap_id"], record["symbols"][0]
            gap = Gap(gap_id, symbol, record["from_ns"], record["cause"], record["detail"])
            number = record.get("feed", FYERS_REST)
            opened = self._opened if number == FYERS_REST else self.feed(number).opened
            opened[gap_id] = gap
        elif kind == "gap_close":
            self._close(record["gap_id"], record["to_ns"])
        elif kind == "connect":
            self.feed(record["feed"]).connect(record)
        elif kind == "disconnect":
            self.feed(record["feed"]).disconnect(record["stream"])
        elif kind == "state":
            self._stand(record)
        elif kind == "window_close":
            self.settled.add((record["open_ns"], record["close_ns"]))
        elif kind == "start":
            for feed in self.feeds.values():
                feed.end()

    def _stand(self, record: dict[str, Any]) -> None:
        """All that came before is in this record."""
        self.accounted = record["accounted"]
        self._opened = {gap.gap_id: gap for gap in (Gap(*gap) for gap in record["open"])}
        self._closed = {}
        self.settled = {(opens, closes) for opens, closes in record["settled"]}
        self.feeds = {}
        for number, state in record["feeds"].items():
            self.feed(int(number)).stand(state)

    def _close(self, gap_id: str, to_ns: int) -> None:
        """A gap of a socket ended with evidence of its own, or was taken up by a later run."""
        if gap_id in self._opened:
            self._closed[gap_id] = to_ns
            return
        for feed in self.feeds.values():
            gap = feed.opened.pop(gap_id, None)
            if gap:
                feed.seen_until[gap.symbol] = max(feed.seen_until.get(gap.symbol, 0), to_ns)


def _needed(segments: list[Path]) -> list[Path]:
    """From the last segment on that says how the recorder stood; all, where the clock was set back."""
    written = [path.stat().st_mtime_ns for path in segments]
    if written != sorted(written):
        return segments
    for place in range(len(segments) - 1, 0, -1):
        if any(_is_state(record) for record in _read(segments[place])):
            return segments[place:]
    return segments


def _read(path: Path) -> Iterator[Record]:
    try:
        yield from read_segment(path)
    except JournalError as error:
        log.error("journal_problem", detail=str(error))


def _is_of_recovery(control: dict[str, Any]) -> bool:
    """Whether recovery wrote the record, after the run had ended."""
    return control.get("type") == "damage" or bool(control.get("recovered"))


def _is_state(record: Record) -> bool:
    control = decode_control(record.payload) if record.kind == CONTROL else None
    return control is not None and control["type"] == "state"
