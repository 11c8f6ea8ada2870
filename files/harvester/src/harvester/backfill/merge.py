"""The rows of one day: those that the lake has, and those that came now. A value said again is one row."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvester.decode.frames import Ints
from harvester.lake.schema import HISTORY_TABLE, TEXTS
from harvester.lake.tables.parquet import plain, read_batches

BEGIN, WIDTH, REVISION = (1 + HISTORY_TABLE.at(name) for name in ("ts_begin", "resolution_ns", "revision"))
VALUES = [1 + HISTORY_TABLE.at(name) for name in ("open_paise", "high_paise", "low_paise", "close_paise", "volume")]
KEY = [0, WIDTH, BEGIN]


def read_rows(paths: Sequence[Path], symbols: dict[str, int], runs: dict[str, int]) -> Ints:
    """The rows of a day's files, with the number of the symbol first; unknown names get the next numbers.

    Raises HarvesterError for a file that is no such table.
    """
    found = [
        np.stack([_column(batch, name, symbols, runs) for name in ("symbol", *HISTORY_TABLE.places)])
        for path in paths
        for batch in read_batches(path, HISTORY_TABLE, HISTORY_TABLE.schema.names)
    ]
    return np.concatenate([np.empty((1 + HISTORY_TABLE.height, 0), np.int64), *found], axis=1)


def _column(batch: pa.RecordBatch, name: str, symbols: dict[str, int], runs: dict[str, int]) -> Ints:
    column = batch.column(name)
    if not pa.types.is_dictionary(column.type):
        values = plain(column)
        found: Ints = pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)
        return found
    texts = column.dictionary.to_pylist()
    if name in ("symbol", "run_id"):
        numbers = symbols if name == "symbol" else runs
        codes = [numbers.setdefault(text, len(numbers)) for text in texts]
    else:
        codes = [TEXTS[name].index(text) for text in texts]
    numbered: Ints = np.array(codes, np.int64)[column.indices.to_numpy(zero_copy_only=False)]
    return numbered


def merge(before: Ints, new: Ints, symbols: Sequence[str]) -> Ints:
    """All rows, by symbol, width, begin and revision. What is said of a bar anew is a revision; `symbols` by number."""
    rows = np.concatenate([before, new], axis=1)
    rank = np.argsort(np.argsort(np.array(symbols)))[rows[0]] if rows.shape[1] else rows[0]
    arrival = np.arange(rows.shape[1])
    rows = rows[:, np.lexsort((arrival, rows[BEGIN], rows[WIDTH], rank))]
    if not rows.shape[1]:
        return rows
    same_bar = np.append(False, (rows[KEY, 1:] == rows[KEY, :-1]).all(axis=0))
    same_value = same_bar & np.append(False, (rows[VALUES, 1:] == rows[VALUES, :-1]).all(axis=0))
    kept = np.flatnonzero(~same_value)
    rows, begins = rows[:, kept], ~same_bar[kept]
    firsts = np.flatnonzero(begins)
    rows[REVISION] = np.arange(len(kept)) - firsts[np.cumsum(begins) - 1]
    return rows


def by_symbol(rows: Ints, symbols: Sequence[str]) -> list[tuple[str, Ints]]:
    """Each symbol with its rows, as matrices of the table; rows are in the order of `merge`."""
    starts = np.flatnonzero(np.append(True, rows[0, 1:] != rows[0, :-1]))[: rows.shape[1]]
    if not rows.shape[1]:
        return []
    parts = np.split(rows, starts[1:], axis=1)
    return [(symbols[int(part[0, 0])], part[1:]) for part in parts]
