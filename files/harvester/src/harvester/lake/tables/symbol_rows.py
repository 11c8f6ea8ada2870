"""One symbol's rows of a day, from polls and sockets into the tables, with the figures that its certificate needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from harvester.decode.frames import ABSENT, Flags, Ints
from harvester.journal.format import FYERS_HSM, FYERS_TBT, SOCKETS
from harvester.lake.columns import Table
from harvester.lake.day.intervals import Interval
from harvester.lake.day.records import DAY_NS
from harvester.lake.gaps.streams import Reception
from harvester.lake.layout import DEPTH, DEPTH50, INDICES, QUOTES
from harvester.lake.schema import TABLES
from harvester.lake.tables.bars import Bars
from harvester.lake.tables.deduplication import Deduplicator, Tally
from harvester.lake.tables.sequence import Sequences
from harvester.lake.tables.stream_pass import Streams
from harvester.lake.tables.symbol_state import CopyState, FeedState, SymbolState, TradeState

FEED_OF = {DEPTH: FYERS_HSM, QUOTES: FYERS_HSM, INDICES: FYERS_HSM, DEPTH50: FYERS_TBT}
STATE = {
    DEPTH: slice(TABLES[DEPTH].places["bid_px_paise"].start, TABLES[DEPTH].places["ask_ord"].stop),
    QUOTES: slice(TABLES[QUOTES].at("ltp_paise"), TABLES[QUOTES].height),
    INDICES: slice(TABLES[INDICES].at("ltp_paise"), TABLES[INDICES].height),
}
"""Rows of a matrix that hold the state of a topic: equal in both copies of an update."""
_TIME = {QUOTES: "ts_event", INDICES: "ts_event", DEPTH50: "ts_feed"}
_NOTHING_BEFORE = np.iinfo(np.int64).max


class Receipts(NamedTuple):
    """When something came, ascending, not every time: `pauses` are the longest from each time to the one before."""

    moments: Ints
    pauses: Ints


@dataclass
class Tracks:
    """Figures of one symbol's rows of one feed."""

    updates: dict[str, int] = field(default_factory=dict)
    """Rows by table."""
    recv_ns: list[Ints] = field(default_factory=list)
    heard: list[Ints] = field(default_factory=list)
    """What slices before say of the times of receipt, as `shorten` does."""
    skew_ns: list[Ints] = field(default_factory=list)
    """Receipt minus the exchange's time, which has whole seconds, of live updates: rows with a later time than the row
    before on their connection. A snapshot has the time of a change long ago, and so has an update without a time of its
    own. Differences of a day or more are left out."""
    off_session: int = 0
    tally: Tally | None = None
    _times: dict[int, int] = field(default_factory=dict)
    """The exchange's time last seen on each connection."""

    def see(self, table: Table, matrix: Ints) -> None:
        """Add rows, int64[table.height, rows], without second copies."""
        self.updates[table.name] = self.updates.get(table.name, 0) + matrix.shape[1]
        self.recv_ns.append(matrix[0].copy())  # the matrix itself may go
        self.off_session += int((matrix[table.at("in_session")] == 0).sum())
        if table.name in _TIME:
            times = matrix[table.at(_TIME[table.name])]
            known = (times != ABSENT) & self._is_live(matrix[table.at("connection")], times)
            skew = matrix[0][known] - times[known]
            self.skew_ns.append(skew[np.abs(skew) < DAY_NS])

    def resume(self, state: FeedState) -> None:
        """Go on after rows of which these are the figures."""
        self.updates, self.off_session, self._times = dict(state.updates), state.off_session, dict(state.times)

    def recall(self, state: FeedState) -> None:
        """Add what a slice has of the rows before."""
        self.heard.append(np.frombuffer(state.moments, np.int64).reshape(3, -1))
        if state.skew:
            self.skew_ns.append(np.frombuffer(state.skew, np.int64))

    def save(self, windows: Sequence[Interval]) -> FeedState:
        """For both; `windows` are those of the symbol."""
        moments = np.sort(np.concatenate([*self.recv_ns, np.empty(0, np.int64)]))
        skew = np.concatenate(self.skew_ns) if self.skew_ns else np.empty(0, np.int64)
        return FeedState(
            self.updates, self.off_session, self._times, shorten(moments, windows).tobytes(), skew.tobytes()
        )

    def _is_live(self, connections: Ints, times: Ints) -> Flags:
        """Which rows brought a later time than the row before on their connection."""
        if len(times) and (connections == connections[0]).all():
            before = np.empty_like(times)
            before[0], before[1:] = self._times.get(int(connections[0]), _NOTHING_BEFORE), times[:-1]
            self._times[int(connections[0])] = int(times[-1])
            return times > before
        order = np.argsort(connections, kind="stable")
        numbers, sorted_times = connections[order], times[order]
        changes = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
        starts, ends = np.append(0, changes), np.append(changes, len(numbers)) - 1
        before = np.roll(sorted_times, 1)
        if len(numbers):
            before[starts] = [self._times.get(number, _NOTHING_BEFORE) for number in numbers[starts].tolist()]
            self._times |= zip(numbers[ends].tolist(), sorted_times[ends].tolist(), strict=True)
        live = np.empty(len(times), np.bool_)
        live[order] = sorted_times > before
        return live


class SymbolRows:
    """The rows of one symbol from the sockets: first copies only, noted as they pass."""

    def __init__(
        self,
        symbol: str,
        streams: Streams,
        stream_numbers: Ints,
        before: Sequence[SymbolState] = (),
        *,
        is_slice: bool = False,
    ) -> None:
        """`stream_numbers`: the stream of each connection of the day by its number; `before`: the symbol after each
        slice of which the rows are not read here; `is_slice`: others are read after these.
        """
        self.tracks = {feed: Tracks() for feed in SOCKETS}
        self.bars = Bars()
        number = streams.origin.find(symbol)
        self.reception = {feed: Reception(streams.contents[feed].snapshots.of(number)) for feed in SOCKETS}
        self.sequences = Sequences(self.reception[FYERS_TBT])
        self._symbol = symbol
        self._streams = streams
        self._stream_numbers = stream_numbers
        self._is_slice = is_slice
        self._deduplicators: dict[str, Deduplicator] = {}
        self._tally = Tally()
        if self._served_twice(self.reception[FYERS_HSM].seen):
            self.tracks[FYERS_HSM].tally = self._tally
        if self.tracks[FYERS_HSM].tally is not None or is_slice:
            self._deduplicators = {name: Deduplicator(content, self._tally) for name, content in STATE.items()}
        if before:
            self._resume(before[-1])
        for state in before:
            self._recall(state)

    def _resume(self, state: SymbolState) -> None:
        for feed, figures in state.feeds.items():
            self.tracks[feed].resume(figures)
        self.sequences.resume(state.chains)
        self._tally.first.update(state.copies.first)
        self._tally.alone.update(state.copies.alone)
        for name, deduplicator in self._deduplicators.items():
            deduplicator.resume(state.copies.waiting[name])

    def _recall(self, state: SymbolState) -> None:
        for feed, figures in state.feeds.items():
            self.tracks[feed].recall(figures)
        self.reception[FYERS_TBT].breaks += state.breaks
        self.bars.recall(state.bars)

    def save(self, trades: TradeState, windows: Sequence[Interval], session: list[int], until_ns: int) -> SymbolState:
        """The symbol after these rows, which are a slice; `until_ns`: what follows comes then or later, in wall ns."""
        waiting = {name: each.save(until_ns) for name, each in self._deduplicators.items()}
        return SymbolState(
            feeds={feed: tracks.save(windows) for feed, tracks in self.tracks.items()},
            copies=CopyState(dict(self._tally.first), dict(self._tally.alone), waiting),
            chains=[*self.sequences.chains.values()],
            trades=trades,
            session=session,
            breaks=self.reception[FYERS_TBT].breaks,
            bars=self.bars.save(),
        )

    def _served_twice(self, seen: dict[int, int]) -> bool:
        return len({int(self._stream_numbers[number]) for number in seen}) > 1

    def read(self, name: str) -> Iterator[Ints]:
        """The rows of one table."""
        table, tracks = TABLES[name], self.tracks[FEED_OF[name]]
        deduplicator = self._deduplicators.get(name)
        for rows in self._streams.rows(name, self._symbol):
            matrix: Ints = self._streams.origin.settle(table, self._symbol, rows)
            if deduplicator:
                matrix = deduplicator.pick(matrix, self._stream_numbers[matrix[table.at("connection")]])
            tracks.see(table, matrix)
            if name == QUOTES:
                self.bars.see(matrix)
            elif name == DEPTH50:
                self.sequences.see(matrix)
            yield matrix
        if deduplicator and not self._is_slice:
            deduplicator.finish()

    def receipts(self, feed: int) -> Receipts:
        """When something came on a feed."""
        tracks = self.tracks[feed]
        first, last, longest = np.concatenate([*tracks.heard, np.empty((3, 0), np.int64)], axis=1)
        later = np.sort(np.concatenate([*tracks.recv_ns, np.empty(0, np.int64)]))
        moments = np.concatenate([np.stack([first, last], axis=1).reshape(-1), later])
        pauses = np.diff(moments, prepend=moments[:1])
        pauses[1 : 2 * len(longest) : 2] = longest
        return Receipts(moments, pauses)


def shorten(moments: Ints, windows: Sequence[Interval]) -> Ints:
    """Of moments, ascending, int64[3, stretches]: the first, the last and the longest pause of each stretch between two
    edges of the windows.
    """
    if not len(moments):
        return np.empty((3, 0), np.int64)
    stretch = np.searchsorted(np.array([edge for window in windows for edge in window], np.int64), moments, "right")
    starts = np.append(0, np.flatnonzero(stretch[1:] != stretch[:-1]) + 1)
    pauses = np.diff(moments, prepend=moments[0])
    pauses[starts] = 0
    return np.stack(
        [moments[starts], moments[np.append(starts[1:], len(moments)) - 1], np.maximum.reduceat(pauses, starts)]
    )
