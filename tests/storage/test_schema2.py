"""A lake that a release of before schema 3 closed: verified, exported, asked and built again."""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.lake_rows import rows
from tests.storage.lake.sockets import CLOSE_NS

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.journal.format import FYERS_HSM
from harvester.journal.reader import read_segment
from harvester.lake import schema2
from harvester.lake.close import close_day
from harvester.lake.day.model import Expectation
from harvester.lake.gaps.polls import read_gaps
from harvester.lake.layout import FOLDERS, GAPS, Partition
from harvester.lake.manifest import load_manifest
from harvester.lake.schema import SCHEMAS_OF, version_of
from harvester.reader.export import export_csv
from harvester.reader.verify import verify_lake
from runbook.report.catalogue import load_days
from runbook.report.query import ask
from runbook.report.report import write_report

HERE = Path(__file__).parent / "schema2"
LAKE = HERE / "lake"
STREAMED, POLLED = date(2026, 11, 23), date(2026, 7, 31)
SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"


def test_its_tables_have_the_columns_that_are_kept_of_schema_2() -> None:
    manifest = load_manifest(LAKE, Partition(STREAMED, "lab1"))
    assert manifest is not None and (manifest.schema, manifest.generation) == (2, 2)
    for table, columns in schema2.SCHEMAS.items():
        (entry,) = manifest.find(table)
        schema = pq.read_schema(LAKE / entry.path)
        assert version_of(LAKE / entry.path, schema) == 2
        assert [(each.name, str(each.type)) for each in schema] == [
            (each.name, str(each.type)) for each in SCHEMAS_OF[2][table]
        ]
        assert columns is SCHEMAS_OF[2][table]


def test_it_is_verified() -> None:
    report = verify_lake(LAKE)
    assert report.ok and [(day.date, day.files) for day in report.days] == [("2026-07-31", 4), ("2026-11-23", 10)]
    assert report.unlisted == []


@pytest.mark.parametrize("day", [STREAMED, POLLED])
def test_its_csv_is_the_same_to_the_byte(day: date, tmp_path: Path) -> None:
    path, _ = export_csv(LAKE, day, tmp_path)
    assert path.read_bytes() == (HERE / path.name).read_bytes()


def test_its_ledger_is_read_with_the_words_it_has() -> None:
    manifest = load_manifest(LAKE, Partition(STREAMED, "lab1"))
    assert manifest is not None
    (entry,) = manifest.find(GAPS)
    assert {gap.cause for gap in read_gaps(LAKE / entry.path)} == {"mute", "sequence_break", "not_running"}


def told(sql: str, lake: Path = LAKE) -> list[tuple[Any, ...]]:
    return ask(sql, lake).rows


def test_its_rows_are_in_the_views_under_the_names_of_today() -> None:
    grouped = "select symbol, feed, count(*), sum(bid_px_paise_1), sum(ask_qty_5), max(recv_ns) from depth group by all"
    assert told(f"{grouped} order by all") == [
        (INFY, "fyers-hsm", 20, 1_600_470, 20_570, 1795405528660000000),
        (INFY, "fyers-rest", 54, 8_107_905, 5_400, 1785469795032000000),
        (SBIN, "fyers-hsm", 60, 4_801_470, 61_770, 1795405529660000000),
        (SBIN, "fyers-rest", 59, 8_561_955, 5_900, 1795405525160000000),
    ]
    quotes = "select symbol, feed, count(*), sum(ltp), max(event_ns) from quotes_rupees group by all order by all"
    assert told(quotes) == [
        (INFY, "fyers-hsm", 20, Decimal("16005.70"), 1795405557000000000),
        (INFY, "fyers-rest", 54, Decimal("81081.75"), None),
        (SBIN, "fyers-hsm", 60, Decimal("48017.70"), 1795405559000000000),
        (SBIN, "fyers-rest", 59, Decimal("85622.50"), None),
    ]
    assert told("select count(*), sum(ltp_paise) from indices") == [(1, 2_500_000)]
    books = "select action, count(*), sum(bid_px_paise[1]), sum(valid::int), max(feed_ns) from depth50 group by all"
    assert told(f"{books} order by all") == [
        ("snapshot", 2, 160_000, 2, 1795405517000000000),
        ("update", 58, 4_640_000, 53, 1795405529000000000),
    ]
    assert told("select count(*), sum(volume), min(begin_ns) from bars") == [(2, 116, 1795405500000000000)]
    assert told("select distinct cause from gaps order by 1") == [
        ("no_token",), ("not_running",), ("sequence_break",), ("stale",),
    ]  # fmt: skip
    [(moment,)] = told("select min(ts_recv) from depth where feed = 'fyers-hsm'")
    assert moment.isoformat() == "2026-11-23T09:15:00+05:30"


def test_it_is_in_the_report(tmp_path: Path) -> None:
    write_report(LAKE, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert SBIN in page and "NIFTY50" in page


def built_again(tmp_path: Path) -> Path:
    """A copy of the lake whose streamed day this release has built again from its archive."""
    lake = tmp_path / "lake"
    shutil.copytree(LAKE, lake)
    closing = close_day(
        journal=tmp_path / "journal",
        lake=lake,
        partition=Partition(STREAMED, "lab1"),
        expectation=Expectation((), ((CLOSE_NS - 100 * NS_PER_SECOND, CLOSE_NS),), None, NS_PER_SECOND),
        now_ns=CLOSE_NS,
        rebuild=True,
    )
    assert closing.manifest is not None and (closing.manifest.generation, closing.manifest.schema) == (3, 3)
    return lake


def test_built_again_it_is_a_generation_of_schema_3_and_each_folder_has_one_set_of_columns(tmp_path: Path) -> None:
    lake = built_again(tmp_path)
    assert verify_lake(lake).ok
    folders = {path.relative_to(lake).parts[0] for path in lake.glob("*/date=2026-11-23/*/*.parquet")}
    assert folders == {*FOLDERS[3].values()} - {"candles_v3", "history_v3"}, "which were not recorded then"
    assert {path.relative_to(lake).parts[0] for path in lake.glob("*/date=2026-07-31/*/*.parquet")} == {"depth", "gaps"}
    [[trades, price]] = ask("select count(*), max(px) from trades_rupees where side_inferred <> ''", lake).rows
    assert trades > 0 and price > 700
    aside = {path.relative_to(lake).parts[1] for path in lake.glob("superseded/*/date=2026-11-23/*/*.parquet")}
    assert aside == {"depth", "quotes", "index", "depth50", "bars", "gaps"}


def test_both_schemas_in_one_lake_give_the_same_answers(tmp_path: Path) -> None:
    lake = built_again(tmp_path)
    for sql in (
        "select date, symbol, feed, count(*), sum(bid_px_paise_1), sum(ask_ord_5), min(recv_ns) from depth"
        " group by all",
        "select date, symbol, feed, count(*), sum(ltp_paise), sum(volume), max(event_ns), sum(trade_ns // 1000000000),"
        " sum(bid_qty) from quotes group by all",
        "select symbol, action, valid, count(*), sum(list_sum(ask_qty)), max(feed_ns), max(send_ns) from depth50"
        " group by all",
        "select * exclude (detail) from gaps",
        "select * from bars",
    ):
        assert told(f"{sql} order by all", lake) == told(f"{sql} order by all"), sql


def test_a_table_of_a_newer_schema_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pq.read_table(next(LAKE.glob("gaps/*/*/*.parquet")), partitioning=None)
    pq.write_table(table.replace_schema_metadata({"schema": "4"}), path)
    with pytest.raises(HarvesterError, match=r"x\.parquet: a table of schema 4, .* up to schema 3\. Update Alpha Harv"):
        read_gaps(path)
    pq.write_table(table.replace_schema_metadata({}), path)
    with pytest.raises(HarvesterError, match=r"x\.parquet: it states no schema of the lake's tables"):
        read_gaps(path)


def test_the_archive_still_holds_what_was_recorded() -> None:
    """Guards the other tests: a rebuild from an empty archive would agree with nothing."""
    (segment, *_) = sorted(LAKE.glob("raw/date=2026-11-23/*/*"))
    assert sum(record.feed == FYERS_HSM for record in read_segment(segment)) > 100
    assert len(load_days(LAKE)) == 2 and rows
