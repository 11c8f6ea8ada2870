"""What earlier runs of the day left in the journal: how far each symbol is accounted for, and gaps still open."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from harvester.calendar import NSE_CASH
from harvester.journal.checkpoint import read_leniently, segments_since_checkpoint
from harvester.journal.format import CONTROL, DATA, FYERS_REST, POLL, STREAMS, Record, decode_control
from harvester.ledger.gaps import ControlRecord, FeedHistory, Gap, close_record
from harvester.ledger.lost import LostToday

log = structlog.get_logger()


@dataclass
class ReplayedFeed(FeedHistory):
    """The history of one feed while the journal is read, with its connections. Times are wall ns."""

    streams: dict[int, list[str]] = field(default_factory=dict)
    """Symbols of each stream's connection that has not ended."""
    last_ns: dict[int, int] = field(default_factory=dict)
    """When the last message of each stream came."""
    topics: dict[str, list[str]] = field(default_factory=dict)
    """What the data socket called each symbol."""

    def connect(self, record: dict[str, Any]) -> None:
        """A connection of a stream begins, so the one before has ended."""
        self.disconnect(record["stream"])
        self.streams[record["stream"]] = record["symbols"]
        for topic, symbol in record.get("topics", {}).items():
            names = self.topics.setdefault(symbol, [])
            if topic not in names:
                names.append(topic)

    def disconnect(self, stream: int) -> None:
        """The stream's symbols were seen up to its last message, unless another connection still serves them."""
        last_ns = self.last_ns.pop(stream, 0)
        symbols = self.streams.pop(stream, ())
        served = {symbol for others in self.streams.values() for symbol in others}
        for symbol in symbols:
            if symbol not in served:
                self.account(symbol, last_ns)

    def end_run(self) -> None:
        """A run has ended, with all its connections.

        Of several that served one symbol, the earliest last message counts: the journal does not say whether the
        others had their snapshot before it.
        """
        until: dict[str, int] = {}
        for stream, last_ns in self.last_ns.items():
            for symbol in self.streams.get(stream, ()):
                until[symbol] = min(until.get(symbol, last_ns), last_ns)
        for symbol, last_ns in until.items():
            self.account(symbol, last_ns)
        self.streams, self.last_ns = {}, {}

    def load(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint says of this feed."""
        for symbol, until_ns in state.get("accounted", {}).items():
            self.account(symbol, until_ns)
        self.opened = {gap.gap_id: gap for gap in (Gap(*gap) for gap in state["open"])}
        self.topics = state.get("topics", {})
        for stream, (symbols, last_ns) in state.get("streams", {}).items():
            self.streams[int(stream)], self.last_ns[int(stream)] = symbols, last_ns

    def leave(self, wall_ns: int) -> list[ControlRecord]:
        """The run that starts now does not use this feed: the records that end its gaps.

        A gap of a stop lasts until now; any other ended with the run that opened it.
        """
        records = []
        for gap in self.opened.values():
            record = close_record(gap, wall_ns if self.lasts(gap) else self.last_wall_ns)
            self.account(gap.symbol, record["to_ns"])
            records.append(record)
        self.opened = {}
        return records


class DayHistory:
    """Read once at a start. Times are wall ns. Segments may be out of order where the clock was set back."""

    def __init__(self, interval_ns: int) -> None:
        """`interval_ns` is the time from one poll's slot to the next."""
        self.feeds: dict[int, ReplayedFeed] = {}
        self._settled: dict[str, set[tuple[int, int]]] = {}
        self._interval_ns = interval_ns
        """Of the run whose records are read; what is configured now, until one says it."""
        self._last_wall_ns = 0
        self._was_stopped = False
        self._polled: dict[int, str] = {}
        """The symbol of each stream of polls, from the segment's header."""
        self.lost = LostToday()
        """What the gaps that were closed add up to."""

    def read(self, day_directory: Path, *, whole: bool = False) -> None:
        """Take in the sealed segments of the day: those that are needed, or the `whole` day.

        Damage, a segment that cannot be read and a record of another form than ours are skipped and logged: nothing
        in the journal may keep the recorder from starting, and what is not understood counts as missed.
        """
        segments = sorted(day_directory.glob("*.seg"))
        for path in segments if whole else segments_since_checkpoint(segments):
            for record in read_leniently(path):
                try:
                    self._take(record)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    log.error("record_not_understood", file=path.name, seq=record.seq, detail=type(error).__name__)
        self._end_run()
        for feed in self.feeds.values():
            feed.last_wall_ns = self._last_wall_ns
        if FYERS_REST in self.feeds:
            self.feeds[FYERS_REST].was_stopped = self._was_stopped

    def feed(self, number: int) -> ReplayedFeed:
        """The history of the feed with this number."""
        return self.feeds.setdefault(number, ReplayedFeed(last_wall_ns=self._last_wall_ns))

    def settled_of(self, segment: str) -> set[tuple[int, int]]:
        """Windows of a segment that a run recorded to their close."""
        return self._settled.setdefault(segment, set())

    def _take(self, record: Record) -> None:
        control = (decode_control(record.payload) or {}) if record.kind == CONTROL else {}
        if not _is_of_recovery(control):
            self._last_wall_ns = max(self._last_wall_ns, record.wall_ns)
        if control:
            self._take_control(control)
        elif record.kind == DATA and record.feed in STREAMS:
            self.feed(record.feed).last_ns[record.stream] = record.wall_ns
        elif (
            (record.kind, record.feed) == (DATA, FYERS_REST)
            and len(record.payload) >= POLL.size
            and record.stream in self._polled
        ):
            slot_ns = POLL.unpack_from(record.payload)[0]
            self.feed(FYERS_REST).account(self._polled[record.stream], slot_ns + self._interval_ns)

    def _take_control(self, record: dict[str, Any]) -> None:
        kind = record.get("type")
        if kind == "segment":
            self._polled = {int(number): symbol for number, symbol in record["streams"].items()}
        elif kind == "gap_open":
            gap = Gap(record["gap_id"], record["symbols"][0], record["from_ns"], record["cause"], record["detail"])
            self.feed(record.get("feed", FYERS_REST)).opened[gap.gap_id] = gap
        elif kind == "gap_close":
            for feed in self.feeds.values():
                if closed := feed.opened.pop(record["gap_id"], None):
                    feed.account(closed.symbol, record["to_ns"])
        elif kind == "settled":
            for symbol in record["symbols"]:
                self.feed(record["feed"]).account(symbol, record["sent_ns"])
        elif kind == "quiet":
            for symbol in record["symbols"]:
                self.feed(record["feed"]).account(symbol, record["to_ns"])
        elif kind == "connect":
            self.feed(record["feed"]).connect(record)
        elif kind == "disconnect":
            self.feed(record["feed"]).disconnect(record["stream"])
        elif kind == "state":
            self._load(record)
        elif kind == "window_close":
            self.settled_of(record.get("segment", NSE_CASH)).add((record["open_ns"], record["close_ns"]))
        elif kind == "window_open":
            self._interval_ns = record.get("interval_ns") or self._interval_ns
        elif kind in ("start", "stop"):
            self._was_stopped = kind == "stop"
            if kind == "start":
                self._end_run()
        self.lost.take(record)

    def _load(self, record: dict[str, Any]) -> None:
        """Take over a checkpoint, which holds all that the records before it say."""
        settled = {NSE_CASH: record["settled"], **record.get("settled_segments", {})}
        self._settled = {segment: {(opens, closes) for opens, closes in each} for segment, each in settled.items()}
        self._interval_ns = record.get("interval_ns", self._interval_ns)
        self.feeds = {number: feed for number, feed in self.feeds.items() if number == FYERS_REST}
        self.feed(FYERS_REST).load(record)
        for number, state in record["feeds"].items():
            self.feed(int(number)).load(state)
        self.lost.load(record)

    def _end_run(self) -> None:
        for feed in self.feeds.values():
            feed.end_run()


def _is_of_recovery(control: dict[str, Any]) -> bool:
    """Whether recovery wrote the record, after the run had ended."""
    return control.get("type") == "damage" or bool(control.get("recovered"))
