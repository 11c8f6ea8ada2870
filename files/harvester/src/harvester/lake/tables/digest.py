"""A checksum per column of a table, the same however its rows are cut into batches: written values against those read.

It must notice a disk or a library that errs, not a forger: CRC-32C, a fiftieth of what SHA-256 of every value costs.
"""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvester.decode.frames import ABSENT
from harvester.lake.columns import Table, to_kind


class ColumnDigest:
    """The checksums of one table's columns, of a list those of its lengths and of its values."""

    def __init__(self, table: Table) -> None:
        self._sums = [[0, 0] for _ in table.schema]

    def update(self, batch: pa.RecordBatch) -> None:
        """Add rows with the columns of the schema."""
        for sums, column in zip(self._sums, batch.columns, strict=True):
            for place, values in enumerate(_parts(column)):
                sums[place] = google_crc32c.extend(sums[place], values)

    def hexdigest(self) -> str:
        """Of all columns."""
        return "".join(f"{part:08x}" for sums in self._sums for part in sums)


def _parts(column: pa.Array) -> Iterator[Any]:
    """The numbers that a column consists of, as arrays; texts by a number of their own."""
    if pa.types.is_list(column.type):
        yield pc.list_value_length(column).to_numpy(zero_copy_only=False)
        yield _numbers(column.flatten())
    elif pa.types.is_dictionary(column.type):
        prints = map(_print, column.dictionary.to_pylist())
        yield np.frombuffer(b"".join(prints), np.int64)[column.indices.to_numpy(zero_copy_only=False)]
    else:
        yield _numbers(to_kind(column, pa.int64()))


@lru_cache(maxsize=8192)
def _print(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:8]


def _numbers(column: pa.Array) -> Any:
    """int64, with a value of its own for null."""
    filled = pc.fill_null(column, ABSENT) if column.null_count else column
    return filled.to_numpy(zero_copy_only=False)
