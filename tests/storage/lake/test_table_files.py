"""Tables of a large day: several files, each with whole symbols, which together say what one file says."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.journals import DAY
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import INFY, NIFTY, SBIN

from harvester.base.errors import HarvesterError
from harvester.lake.layout import folder_of
from harvester.lake.tables import parquet, table_files
from harvester.reader import open_lake
from harvester.reader.verify import verify_lake
from runbook.report.query import ask

KINDS = ("depth", "quotes", "indices")
SYMBOLS = (INFY, NIFTY, SBIN)


def record(place: StreamedPlace) -> None:
    """A session of two shares and an index."""
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, INFY, NIFTY])
    recorder.snapshots(0, SBIN, INFY, NIFTY)
    for number in range(1, 8):
        recorder.at(number)
        recorder.books(0, SBIN, number, number + 1)
        recorder.books(0, INFY, number)
        recorder.quotes(0, SBIN, number)
        recorder.quotes(0, INFY, number)
    recorder.close()
    recorder.stop()


def files(place: StreamedPlace, kind: str) -> list[Path]:
    """The files of a table in the order of the manifest."""
    manifest = json.loads((place.lake / place.partition.manifest).read_bytes())
    return [
        place.lake / entry["path"] for entry in manifest["files"] if entry["path"].startswith(f"{folder_of(kind)}/")
    ]


def whole(place: StreamedPlace, kind: str) -> pa.Table:
    tables = [pq.read_table(path, partitioning=None) for path in files(place, kind)]
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file ends with each symbol."""
    monkeypatch.setattr(parquet, "SHARED_ROWS", 1)
    monkeypatch.setattr(table_files, "MOST_GROUPS", 1)


def both(place: StreamedPlace, monkeypatch: pytest.MonkeyPatch) -> StreamedPlace:
    """The day closed with a file of each symbol, and beside it, which is returned, with one of each table."""
    record(place)
    one = StreamedPlace(place.root / "one", place.clock)
    one.journal.parent.mkdir()
    one.journal.symlink_to(place.journal)
    assert place.close().outcome == "closed"
    monkeypatch.undo()
    assert one.close().outcome == "closed"
    return one


@pytest.mark.usefixtures("split")
def test_files_of_a_table_have_whole_symbols_and_the_rows_of_one_file(
    streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = both(streamed, monkeypatch)

    for kind in KINDS:
        of_each = [{*pq.read_table(path, partitioning=None)["symbol"].to_pylist()} for path in files(streamed, kind)]
        assert all(len(symbols) == 1 for symbols in of_each)
        assert len(files(one, kind)) == 1
        assert whole(streamed, kind).equals(whole(one, kind))
    assert len(files(streamed, "depth")) == len(files(streamed, "quotes")) == 2
    assert streamed.certificate() == one.certificate()
    report = verify_lake(streamed.lake)
    assert (report.ok, report.unlisted, report.superseded) == (True, [], [])
    assert not [path for path in streamed.lake.rglob("*.tmp")]


@pytest.mark.usefixtures("split")
def test_readers_find_each_symbol_in_its_file(streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    one = both(streamed, monkeypatch)

    lakes = [open_lake(place.lake) for place in (streamed, one)]
    for symbol in (SBIN, INFY):
        books, quotes = (
            [getattr(lake, name)(symbol, DAY, session="all").arrow() for lake in lakes] for name in ("depth", "quotes")
        )
        assert books[0].num_rows > 7
        assert books[0].equals(books[1])
        assert quotes[0].equals(quotes[1])
    pairs = [lake.depth([SBIN, INFY], DAY, session="all").arrow() for lake in lakes]
    assert pairs[0].equals(pairs[1])
    question = "select symbol, count(*), sum(bid_px_paise_1) from depth group by symbol order by symbol"
    answers = [ask(question, place.lake).to_csv() for place in (streamed, one)]
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("split")
def test_a_file_that_is_gone_is_missed(streamed: StreamedPlace) -> None:
    record(streamed)
    streamed.close()
    last = files(streamed, "quotes")[-1]
    last.unlink()

    report = verify_lake(streamed.lake)
    assert [problem for day in report.days for problem in day.problems] == [
        f"{last.relative_to(streamed.lake)}: it is missing"
    ]
    assert streamed.close().outcome == "closed"
    assert verify_lake(streamed.lake).ok


@pytest.mark.usefixtures("split")
def test_nothing_is_placed_where_a_later_file_reads_back_otherwise(
    streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(streamed)
    check, count = parquet.check_written, 0

    def fail_later(writer: parquet.TableWriter) -> None:
        nonlocal count
        count += writer.table.name == "quotes"
        writer.rows += count == 2
        check(writer)

    monkeypatch.setattr(table_files, "check_written", fail_later)
    with pytest.raises(HarvesterError, match="reading the file back gives other values"):
        streamed.close()
    assert not list(streamed.lake.rglob("*.parquet"))
    left = [path.name for path in streamed.lake.rglob("*.parquet.tmp")]
    assert len(left) > len({name.split(".")[1] for name in left})

    monkeypatch.setattr(table_files, "check_written", check)
    monkeypatch.setattr(table_files, "MOST_GROUPS", 256)
    assert streamed.close().outcome == "closed"
    assert not list(streamed.lake.rglob("*.tmp"))
