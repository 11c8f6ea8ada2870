"""Times in ns are exact in every reader: as floats, which pandas makes of integers with nulls, they are not."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import SBIN, moment

from harvester.lake.schema import GAPS_SCHEMA, TABLES

SCHED_NS = moment(30) + 123


@pytest.fixture
def place(tmp_path: Path) -> StreamedPlace:
    """A day whose table depth has polls and updates of a socket, so that `ts_sched` is null in some rows."""
    place = StreamedPlace(tmp_path)
    recorder = place.sockets(polled=(SBIN,))
    recorder.open(feeds=[1, 2])
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.poll(0, SBIN, sched_ns=SCHED_NS)
    recorder.close()
    recorder.stop()
    place.close()
    return place


def exact_columns(schema: Any) -> dict[str, str]:
    """What a file tells pandas of its columns."""
    told = json.loads(schema.metadata[b"pandas"])
    assert (told["index_columns"], told["column_indexes"]) == ([], [])
    return {column["name"]: column["numpy_type"] for column in told["columns"]}


def test_a_file_says_which_integers_may_be_null(place: StreamedPlace) -> None:
    moments = dict.fromkeys(("ts_recv", "ts_sched", "ts_send"), "datetime64[ns]")
    assert exact_columns(pq.read_schema(place.current("depth"))) == {"connection": "Int32", **moments}
    for schema in (GAPS_SCHEMA, *(table.schema for table in TABLES.values())):
        told = exact_columns(schema)
        nullable = {field.name for field in schema if field.nullable and pa.types.is_integer(field.type)}
        assert {name for name in told if name not in moments_of(schema)} == nullable
        assert {told[name] for name in moments_of(schema)} <= {"datetime64[ns]"}, "which pandas has exactly, with NaT"


def moments_of(schema: pa.Schema) -> set[str]:
    """The columns that are times of a day in UTC."""
    return {field.name for field in schema if pa.types.is_timestamp(field.type)}


def test_pandas_reads_them_exactly(place: StreamedPlace) -> None:
    """With its defaults; 123 ns were lost."""
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency: it comes with the suite of readers")
    for source in (place.current("depth"), place.lake / "depth_v3"):
        frame = pandas.read_parquet(source)
        assert [moment.value for moment in frame["ts_sched"].dropna()] == [SCHED_NS]
        assert frame["ts_sched"].isna().sum() == len(frame) - 1
