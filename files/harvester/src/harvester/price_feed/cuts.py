"""The journal's answers of the candle feed, cut into what goes into one raw file each, in the order of receipt."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.history import judge_history as judge_fyers
from harvester.brokers.schwab.history import judge_history as judge_schwab
from harvester.deliver.protocol import ItemError
from harvester.journal.format import (
    CONTROL,
    FYERS_HISTORY,
    SCHWAB_HISTORY,
    CandlePoll,
    Record,
    decode_candles,
    decode_control,
)
from harvester.journal.reader import ARCHIVED, RecordStream, control_of, open_segment
from harvester.lake.day.segments import Source

JUDGES = {FYERS_HISTORY: judge_fyers, SCHWAB_HISTORY: judge_schwab}
"""Whether an answer is data, by the feed of its record."""
CUT_NS = 20 * NS_PER_SECOND
LATE_NS = NS_PER_SECOND
"""For an answer that came in time and is written a moment later."""


class _Event(NamedTuple):
    """An answer, or requests that had none, of a run; `place` in the journal, `symbols` whom it is about."""

    place: str
    run_id: str
    record: Record
    symbols: list[str]
    poll: CandlePoll | None


@dataclass
class Cut:
    """What goes into one file."""

    place: str
    """Where it begins in the journal: a segment's name and a byte offset, such as 1764300000000000000-812:4096."""
    run_id: str
    round_ns: int
    mono_ns: int
    """Receipt of its first answer."""
    wall_ns: int
    answers: dict[str, tuple[int, CandlePoll]] = field(default_factory=dict)
    """By symbol, receipt in wall ns and the last answer with data."""
    failed: list[str] = field(default_factory=list)

    def holds(self, event: _Event) -> bool:
        """Whether an event belongs here: of the same run and round, and soon enough by the monotonic clock."""
        is_near = 0 <= event.record.mono_ns - self.mono_ns < CUT_NS
        return is_near and event.run_id == self.run_id and (not event.poll or event.poll.sched_ns == self.round_ns)

    def add(self, event: _Event) -> None:
        poll = event.poll
        if poll and JUDGES[event.record.feed](poll.status, poll.body) is None:
            self.answers |= dict.fromkeys(event.symbols, (event.record.wall_ns, poll))
        else:
            self.failed += event.symbols


class CutReader:
    """Reads from a place in the journal on; afterwards `place` is where the next reader begins."""

    def __init__(self, segments: Sequence[Source], place: str, mono_ns: int) -> None:
        """`place` is empty, or one that a reader left; `mono_ns` is now."""
        name, _, offset = place.partition(":")
        names = [segment.name for segment in segments]
        self.place = place
        self.is_waiting = False
        """Whether more may come to the last cut, so that it was not given."""
        self._mono_ns = mono_ns
        self._segments = segments[names.index(name) :] if name in names else segments
        self._offset = int(offset) if name in names and offset.isdecimal() else 0

    def cuts(self) -> Iterator[Cut]:
        """What is complete by now. Raises ItemError where a segment cannot be read."""
        cut: Cut | None = None
        for event in self._events():
            if cut and not cut.holds(event):
                yield cut
                cut = None
            if cut is None and event.poll:
                cut = Cut(event.place, event.run_id, event.poll.sched_ns, event.record.mono_ns, event.record.wall_ns)
            if cut:
                cut.add(event)
        if cut and 0 <= self._mono_ns - cut.mono_ns < CUT_NS + LATE_NS:
            self.place, self.is_waiting = cut.place, True
        elif cut:
            yield cut

    def _events(self) -> Iterator[_Event]:
        for segment in self._segments:
            try:
                yield from self._read(segment, self._offset)
            except OSError as error:
                raise ItemError(
                    f"{segment.path}: the segment cannot be read ({error.strerror}). Correct its owner and mode; the"
                    " next run goes on there."
                ) from error
            self._offset = 0

    def _read(self, segment: Source, begin: int) -> Iterator[_Event]:
        with closing(open_segment(segment.path)) as file:
            head = next((control_of(record, "segment") for _, record in RecordStream(file)), None) or {}
        segment.header = head
        with closing(open_segment(segment.path)) as file:
            skipped = 0 if segment.path.suffix in ARCHIVED else begin
            if skipped:
                file.seek(skipped)
            stream = RecordStream(file)
            for offset, record in stream:
                place = f"{segment.name}:{skipped + offset}"
                if skipped + offset >= begin and (event := _event_of(place, segment, record)):
                    yield event
            self.place = f"{segment.name}:{max(begin, skipped + stream.valid_end)}"


def _event_of(place: str, segment: Source, record: Record) -> _Event | None:
    if record.kind == CONTROL:
        value = decode_control(record.payload) or {}
        if value.get("type") == "unanswered" and value.get("feed") in JUDGES:
            return _Event(place, segment.run_id, record, [str(symbol) for symbol in value["symbols"]], None)
        return None
    symbol = segment.candles.get(record.stream) if record.feed in JUDGES else None
    poll = decode_candles(record.payload) if symbol else None
    return _Event(place, segment.run_id, record, [symbol], poll) if symbol and poll else None
