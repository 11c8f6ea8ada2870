"""Sequence numbers of the 50-level feed: what is missing, and which books cannot be trusted since."""

from typing import NamedTuple

import numpy as np

from harvester.decode.frames import Flags, Ints


class SequenceBreak(NamedTuple):
    """A symbol's number is not the one after the last. Numbers count per symbol and connection."""

    frame: int
    symbol: int
    expected: int
    got: int
    is_snapshot: bool
    """A snapshot makes the book whole again; what lay between stays lost."""

    @property
    def missing(self) -> int:
        """Updates that never came; 0 when the number went back or was repeated."""
        return max(self.got - self.expected, 0)


def numbers_before(sequence: Ints, firsts: Flags, before: Ints) -> Ints:
    """The number before each of the numbers, given rows by symbol and then by arrival.

    `before` is the last number of each symbol so far.
    """
    last = np.empty_like(sequence)
    last[1:] = sequence[:-1]
    last[firsts] = before
    return last


def find_breaks(sequence: Ints, last: Ints) -> Flags:
    """Marks the numbers that do not follow the one before. 0, on either side, is no number and proves nothing."""
    breaks: Flags = (sequence != last + 1) & (sequence != 0) & (last != 0)
    return breaks


def find_suspects(breaks: Flags, snapshots: Flags, firsts: Flags, before: Flags) -> Flags:
    """Marks the rows whose book may be wrong: since a break, or from the start, until the next snapshot.

    `before` says it of each symbol so far.
    """
    verdict = breaks.copy()
    verdict[firsts] |= before
    verdict &= ~snapshots
    known = np.where(breaks | snapshots | firsts, np.arange(len(verdict)), 0)
    suspects: Flags = verdict[np.maximum.accumulate(known)]
    return suspects
