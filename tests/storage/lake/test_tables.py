"""Tables as Parquet: which rows share a row group."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.lake_rows import rows as rows_of

from harvester.base.errors import HarvesterError
from harvester.lake.schema import BARS_TABLE
from harvester.lake.tables import parquet
from harvester.lake.tables.bars import Bars


def write(path: Path, rows: dict[str, int]) -> parquet.TableWriter:
    """A table of bars with so many rows of each symbol; the values are their numbers."""
    with parquet.TableWriter(path, BARS_TABLE, []) as writer:
        for symbol, count in rows.items():
            matrix = np.tile(np.arange(count), (BARS_TABLE.height, 1))
            writer.add(symbol, matrix[:, : count // 2])
            writer.add(symbol, matrix[:, count // 2 :])
            writer.end_symbol(symbol)
    return writer


def test_small_symbols_share_row_groups_and_large_ones_have_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "SHARED_ROWS", 10)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 20)
    rows = {"A": 3, "B": 0, "C": 4, "D": 25, "E": 12, "F": 6, "G": 6, "H": 2}

    writer = write(tmp_path / "bars.parquet", rows)

    with pq.ParquetFile(writer.path) as file:
        groups = [file.read_row_group(number).column("symbol").to_pylist() for number in range(file.num_row_groups)]
        statistics = [file.metadata.row_group(number).column(1).statistics for number in range(file.num_row_groups)]
    written = rows_of(writer.path)
    assert [{symbol: group.count(symbol) for symbol in group} for group in groups] == [
        {"A": 3, "C": 4},
        {"D": 20},
        {"D": 5},
        {"E": 12},
        {"F": 6, "G": 6},
        {"H": 2},
    ]
    assert [(each.min, each.max) for each in statistics] == [(group[0], group[-1]) for group in groups]
    assert [(row["symbol"], row["ts_begin"]) for row in written] == [
        (symbol, number) for symbol, count in rows.items() for number in range(count)
    ]
    assert writer.rows == sum(rows.values())
    parquet.check_written(writer)


def test_shared_row_groups_stay_in_their_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 10 * 8 * BARS_TABLE.height)

    writer = write(tmp_path / "bars.parquet", dict.fromkeys("ABCDEF", 4))

    metadata = pq.read_metadata(writer.path)
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [8, 8, 8]


def test_a_table_that_failed_is_closed_with_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    with pytest.raises(ValueError, match="no more"), parquet.TableWriter(path, BARS_TABLE, []) as writer:
        writer.add("A", np.zeros((BARS_TABLE.height, 3), np.int64))
        writer.end_symbol("A")
        raise ValueError("no more")
    assert pq.read_metadata(path).num_rows == 0


def test_bars_of_no_quotes_are_whole_numbers_too() -> None:
    nothing = Bars().matrix([])
    assert (nothing.dtype, nothing.shape) == (np.int64, (BARS_TABLE.height, 0))


def test_a_file_that_is_no_such_table_is_refused_with_its_name(tmp_path: Path) -> None:
    text = tmp_path / "bars.parquet"
    text.write_text("symbol,ts_begin\n")
    for read in (parquet.read_columns([text], "bars", ["symbol"]), parquet.read_batches(text, BARS_TABLE, ["symbol"])):
        with pytest.raises(HarvesterError, match=r"bars\.parquet: not a readable Parquet file .*a CSV export is not"):
            list(read)

    whole = pq.read_table(write(tmp_path / "whole.parquet", {"A": 2}).path, partitioning=None)
    place = whole.schema.get_field_index("ts_begin")
    for table in (whole.remove_column(place), whole.set_column(place, "ts_begin", pa.array(["1", "2"]))):
        pq.write_table(table.replace_schema_metadata(whole.schema.metadata), text)
        with pytest.raises(
            HarvesterError, match=r"bars\.parquet: not a bars table of schema 3: its column ts_begin is"
        ):
            list(parquet.read_columns([text], "bars", ["symbol"]))
