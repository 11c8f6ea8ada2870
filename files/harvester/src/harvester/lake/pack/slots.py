"""Slots: the topics of a block, numbered so that an entry's slot costs little, and the book that tells of a topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harvester.lake.pack.depth import WIDTH as BOOK
from harvester.lake.pack.frames import Key
from harvester.lake.pack.groups import changes
from harvester.lake.pack.streams import Ints, StreamError, StreamReader, StreamWriter

QUOTE = 21
"""Values of a symbol's quote. Its best bid and ask price are fields 6 and 7, a book's are fields 0 and 5."""
MOST_CARRIED = 1 << 22
"""Values remembered from block to block; beyond, all are forgotten."""


@dataclass(frozen=True)
class Slots:
    """The topics of a block. `partners` has for each 0, or 1 + the slot of the book of the same symbol."""

    keys: list[Key]
    partners: Ints

    def widths(self) -> Ints:
        return np.array([width for _, _, width in self.keys], np.int64)


def number_slots(finals: Mapping[Key, Ints]) -> Slots:
    """Slots for topics with these final states: a quote comes right behind the book whose best prices it has."""
    books: dict[tuple[int, int, int], Key] = {}
    for key, state in finals.items():
        if key[2] == BOOK:
            books.setdefault((key[0], int(state[0]), int(state[5])), key)
    partner_of = {
        key: books[key[0], int(state[6]), int(state[7])]
        for key, state in finals.items()
        if key[2] == QUOTE and state[6] and state[7] and (key[0], int(state[6]), int(state[7])) in books
    }
    keys = sorted(finals, key=lambda key: (partner_of.get(key, key), key in partner_of, key))
    number = {key: slot for slot, key in enumerate(keys)}
    partners = [1 + number[partner_of[key]] if key in partner_of else 0 for key in keys]
    return Slots(keys, np.array(partners, np.int64))


def write_slots(slots: Slots, entries: Ints, firsts: Ints, out: StreamWriter) -> None:
    """The table, and the slot of each entry. `firsts` marks the first entry of each frame."""
    for part in range(3):
        out.ints(changes(np.array([key[part] for key in slots.keys], np.int64)))
    out.ints(changes(slots.partners))
    out.ints(entries[firsts])
    others = np.setdiff1d(np.arange(len(entries)), firsts, assume_unique=True)
    out.ints(entries[others] - entries[others - 1] - 1)


def read_slots(firsts: Ints, count: int, source: StreamReader) -> tuple[Slots, Ints]:
    """What `write_slots` wrote, for `count` entries. Raises StreamError."""
    streams = np.cumsum(source.ints())
    if len(streams) > count:
        raise StreamError("more topics than entries")
    topics, widths, partners = (np.cumsum(source.ints(len(streams))) for _ in range(3))
    columns = ((streams, 0, 0xFFFF), (topics, 0, 0xFFFF), (widths, 1, 0xFF), (partners, 0, len(streams)))
    if any(len(column) and (column.min() < low or column.max() > high) for column, low, high in columns):
        raise StreamError("a topic beyond its limits")
    keys = list(zip(streams.tolist(), topics.tolist(), widths.tolist(), strict=True))
    steps = np.empty(count, np.int64)
    is_first = np.zeros(count, bool)
    is_first[firsts] = True
    steps[is_first] = source.ints(len(firsts))
    steps[~is_first] = source.ints(count - len(firsts)) + 1
    starts = np.flatnonzero(is_first)
    sums = np.cumsum(steps)
    entries = sums - np.repeat((sums - steps)[starts], np.diff(starts, append=count))
    if count and (entries.min() < 0 or entries.max() >= len(keys)):
        raise StreamError("an entry of no topic")
    return Slots(keys, partners), entries


class Memory:
    """The last state of each topic, from block to block."""

    def __init__(self) -> None:
        self._states: dict[Key, Ints] = {}
        self._values = 0

    def recall(self, keys: Sequence[Key], width: int) -> Ints:
        """The states of topics of one width, one row each; zeros for a topic not met before."""
        states = np.zeros((len(keys), width), np.int64)
        for row, key in enumerate(keys):
            if key in self._states:
                states[row] = self._states[key]
        return states

    def keep(self, finals: Mapping[Key, Ints]) -> None:
        """Remember the states at the end of a block."""
        self._values += sum(key[2] for key in finals if key not in self._states)
        self._states.update(finals)
        if self._values > MOST_CARRIED:
            self._states.clear()
            self._values = 0
