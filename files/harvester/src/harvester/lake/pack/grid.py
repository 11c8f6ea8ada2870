"""The entries of one width as a table of states: sorted by slot, each slot's carried state before its entries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harvester.lake.pack.streams import Flags, Ints, StreamReader, StreamWriter

UNCHANGED = -(1 << 31)
"""Stands in an entry for a value that it does not change."""


@dataclass(frozen=True)
class Layout:
    """Where the rows of a table are. Rows are entries by slot and arrival, with a row for the carried state before."""

    slots: Ints
    """The slots that occur, rising."""
    order: Ints
    """Entry of the group, by arrival, that each of the rows in `body` is."""
    slot_of: Ints
    """Place in `slots` of each row."""
    is_carried: Flags
    """Rows that are carried states."""

    @classmethod
    def of(cls, slots: Ints) -> "Layout":
        """The layout of entries of these slots, by arrival."""
        distinct, places, counts = np.unique(slots, return_inverse=True, return_counts=True)
        order = np.argsort(places, kind="stable")
        slot_of = np.repeat(np.arange(len(distinct)), counts + 1)
        is_carried = np.diff(slot_of, prepend=-1) != 0
        return cls(distinct, order, slot_of, is_carried)

    def __len__(self) -> int:
        return len(self.slot_of)

    @property
    def body(self) -> Ints:
        """The rows that are entries."""
        return np.flatnonzero(~self.is_carried)

    def before(self, states: Ints) -> Ints:
        """For each row that is an entry the row before it."""
        earlier: Ints = states[self.body - 1]
        return earlier

    def last(self, states: Ints) -> Ints:
        """The last row of each slot."""
        ends = np.flatnonzero(np.append(self.is_carried[1:], True))
        rows: Ints = states[ends]
        return rows


def states_of(layout: Layout, words: Ints, carried: Ints) -> Ints:
    """The full state after each row: values left unchanged are those of the row before.

    `words` are the entries' values by arrival, one row each; `carried` has a row for each slot.
    """
    states = np.empty((len(layout), words.shape[1]), np.int64)
    states[layout.is_carried] = carried
    states[layout.body] = words[layout.order]
    given = states != UNCHANGED
    given[layout.is_carried] = True
    rows = np.where(given, np.arange(len(layout), dtype=np.int32)[:, None], 0)
    np.maximum.accumulate(rows, axis=0, out=rows)
    return np.take_along_axis(states, rows, axis=0)


def write_oddities(layout: Layout, words: Ints, states: Ints, out: StreamWriter) -> None:
    """Mark the entries that give a value although it is as before, and which values those entries give."""
    given = words[layout.order] != UNCHANGED
    odd = (given != (states[layout.body] != layout.before(states))).any(axis=1)
    out.blob(odd.astype(np.uint8).tobytes())
    out.blob(np.packbits(given[odd], axis=1).T.tobytes())


def read_words(layout: Layout, states: Ints, source: StreamReader) -> NDArray[np.int32]:
    """The entries' values by arrival. Raises StreamError."""
    now = states[layout.body]
    given = now != layout.before(states)
    odd = np.flatnonzero(np.frombuffer(source.blob(len(now)), np.uint8))
    octets = (now.shape[1] + 7) // 8
    bits = np.frombuffer(source.blob(octets * len(odd)), np.uint8).reshape(octets, len(odd)).T
    given[odd] = np.unpackbits(bits, axis=1, count=now.shape[1]).astype(bool)
    words = np.empty(now.shape, np.int32)
    words[layout.order] = np.where(given, now, UNCHANGED).astype(np.int32)
    return words
