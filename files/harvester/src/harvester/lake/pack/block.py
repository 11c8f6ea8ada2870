"""One block: a stretch of a segment to its coded form and back."""

from dataclasses import dataclass

import numpy as np

from harvester.lake.pack.depth import WIDTH as BOOK
from harvester.lake.pack.depth import read_books, write_books
from harvester.lake.pack.fields import Around, read_fields, write_fields
from harvester.lake.pack.frames import Frames, Key, put_together, read_frames, take_apart, write_frames
from harvester.lake.pack.grid import Layout, read_words, states_of, write_oddities
from harvester.lake.pack.records import Records, join, read_headers, write_headers
from harvester.lake.pack.slots import Memory, Slots, number_slots, read_slots, write_slots
from harvester.lake.pack.streams import LONGEST, Ints, StreamError, StreamReader, StreamWriter

NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True)
class Table:
    """The entries of one width: which entries of the block they are, their layout and states."""

    members: Ints
    layout: Layout
    states: Ints

    def finals(self, slots: Slots) -> dict[Key, Ints]:
        last = self.layout.last(self.states)
        return {slots.keys[slot]: last[row] for row, slot in enumerate(self.layout.slots.tolist())}


def encode_block(records: Records, memory: Memory) -> bytes:
    """The coded form of these records. `memory` is what the blocks before have left, and is brought up to date."""
    out = StreamWriter()
    frames = take_apart(records)
    write_headers(records, out)
    write_frames(frames, records, out)
    slots, entries = _slots_of(frames, memory)
    write_slots(slots, entries, _firsts(frames), out)
    seconds = _seconds(records, frames)
    tables: dict[int, Table] = {}
    finals: dict[Key, Ints] = {}
    for width, members in _by_width(slots, entries):
        layout = Layout.of(entries[members])
        words = _words(frames, members, width)
        states = states_of(layout, words, memory.recall([slots.keys[slot] for slot in layout.slots.tolist()], width))
        tables[width] = Table(members, layout, states)
        if width == BOOK:
            write_books(layout, states, out)
        else:
            write_fields(layout, states, _around(tables.get(BOOK), slots, members, layout, seconds), out)
        write_oddities(layout, words, states, out)
        finals |= tables[width].finals(slots)
    memory.keep(finals)
    return bytes(out.body)


def decode_block(body: bytes, memory: Memory) -> bytes:
    """The bytes that `encode_block` took. Raises StreamError."""
    source = StreamReader(body)
    records = read_headers(source)
    frames, others = read_frames(records, source)
    if frames.counts and (min(frames.counts) < 1 or sum(frames.counts) > LONGEST):
        raise StreamError("a frame without entries, or with too many")
    slots, entries = read_slots(_firsts(frames), sum(frames.counts), source)
    if len(entries) and int(slots.widths()[entries].sum()) > LONGEST:
        raise StreamError("more values than a block can hold")
    seconds = _seconds(records, frames)
    books: Table | None = None
    values: list[bytes] = [b""] * len(entries)
    finals: dict[Key, Ints] = {}
    for width, members in _by_width(slots, entries):
        layout = Layout.of(entries[members])
        carried = memory.recall([slots.keys[slot] for slot in layout.slots.tolist()], width)
        if width == BOOK:
            states = read_books(layout, carried, source)
            books = Table(members, layout, states)
        else:
            states = read_fields(layout, carried, _around(books, slots, members, layout, seconds), source)
        octets = read_words(layout, states, source).astype(">i4").tobytes()
        for row, entry in enumerate(members.tolist()):
            values[entry] = octets[4 * width * row : 4 * width * (row + 1)]
        finals |= Table(members, layout, states).finals(slots)
    if not source.is_at_end:
        raise StreamError("bytes behind the last stream")
    memory.keep(finals)
    frames.keys, frames.values = [slots.keys[slot] for slot in entries.tolist()], values
    put_together(frames, records, others)
    return join(records)


def _by_width(slots: Slots, entries: Ints) -> list[tuple[int, Ints]]:
    """The entries of each width, books first: what they are tells of the others."""
    widths = slots.widths()[entries] if len(entries) else entries
    order = sorted(set(widths.tolist()), key=lambda width: (width != BOOK, width))
    return [(width, np.flatnonzero(widths == width)) for width in order]


def _slots_of(frames: Frames, memory: Memory) -> tuple[Slots, Ints]:
    """The slots, and the one of each entry."""
    draft = Slots(list(dict.fromkeys(frames.keys)), np.zeros(0, np.int64))
    number = {key: slot for slot, key in enumerate(draft.keys)}
    entries = np.array([number[key] for key in frames.keys], np.int64)
    finals: dict[Key, Ints] = {}
    for width, members in _by_width(draft, entries):
        layout = Layout.of(entries[members])
        carried = memory.recall([draft.keys[slot] for slot in layout.slots.tolist()], width)
        finals |= Table(members, layout, states_of(layout, _words(frames, members, width), carried)).finals(draft)
    slots = number_slots(finals)
    place = {key: slot for slot, key in enumerate(slots.keys)}
    renumbered = np.array([place[key] for key in draft.keys], np.int64)
    return slots, renumbered[entries] if len(entries) else entries


def _words(frames: Frames, members: Ints, width: int) -> Ints:
    octets = b"".join([frames.values[entry] for entry in members.tolist()])
    return np.frombuffer(octets, ">i4").astype(np.int64).reshape(-1, width)


def _firsts(frames: Frames) -> Ints:
    """The first entry of each frame."""
    counts = np.array(frames.counts, np.int64)
    return np.cumsum(counts) - counts


def _seconds(records: Records, frames: Frames) -> Ints:
    """The clock of each entry, in whole seconds."""
    walls = np.array(records.walls, np.int64)[np.array(frames.plain, bool)]
    return np.repeat(walls // NS_PER_SECOND, np.array(frames.counts, np.int64))


def _around(books: Table | None, slots: Slots, members: Ints, layout: Layout, seconds: Ints) -> Around:
    """What is known at each row of a table: the clock, and the partner's book after its last entry before."""
    arrival = np.zeros(len(layout), np.int64)
    arrival[layout.body] = members[layout.order]
    clock, partners = np.zeros(len(layout), np.int64), np.zeros((len(layout), BOOK), np.int64)
    clock[layout.body] = seconds[members[layout.order]]
    if books is None:
        return Around(clock, partners)
    span = len(seconds) + 1
    places = np.zeros(len(books.layout), np.int64)
    places[books.layout.body] = books.members[books.layout.order] + 1
    book_slots = books.layout.slots[books.layout.slot_of]
    wanted = slots.partners[layout.slots[layout.slot_of]] - 1
    found = np.searchsorted(book_slots * span + places, wanted * span + arrival + 1) - 1
    known = (found >= 0) & (book_slots[found] == wanted) & ~layout.is_carried
    partners[known] = books.states[found[known]]
    return Around(clock, partners)
