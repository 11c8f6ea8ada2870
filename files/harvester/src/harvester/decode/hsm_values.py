"""Values of data-socket (HSM) entries: from the wire's 32 bits to exact 64-bit columns."""

import numpy as np
from numpy.typing import NDArray

from harvester.decode.frames import ABSENT, FrameBatch, Ints
from harvester.decode.hsm_layout import UNCHANGED, Kind

Words = NDArray[np.int32]


def read_values(batch: FrameBatch, places: Ints, counts: Ints, width: int) -> Words:
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


def to_columns(words: Words, order: NDArray[np.intp], kind: Kind) -> Ints:
    """64-bit columns of the entries picked by `order`, ABSENT for what is not known.

    The wire's words are signed. Quantities, counts and times are never negative: there the sign bit counts, so that
    a day's volume beyond 2,147,483,647 stays right.
    """
    columns = words.take(order, axis=1).astype(np.int64)
    if words.size and words.min() < 0:
        absent = columns == UNCHANGED
        unsigned = columns[kind.unsigned]
        columns[kind.unsigned] = np.where(unsigned < 0, unsigned + (1 << 32), unsigned)
        columns[absent] = ABSENT
    return columns
