"""Columns of pyarrow as arrays of numpy, without what makes pyarrow import pandas where it is installed.

That is its own to_numpy, and each value of Python that it takes as a scalar; the import costs a second of CPU.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

NONE = -1


def integers(column: Any) -> NDArray[np.int64]:
    """Integers or moments as int64; none of them null."""
    return _array(column.cast(pa.int64()))


def flags(column: Any) -> NDArray[np.bool_]:
    """Bools; none of them null."""
    return _array(column.cast(pa.uint8())).view(np.bool_)


def floats(column: Any) -> NDArray[np.float64]:
    """Integers as float64, NaN where there is none."""
    numbers = _whole(column.cast(pa.float64()))
    if not numbers.null_count:
        return _array(numbers)
    begin = numbers.offset
    found = np.frombuffer(numbers.buffers()[1], np.float64)[begin : begin + len(numbers)].copy()
    found[flags(numbers.is_null())] = np.nan
    return found


def places(column: Any, known: Sequence[str]) -> NDArray[np.int64]:
    """Of each text its place in `known`; NONE for one that is not among them, and for null."""
    place_of = {name: place for place, name in enumerate(known)}
    found = [np.zeros(0, np.int64)]
    for chunk in column.chunks:
        encoded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        table = np.array([place_of.get(name, NONE) for name in encoded.dictionary.to_pylist()] or [NONE])
        numbers = floats(encoded.indices)
        found.append(np.where(np.isnan(numbers), NONE, table[np.nan_to_num(numbers).astype(np.int64)]))
    return np.concatenate(found)


def _array(column: Any) -> NDArray[Any]:
    found: NDArray[Any] = np.from_dlpack(_whole(column))
    return found


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
