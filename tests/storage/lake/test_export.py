"""The CSV export: the old harvester's columns, file name, times and prices, exactly."""

import csv
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.journals import DAY, SYMBOLS, book

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import entered
from harvester.lake.tables import parquet
from harvester.reader import open_lake
from harvester.reader.export import export_csv

SBIN, INFY = SYMBOLS
HEADER = (
    "timestamp,symbol,ltp,total_buy_qty,total_sell_qty,"
    "bid_px_1,bid_qty_1,bid_px_2,bid_qty_2,bid_px_3,bid_qty_3,bid_px_4,bid_qty_4,bid_px_5,bid_qty_5,"
    "ask_px_1,ask_qty_1,ask_px_2,ask_qty_2,ask_px_3,ask_qty_3,ask_px_4,ask_qty_4,ask_px_5,ask_qty_5"
)
REMEDY = "Nothing is exported; run harvester verify to see what is damaged."


def test_the_file_is_the_old_one_to_the_letter(closed) -> None:
    path, count = export_csv(closed.lake, DAY, closed.root / "out")
    lines = path.read_text().split("\n")
    assert (path.name, count) == ("market_depth_2026-11-23.csv", 40)
    assert lines[0] == HEADER
    assert lines[1] == (
        "2026-11-23T09:15:00.000000+05:30,NSE:INFY-EQ,800.00,1000,2000,"
        "799.95,10,799.90,20,799.85,30,799.80,40,799.75,50,800.05,20,800.10,40,800.15,60,800.20,80,800.25,100"
    )
    assert lines[-1] == "" and b"\r" not in path.read_bytes()


def test_times_are_those_of_the_market_of_the_day_whatever_this_process_records(closed) -> None:
    with entered("us"):
        path, _ = export_csv(closed.lake, DAY, closed.root / "out")
    assert path.read_text().split("\n")[1].startswith("2026-11-23T09:15:00.000000+05:30,NSE:INFY-EQ,")


def test_rows_come_in_the_order_of_their_times_and_of_one_time_by_symbol(closed) -> None:
    path, _ = export_csv(closed.lake, DAY, closed.root / "out")
    with path.open() as file:
        places = [(row["timestamp"], row["symbol"]) for row in csv.DictReader(file)]
    assert places == sorted(places) and len({time for time, _ in places}) == 20 and len(places) == 40


@pytest.mark.parametrize(("shared_rows", "group_rows"), [(1, 16_384), (8, 16)], ids=["own groups", "a tail is shared"])
@pytest.mark.parametrize("symbols", [(), (INFY,), (SBIN,)])
def test_the_export_does_not_depend_on_row_groups(
    place, monkeypatch: pytest.MonkeyPatch, shared_rows: int, group_rows: int, symbols: tuple[str, ...]
) -> None:
    recorder = place.start()
    recorder.open_window(20)
    for slot in range(20):
        recorder.poll(slot, INFY)
        if slot % 3 == 0:
            recorder.poll(slot, SBIN)
    recorder.close_window(20)
    recorder.stop()
    place.close()
    expected = export_csv(place.lake, DAY, place.root / "one group", symbols)[0].read_bytes()
    monkeypatch.setattr(parquet, "SHARED_ROWS", shared_rows)
    monkeypatch.setattr(parquet, "GROUP_ROWS", group_rows)
    place.close(rebuild=True)

    assert pq.read_metadata(place.current("depth")).num_row_groups == 2
    [table] = open_lake(place.lake).on(DAY)[0].require("depth")
    assert [table.groups(symbol) for symbol in (INFY, SBIN)] == [[0] if shared_rows == 1 else [0, 1], [1]]
    assert export_csv(place.lake, DAY, place.root / "several", symbols)[0].read_bytes() == expected


def test_an_absent_level_has_no_price(place) -> None:
    recorder = place.start()
    recorder.open_window(1)
    from tests.journals import answer

    recorder.poll(0, SBIN, body=answer(SBIN, ask=book()["ask"][:1], bids=[]))
    recorder.poll(0, INFY)
    recorder.close_window(1)
    recorder.stop()
    place.close(windows=())
    path, _ = export_csv(place.lake, DAY, place.root / "out", [SBIN])
    row = path.read_text().splitlines()[1]
    assert row.endswith(",,0,,0,,0,,0,,0,800.20,20,,0,,0,,0,,0")


def test_one_symbol_can_be_asked_for_and_an_unknown_one_is_named(closed) -> None:
    path, count = export_csv(closed.lake, DAY, closed.root / "out", [INFY])
    assert count == 20 and SBIN not in path.read_text()
    with pytest.raises(ConfigError, match="No data of NSE:TCS-EQ on this day; there is: NSE:INFY-EQ, NSE:SBIN-EQ"):
        export_csv(closed.lake, DAY, closed.root / "out", ["NSE:TCS-EQ"])


def test_a_day_that_is_not_closed_is_refused_with_advice(place, tmp_path: Path) -> None:
    with pytest.raises(HarvesterError, match="harvester close --date 2026-11-23"):
        export_csv(place.lake, DAY, tmp_path / "out")


@pytest.mark.parametrize("damage", ["no Parquet", "symbol", "bid_qty.list.element"])
def test_a_failed_export_leaves_no_half_file(closed, damage: str) -> None:
    """The names of symbols are read before anything is written, their books while it is."""
    path = closed.current("depth")
    content = b"PAR1 no longer"
    if damage != "no Parquet":
        group = pq.read_metadata(path).row_group(0)
        columns = (group.column(number) for number in range(group.num_columns))
        (at,) = [column.data_page_offset for column in columns if column.path_in_schema == damage]
        content = path.read_bytes()
        content = content[:at] + bytes(30) + content[at + 30 :]
    path.write_bytes(content)
    with pytest.raises(HarvesterError) as caught:
        export_csv(closed.lake, DAY, closed.root / "out")
    assert str(caught.value).startswith(f"{path} cannot be read (")
    assert str(caught.value).endswith(f"). {REMEDY}")
    assert list(closed.root.glob("out/*")) == []


def test_a_place_that_cannot_be_written_is_told(closed) -> None:
    (closed.root / "out").write_bytes(b"")
    with pytest.raises(HarvesterError) as caught:
        export_csv(closed.lake, DAY, closed.root / "out")
    assert str(caught.value) == (
        f"{closed.root}/out/market_depth_2026-11-23.csv: the export cannot be written (File exists). Nothing in the"
        " lake is changed by this: name another directory with --output, or free some space."
    )


def test_what_is_kept_meanwhile_is_kept_where_there_is_space(place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the output's directory: /tmp may be a small memory disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(place.root / "no such directory"))
    place.record_all()
    place.close()
    assert export_csv(place.lake, DAY, place.root / "out")[1] == 40


@pytest.mark.parametrize("kind", ["certificate", "gaps"])
def test_a_certificate_or_ledger_that_cannot_be_read_is_named(closed, kind: str) -> None:
    path = closed.current(kind)
    path.write_bytes(b"{}")
    with pytest.raises(HarvesterError) as caught:
        export_csv(closed.lake, DAY, closed.root / "out")
    assert str(caught.value).startswith(f"{path} cannot be read (")


def test_a_table_of_another_schema_is_named(closed) -> None:
    path = closed.current("depth")
    pq.write_table(pq.read_table(path).drop_columns(["valid"]), path)
    with pytest.raises(HarvesterError) as caught:
        export_csv(closed.lake, DAY, closed.root / "out")
    assert str(caught.value) == f"{path} is no table of schema 3: column valid is missing. {REMEDY}"


@pytest.mark.parametrize("kind", ["depth", "gaps", "certificate"])
def test_a_file_that_is_not_here_is_named_with_where_to_export(closed, kind: str) -> None:
    path = closed.current(kind)
    path.unlink()
    with pytest.raises(HarvesterError) as caught:
        export_csv(closed.lake, DAY, closed.root / "out")
    assert str(caught.value) == (
        f"{path} is not here, and the manifest of {DAY} lists it: half a pull, or clean-up took it. If"
        " clean-up took it, export the day where it was pulled to; otherwise run harvester verify."
    )
