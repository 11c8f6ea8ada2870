"""Records of a segment as columns of whole numbers that compress well, and back bit for bit.

Values in feed frames of the data socket become differences to those of the same topic before, quantity and orders of a
book's level to those last seen at the same price; other payloads stay. docs/formats.md describes columns and order.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import compress, islice

import numpy as np
from numpy.typing import ArrayLike

from harvester.decode.frames import Flags, Ints
from harvester.decode.hsm_layout import FEED, UNCHANGED, UPDATE
from harvester.decode.merge import firsts, merge
from harvester.journal.format import DATA, FYERS_HSM, HEADER, Record

FRAME = struct.Struct(">HBIH")
"""Head of a feed frame: bytes that follow the length, kind, message number, number of entries."""
ENTRY = 4
"""Bytes of an entry's head: kind u8, topic id u16, number of values u8; big-endian. Values of 32 bits follow."""
BOOK, PRICES, LEVELS = 30, 10, 5
"""Values of a book: prices of five bids and of five asks, then their quantities, then their orders."""


def ints(values: ArrayLike) -> list[bytes]:
    """2n for a number n, -2n - 1 for a negative one: the bytes the largest needs; byte 0 of all, byte 1, ..."""
    flat = np.asarray(values, np.int64).ravel()
    folded = ((flat << 1) ^ (flat >> 63)).view(np.uint64)
    width = max((int(folded.max(initial=0)).bit_length() + 7) // 8, 1)
    return [bytes([width]), folded.astype("<u8").view(np.uint8).reshape(-1, 8).T[:width].tobytes()]


def _steps(values: ArrayLike) -> list[bytes]:
    """Each number less the one before it, the first less 0."""
    return ints(np.diff(np.asarray(values, np.int64), prepend=0))


def sparse(values: Ints) -> list[bytes]:
    """A bit each, set for those that are not 0; then these."""
    return [np.packbits(values != 0).tobytes(), *ints(values[values != 0])]


class ColumnReader:
    """Gives columns back in the order of writing. Every method may raise ValueError."""

    def __init__(self, body: bytes) -> None:
        self.rest = memoryview(body)

    def octets(self, count: int) -> memoryview:
        if not 0 <= count <= len(self.rest):
            raise ValueError("a column is longer than its block")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def ints(self, count: int) -> Ints:
        width = self.octets(1)[0]
        planes = np.frombuffer(self.octets(width * count), np.uint8).reshape(width, count)
        folded = np.zeros((count, 8), np.uint8)
        folded[:, :width] = planes.T
        values = folded.view("<u8").ravel()
        return (values >> np.uint64(1)).view(np.int64) ^ -(values & np.uint64(1)).view(np.int64)

    def flags(self, count: int) -> Flags:
        return np.unpackbits(np.frombuffer(self.octets((count + 7) // 8), np.uint8), count=count).astype(bool)

    def sparse(self, count: int) -> Ints:
        chosen, values = self.flags(count), np.zeros(count, np.int64)
        values[chosen] = self.ints(int(np.count_nonzero(chosen)))
        return values


class Groups:
    """Places along the last axis by key: the first of a key differs from 0, each other from the one before it."""

    def __init__(self, keys: Ints) -> None:
        self.order = np.argsort(keys, kind="stable")
        self.firsts = firsts(keys[self.order])

    def differences(self, values: Ints) -> Ints:
        ordered, steps = values[..., self.order], np.empty_like(values)
        before = np.roll(ordered, 1, axis=-1)
        before[..., self.firsts] = 0
        steps[..., self.order] = ordered - before
        return steps

    def sums(self, steps: Ints) -> Ints:
        """The values that have these differences."""
        ordered, values = steps[..., self.order], np.empty_like(steps)
        sums, starts = np.cumsum(ordered, axis=-1), np.flatnonzero(self.firsts)
        before = (sums - ordered)[..., starts]
        values[..., self.order] = sums - np.repeat(before, np.diff(starts, append=len(self.order)), axis=-1)
        return values


def write_block(records: Sequence[Record]) -> bytes:
    """The columns of these records, one at least; they have less than twice the bytes of the records."""
    kinds, feeds, conns, seqs, walls, monos, payloads = zip(*records, strict=True)
    streams, numbers = np.array(conns, np.int64), np.array(seqs, np.uint64).view(np.int64)
    delays = np.array(monos, np.int64) - np.array(walls, np.int64)
    frames = list(map(_entries_of, records))
    counts = np.array(list(map(len, frames)), np.int64)
    others = [payload for payload, frame in zip(payloads, frames, strict=True) if not frame]
    messages = np.array([FRAME.unpack_from(payload)[2] for payload in compress(payloads, frames)], np.int64)
    entries = [entry for frame in frames for entry in frame]
    heads = np.array([int.from_bytes(entry[:ENTRY]) for entry in entries], np.int64)
    parts = [
        *(part for column in (kinds, feeds, streams, numbers, walls, delays) for part in _steps(column)),
        *ints(counts),
        *ints(list(map(len, others))),
        *others,
        *ints(Groups(streams[counts > 0]).differences(messages)),
        *_steps(heads),
    ]
    for width, rows, topics in _tables(np.repeat(streams, counts), heads):
        octets = b"".join([entries[row][ENTRY:] for row in rows.tolist()])
        parts += _table(np.frombuffer(octets, ">i4").reshape(-1, width).T.astype(np.int64), topics)
    return b"".join(parts)


def read_block(body: bytes, count: int, size: int) -> list[Record]:
    """The records, `count` of `size` bytes in all; so many bound the memory. Raises ValueError, struct.error."""
    source = ColumnReader(body)
    if count * HEADER.size > size:
        raise ValueError("more records than bytes for them")
    kinds, feeds, streams, seqs, walls, delays = (np.cumsum(source.ints(count)) for _ in range(6))
    counts = source.ints(count)
    if (counts > size).any() or counts.sum() * ENTRY > size:
        raise ValueError("more entries than bytes for them")
    framed = int(np.count_nonzero(counts))
    others = iter([bytes(source.octets(length)) for length in source.ints(count - framed).tolist()])
    messages = iter(Groups(streams[counts != 0]).sums(source.ints(framed)).tolist())
    of_entry = np.repeat(streams, counts)
    heads = np.cumsum(source.ints(len(of_entry)))
    if (heads >> 32).any() or not (heads & 0xFF).all() or (heads & 0xFF).sum() * 4 > size:
        raise ValueError("entries that none has, or more values than bytes for them")
    entries = [head.to_bytes(ENTRY) for head in heads.tolist()]
    for width, rows, topics in _tables(of_entry, heads):
        octets, step = _read_table(width, topics, source).T.astype(">i4").tobytes(), 4 * width
        for place, row in enumerate(rows.tolist()):
            entries[row] += octets[step * place : step * (place + 1)]
    taken, sizes = iter(entries), counts.tolist()
    bodies = [b"".join(islice(taken, n)) for n in sizes]
    payloads = [
        FRAME.pack(FRAME.size - 2 + len(body), FEED, next(messages), n) + body if n else next(others)
        for n, body in zip(sizes, bodies, strict=True)
    ]
    columns = (kinds, feeds, streams, seqs.view(np.uint64), walls, walls + delays)
    return list(map(Record, *(column.tolist() for column in columns), payloads))


def _entries_of(record: Record) -> list[bytes]:
    """The entries of a feed frame that updates fill exactly; none for any other record."""
    payload, entries, at = record.payload, [], FRAME.size
    if (record.kind, record.feed) != (DATA, FYERS_HSM) or len(payload) < at:
        return []
    length, kind, _, count = FRAME.unpack_from(payload)
    for _ in range(count):
        if len(payload) < at + ENTRY or payload[at] != UPDATE or not payload[at + 3]:
            return []
        end = at + ENTRY + 4 * payload[at + 3]
        entries.append(payload[at:end])
        at = end
    return entries if (length, kind, at) == (len(payload) - 2, FEED, len(payload)) else []


def _tables(streams: Ints, heads: Ints) -> Iterator[tuple[int, Ints, Groups]]:
    """Each number of values, rising: its entries by topic and then by arrival, and these grouped by topic."""
    order = np.lexsort((streams << 32 | heads, heads & 0xFF))
    for rows in np.split(order, np.flatnonzero(np.diff(heads[order] & 0xFF)) + 1):
        if len(rows):
            yield int(heads[rows[0]] & 0xFF), rows, Groups((streams << 32 | heads)[rows])


def _table(words: Ints, topics: Groups) -> Iterator[bytes]:
    """Columns of entries' values, a row each: what has changed; then where something else than that is given."""
    width, count = words.shape
    given = words != UNCHANGED
    nothing = np.zeros((width, np.count_nonzero(topics.firsts)), np.int64)
    states = merge(words, np.zeros(count, bool), topics.firsts, nothing, UNCHANGED)
    changes = topics.differences(states)
    if width == BOOK:
        ladders = np.diff(states[:PRICES].reshape(2, LEVELS, count), axis=1, prepend=0)
        ladders[:, 0] = changes[:PRICES:LEVELS]
        yield from ints(ladders)
        levels = _levels(states, topics)
        parts = [levels.differences(part.T.ravel()) for part in (states[2 * PRICES :], states[PRICES : 2 * PRICES])]
    for part in parts if width == BOOK else changes:
        yield from sparse(part)
    yield np.packbits(given != (changes != 0)).tobytes()


def _read_table(width: int, topics: Groups, source: ColumnReader) -> Ints:
    count = len(topics.order)
    if width == BOOK:
        ladders = source.ints(PRICES * count).reshape(2, LEVELS, count)
        ladders[:, 0] = topics.sums(ladders[:, 0])
        states = np.empty((BOOK, count), np.int64)
        states[:PRICES] = np.cumsum(ladders, axis=1).reshape(PRICES, count)
        levels = _levels(states, topics)
        for part in (states[2 * PRICES :], states[PRICES : 2 * PRICES]):
            part[:] = levels.sums(source.sparse(PRICES * count)).reshape(count, PRICES).T
    else:
        states = topics.sums(np.array([source.sparse(count) for _ in range(width)]))
    changed = topics.differences(states) != 0
    return np.where(changed != source.flags(width * count).reshape(width, count), states, UNCHANGED)


def _levels(books: Ints, topics: Groups) -> Groups:
    """The levels of the books, by topic, side and price; within these by arrival."""
    sides = np.cumsum(topics.firsts) * 2 + np.repeat((0, 1), LEVELS)[:, None]
    return Groups((sides << 32 | books[:PRICES] & 0xFFFF_FFFF).T.ravel())
