"""Partial updates to full states: what is unchanged becomes the last known value, for all streams at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harvester.decode.frames import Flags, Ints

Matrix = NDArray[np.signedinteger[Any]]


def firsts(streams: Ints) -> Flags:
    """Marks the first update of each stream, given updates by stream."""
    marks = np.ones(len(streams), np.bool_)
    np.not_equal(streams[1:], streams[:-1], out=marks[1:])
    return marks


def lasts(firsts: Flags) -> NDArray[np.intp]:
    """Places of the last update of each stream, given the marks of the first."""
    return np.flatnonzero(np.append(firsts[1:], True)[: len(firsts)])


def merge(values: Matrix, resets: Flags, firsts: Flags, carried: Matrix, absent: int) -> tuple[Matrix, Flags]:
    """The full state after each update, and whether the update changed anything.

    `values` has one row a field and one column an update, sorted by stream and then by time; `absent` stands for
    unchanged. `resets` marks updates before which everything is forgotten (snapshots), `firsts` the first of each
    stream; `carried` has the state before each of these, one column each. `values` is overwritten in part.
    """
    first = np.flatnonzero(firsts)
    opening = values[:, first]
    continued = (opening == absent) & ~resets[first]
    opening[continued] = carried[continued]
    values[:, first] = opening

    known = values != absent
    known[:, firsts | resets] = True
    if known.all():
        merged = values
    else:
        source = np.multiply(known, np.arange(values.shape[1], dtype=np.int32), dtype=np.int32)
        np.maximum.accumulate(source, axis=1, out=source)
        merged = np.empty_like(values)
        for field in range(len(values)):
            values[field].take(source[field], out=merged[field], mode="clip")
    return merged, _changed(merged, resets, first, carried)


def _changed(merged: Matrix, resets: Flags, first: NDArray[np.intp], carried: Matrix) -> Flags:
    changed = np.ones(merged.shape[1], np.bool_)
    if len(changed):
        (merged[:, 1:] != merged[:, :-1]).any(axis=0, out=changed[1:])
    changed[first] = (merged[:, first] != carried).any(axis=0)
    changed[resets] = True
    return changed
