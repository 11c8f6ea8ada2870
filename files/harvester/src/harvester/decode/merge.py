"""Partial updates to full states: what is unchanged becomes the last known value, for all streams at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harvester.decode.frames import Flags, Ints

Matrix = NDArray[np.signedinteger[Any]]

BLOCK = 1 << 15
"""Values filled at a time, so that the arrays stay in the processor's cache."""


def firsts(streams: Ints) -> Flags:
    """Marks the first update of each stream, given updates by stream."""
    marks = np.ones(len(streams), np.bool_)
    np.not_equal(streams[1:], streams[:-1], out=marks[1:])
    return marks


def lasts(firsts: Flags) -> NDArray[np.intp]:
    """Places of the last update of each stream, given the marks of the first."""
    return np.flatnonzero(np.append(firsts[1:], True)[: len(firsts)])


def last_of_each(places: Ints, size: int) -> NDArray[np.intp] | slice:
    """Which of the places, each below `size`, to assign to so that the last of equal ones counts.

    An assignment `target[places] = values` does not promise which of several values for one place stays.
    """
    numbers = np.arange(len(places))
    met = np.empty(size, np.int64)
    met[places] = numbers  # whichever stays, of two equal places one does not
    if (met[places] == numbers).all():
        return slice(None)
    _, last = np.unique(places[::-1], return_index=True)
    return len(places) - 1 - last


def merge(values: Matrix, resets: Flags, firsts: Flags, earlier: Matrix, absent: int) -> Matrix:
    """The full state after each update.

    `values` has one row a field and one column an update, sorted by stream and then by time; `absent` stands for
    unchanged. `resets` marks updates before which everything is forgotten (snapshots), `firsts` the first of each
    stream; `earlier` has the state before each of these, one column each. `values` is overwritten in part.
    """
    first = np.flatnonzero(firsts)
    opening = values[:, first]
    continued = (opening == absent) & ~resets[first]
    opening[continued] = earlier[continued]
    values[:, first] = opening

    known = values != absent
    known[:, firsts | resets] = True
    return values if known.all() else _fill(values, known)


def _fill(values: Matrix, known: Flags) -> Matrix:
    """Each value that is not known becomes the last known one before it in its row. The first of a row is known."""
    height, width = values.shape
    merged = np.empty_like(values)
    rows = max(1, BLOCK // width)
    places = np.arange(rows * width)
    for top in range(0, height, rows):
        block = known[top : top + rows]
        source = block.ravel() * places[: block.size]
        source = np.maximum.accumulate(source.reshape(block.shape), axis=1)
        values[top : top + rows].take(source, out=merged[top : top + rows], mode="clip")
    return merged
