"""Data-socket (HSM) frames to exact integer columns, whole batches at a time.

Every entry becomes a row with the full state of its topic. Prices stay integers in units of 1/scale, the scale
from the snapshot of the topic. Bytes that cannot be read are listed with the reason, and the rest is decoded.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harvester.decode.frames import ABSENT, FrameBatch, Ints, Leftover, Octets, Reason, keep_heap_pages
from harvester.decode.hsm_control import ControlFrame, read_control
from harvester.decode.hsm_entries import HEADER_SIZE, Entries, locate
from harvester.decode.hsm_layout import FEED, KINDS, LITE, SNAPSHOT, UNCHANGED, UNKNOWN_KIND, WIDEST, Kind, Topic
from harvester.decode.hsm_topics import NO_KIND, TOPIC_IDS, Headers, TopicTable, read_headers
from harvester.decode.merge import firsts, lasts, merge

Words = NDArray[np.int32]
WIDTHS = np.array([*(len(kind.fields) for kind in KINDS), 0, 0])
"""Values known of each kind; none of UNKNOWN_KIND and NO_KIND."""
HAS_LTP = np.array([*(kind.has_ltp for kind in KINDS), True, True])


@dataclass(frozen=True)
class Rows:
    """The entries of one kind of topic in order of arrival, each with the full state after it."""

    kind: Kind
    frame: Ints
    """Number of the frame in the batch."""
    entry: Ints
    """Place among the entries of the frame, from 0."""
    topic: Ints
    """Place in the batch's `topics`."""
    scale: Ints
    """Prices are in units of 1/scale of the currency; 0 when unknown."""
    form: Octets
    """SNAPSHOT, UPDATE or LITE."""
    values: Ints
    """One row a field of the kind, one column an entry; ABSENT where the wire has not given a value."""

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> Ints:
        """The values of one field."""
        column: Ints = self.values[self.kind.fields.index(name)]
        return column


@dataclass(frozen=True)
class HsmBatch:
    """Rows, topics, control frames and unread bytes of a batch of frames."""

    rows: tuple[Rows, ...]
    """One for each of KINDS."""
    topics: Sequence[Topic]
    controls: list[ControlFrame]
    leftovers: list[Leftover]


class HsmState(NamedTuple):
    """What a decoder knows of its connection, in plain values that outlive the process."""

    topics: list[tuple[str, int, int, str, str, str]]
    ids: bytes
    """int64: topic ids that stand for a topic."""
    places: bytes
    """int64: the place of each one's topic in `topics`."""
    values: bytes
    """int32, WIDEST of each id: its values, in the wire's words."""


@dataclass(frozen=True)
class _Ordered:
    """The entries of a batch by topic id and then by arrival."""

    entries: Entries
    arrival: NDArray[np.intp]
    """Place of each in order of arrival."""
    headers: Headers
    topics: Ints
    kinds: Octets
    frames: Ints
    """The frame of each entry in order of arrival."""


class HsmDecoder:
    """Decodes the frames of one connection in their order.

    Topic ids and values mean nothing beyond the connection: make another decoder for the next.
    """

    def __init__(self) -> None:
        keep_heap_pages()
        self._table = TopicTable()
        self._state = np.empty((TOPIC_IDS, WIDEST), np.int32)

    @classmethod
    def resumed(cls, state: HsmState) -> "HsmDecoder":
        """A decoder that goes on where another was."""
        decoder = cls()
        ids = np.frombuffer(state.ids, np.int64)
        topics = [Topic(*values) for values in state.topics]
        decoder._table.resume(topics, ids, np.frombuffer(state.places, np.int64))
        decoder._state[ids] = np.frombuffer(state.values, np.int32).reshape(len(ids), WIDEST)
        return decoder

    def save(self) -> HsmState:
        """What another decoder needs to go on from here."""
        ids, places = self._table.held()
        topics = [astuple(topic) for topic in self._table.topics]
        return HsmState(topics, ids.tobytes(), places.tobytes(), self._state[ids].tobytes())

    def decode(self, frames: Sequence[bytes]) -> HsmBatch:
        """The next frames of the connection; some thousands at a time are the fastest."""
        batch = FrameBatch.of(frames)
        is_feed = (batch.ends - batch.starts >= HEADER_SIZE) & (batch.octets[batch.starts + 2] == FEED)
        controls, leftovers = _read_controls(frames, np.flatnonzero(~is_feed).tolist())
        entries, lost = locate(batch, np.flatnonzero(is_feed))
        ordered = self._order(batch, entries)
        leftovers += lost
        leftovers += _unread(batch, ordered, self._table)
        rows = self._rows(batch, ordered)
        leftovers.sort()
        return HsmBatch(rows, self._table.topics, controls, leftovers)

    def _order(self, batch: FrameBatch, entries: Entries) -> _Ordered:
        headers = read_headers(batch, entries, self._table)
        arrival = np.argsort(headers.ids.astype(np.uint16), kind="stable")
        headers = headers.pick(arrival)
        topics = self._table.assign(headers.ids, headers.snapshots, headers.defined)
        return _Ordered(entries.pick(arrival), arrival, headers, topics, self._table.kinds(topics), entries.frame)

    def _rows(self, batch: FrameBatch, ordered: _Ordered) -> tuple[Rows, ...]:
        """Rows of each kind; states are stored at the end, since an id may pass from one kind to another."""
        results = [self._rows_of_kind(batch, ordered, kind) for kind in range(len(KINDS))]
        for kind, (_, ids, state) in enumerate(results):
            holds = self._table.kinds_now(ids) == kind
            self._state[ids[holds], : len(state)] = state[:, holds].T
        return tuple(rows for rows, _, _ in results)

    def _rows_of_kind(self, batch: FrameBatch, ordered: _Ordered, number: int) -> tuple[Rows, Ints, Words]:
        """The rows of KINDS[number]; the topic ids that they have, and the state of each after its last row."""
        kind = KINDS[number]
        width = len(kind.fields)
        is_ours = ordered.kinds == number
        if not kind.has_ltp:
            is_ours &= ordered.entries.form != LITE
        ours = np.flatnonzero(is_ours)
        headers, entries = ordered.headers, ordered.entries.pick(ours)
        ids = headers.ids[ours]
        first = firsts(ids)
        earlier = self._state[ids[first], :width].T
        words = _read_values(batch, headers.places[ours], headers.counts[ours], width)
        merged = merge(words, entries.form == SNAPSHOT, first, earlier, UNCHANGED)
        last = lasts(first)
        back = _back_to_arrival(ordered.arrival[ours], len(ordered.arrival))
        topics = ordered.topics[ours][back]
        columns = _to_columns(merged, back, kind)
        scales = self._table.scales(topics)
        frames = entries.frame[back]
        place = ordered.arrival[ours][back] - np.searchsorted(ordered.frames, frames)
        rows = Rows(kind, frames, place, topics, scales, entries.form[back], columns)
        return rows, ids[last], merged[:, last]


def _read_controls(frames: Sequence[bytes], numbers: list[int]) -> tuple[list[ControlFrame], list[Leftover]]:
    read = [read_control(number, frames[number]) for number in numbers]
    return [control for control, _ in read if control], [left for _, left in read if left]


def _back_to_arrival(arrival: NDArray[np.intp], total: int) -> NDArray[np.intp]:
    """Order that brings some entries back to arrival, given the place of each among the `total` that arrived."""
    places = np.full(total, -1)
    places[arrival] = np.arange(len(arrival))
    return places if len(arrival) == total else places[places >= 0]


def _unread(batch: FrameBatch, ordered: _Ordered, table: TopicTable) -> list[Leftover]:
    """Entries, or parts of them, whose meaning is not known."""
    kinds, entries, headers = ordered.kinds, ordered.entries, ordered.headers
    extra = (kinds < UNKNOWN_KIND) & (headers.counts > WIDTHS[kinds])
    found = {
        Reason.NO_SNAPSHOT: kinds == NO_KIND,
        Reason.UNKNOWN_TOPIC: kinds == UNKNOWN_KIND,
        Reason.NO_PRICE: (entries.form == LITE) & ~HAS_LTP[kinds],
        Reason.EXTRA_VALUES: extra,
        Reason.BAD_SCALE: headers.snapshots.copy(),
    }
    named = found[Reason.BAD_SCALE]
    named[named] = table.scales(ordered.topics[named]) == 0
    leftovers = []
    for reason, marks in found.items():
        for entry in np.flatnonzero(marks).tolist():
            frame, start = int(entries.frame[entry]), int(entries.start[entry])
            end = start + int(entries.size[entry])
            if reason is Reason.EXTRA_VALUES:
                start = int(headers.places[entry]) + 4 * int(WIDTHS[kinds[entry]])
                end = int(headers.places[entry]) + 4 * int(headers.counts[entry])
            begin = int(batch.starts[frame])
            leftovers.append(Leftover(frame, start - begin, end - begin, reason))
    return leftovers


def _read_values(batch: FrameBatch, places: Ints, counts: Ints, width: int) -> Words:
    """The first `width` values of each entry: one row a value, one column an entry, UNCHANGED beyond its count."""
    if not len(places):
        return np.empty((width, 0), np.int32)
    size = 4 * width
    windows: NDArray[np.void] = np.ndarray((len(batch.raw) - size,), f"V{size}", batch.raw, strides=(1,))
    block = windows[places].view(">i4").reshape(len(places), width)
    values = np.ascontiguousarray(block.T, np.int32)
    short = np.flatnonzero(counts < width)
    if short.size:
        beyond = np.arange(width)[:, None] >= counts[short]
        values[:, short] = np.where(beyond, UNCHANGED, values[:, short])
    return values


def _to_columns(words: Words, order: NDArray[np.intp], kind: Kind) -> Ints:
    """64-bit columns of the entries picked by `order`, ABSENT for what is not known.

    The wire's words are signed, but quantities, counts and times are never negative: their words are read as unsigned,
    so that a day's volume above 2,147,483,647 stays right.
    """
    columns = words.take(order, axis=1).astype(np.int64)
    if words.size and words.min() < 0:
        absent = columns == UNCHANGED
        unsigned = columns[kind.unsigned]
        columns[kind.unsigned] = np.where(unsigned < 0, unsigned + (1 << 32), unsigned)
        columns[absent] = ABSENT
    return columns
