"""Days of schema 2 and of schema 3 answer alike, also in one lake; and what is not valid is no book."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.storage.lake.sockets import INFY, NIFTY, SBIN, book, ids_of
from tests.storage.reader.days import DAYS, FRIDAY, ITC, MONDAY, TCS, THURSDAY, DayRecorder, close, opening
from tests.storage.reader.stored import table
from tests.storage.test_schema2 import LAKE, STREAMED, built_again

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.layout import CANDLES, QUOTES, Partition
from harvester.lake.manifest import encode_manifest, load_manifest
from harvester.lake.schema import SCHEMAS_OF
from harvester.reader import Lake, open_lake
from harvester.reader.columns import REST, SOURCES, in_fine_units
from harvester.reader.errors import DamagedFileError, NewerSchemaError, NotRecordedError

Question = Callable[[Lake], Any]
QUESTIONS: dict[str, Question] = {
    "depth": lambda lake: lake.depth([SBIN, ITC], session="all", prices="paise"),
    "depth of two hosts": lambda lake: lake.depth(TCS, MONDAY, host="lab2", session="all", prices="decimal"),
    "depth50": lambda lake: lake.depth(SBIN, THURSDAY, levels=50, session="all", invalid=True),
    "quotes": lambda lake: lake.quotes([SBIN, ITC], session="all"),
    "indices": lambda lake: lake.indices(NIFTY, THURSDAY, session="all"),
    "bars": lambda lake: lake.bars([SBIN, INFY], THURSDAY, every="5m", prices="decimal"),
    "gaps": lambda lake: lake.gaps(),
    "instruments": lambda lake: lake.instruments(FRIDAY),
}
ACTION = "action"


def two_in_one(folder: Path, newest: Path, former: Path, of_newest: date) -> Path:
    """A lake with one day of schema 3 and the others of schema 2."""
    for source in (newest, former):
        for place in source.glob("*/date=*/host=*"):
            if (place.parent.name == f"date={of_newest}") == (source == newest):
                shutil.copytree(place, folder / place.relative_to(source))
    return folder


def without_action(answer: Any) -> pa.Table:
    """Schema 2 does not say of a socket's book whether it was a snapshot."""
    rows = answer.arrow()
    return rows.drop_columns([ACTION]) if ACTION in rows.column_names else rows


@pytest.mark.parametrize("name", [*QUESTIONS])
def test_both_schemas_give_the_same_answer(newest: Path, former: Path, name: str) -> None:
    ours, theirs = (without_action(QUESTIONS[name](open_lake(folder))) for folder in (newest, former))
    assert len(ours) > 0
    assert ours.equals(theirs)


@pytest.mark.parametrize("day", DAYS)
def test_a_lake_with_days_of_both_is_one(newest: Path, former: Path, tmp_path: Path, day: date) -> None:
    whole, mixed = open_lake(newest), open_lake(two_in_one(tmp_path / "lake", newest, former, day))

    assert mixed.days() == list(DAYS)
    for name, ask in QUESTIONS.items():
        assert without_action(ask(mixed)).equals(without_action(ask(whole))), name
    fields = ["mid", "ofi_5", "age_ms"]
    grids = [lake.grid([SBIN, INFY], every="1s", fields=fields) for lake in (mixed, whole)]
    for ours, theirs in zip(grids[0].numpy(), grids[1].numpy(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_action_of_a_poll_is_known_in_both(lake: Lake) -> None:
    assert {*lake.depth(ITC, FRIDAY).arrow()[ACTION].to_pylist()} == {"snapshot"}


def test_a_day_that_was_built_again_counts_once(tmp_path: Path) -> None:
    """Also where its tables of schema 2 still lie in their folders, as after a copy that only adds."""
    before, lake = open_lake(LAKE), built_again(tmp_path)
    after = open_lake(lake)
    shutil.copytree(LAKE, tmp_path / "added")
    shutil.copytree(lake, tmp_path / "added", dirs_exist_ok=True)
    added = open_lake(tmp_path / "added")

    assert after.days() == before.days()
    asked: dict[str, Question] = {
        "depth": lambda lake: lake.depth([SBIN, INFY], session="all"),
        "quotes": lambda lake: lake.quotes([SBIN, INFY], session="all"),
        "depth50": lambda lake: lake.depth(SBIN, STREAMED, levels=50, session="all", invalid=True),
        "indices": lambda lake: lake.indices(NIFTY, STREAMED, session="all"),
        "bars": lambda lake: lake.bars(SBIN, STREAMED),
    }
    for name, ask in asked.items():
        was, now, with_old = (without_action(ask(each)) for each in (before, after, added))
        assert len(was) > 0, name
        assert was.equals(now), name
        assert was.equals(with_old), name
    causes = [{*each.gaps().arrow()["cause"].to_pylist()} for each in (before, after)]
    assert causes[0] == causes[1] == {"no_token", "not_running", "sequence_break", "stale"}


@pytest.mark.parametrize("schema", [2, 3])
def test_a_book_after_a_break_of_the_sequence_is_none(tmp_path: Path, schema: int) -> None:
    lake = open_lake(LAKE if schema == 2 else built_again(tmp_path))

    usual = lake.depth(SBIN, STREAMED, levels=50, session="all").arrow()
    everything = lake.depth(SBIN, STREAMED, levels=50, session="all", invalid=True).arrow()

    assert (len(usual), len(everything)) == (55, 60)
    assert usual.equals(everything.filter(everything["valid"]))
    grid = lake.grid(SBIN, STREAMED, STREAMED, every="500ms", fields="imbalance_50")
    received = everything["ts_recv"].cast(pa.int64()).to_numpy()
    last = np.searchsorted(received, grid.times_ns, side="right") - 1
    valid = np.array(everything["valid"].to_pylist())[last] & (last >= 0)
    assert grid.mask.any()
    assert not grid.mask[~valid].any()


def test_a_book_of_which_values_are_missing_is_none(tmp_path: Path) -> None:
    run = DayRecorder(tmp_path / "lab1" / "journal", MONDAY)
    run.open([FYERS_HSM, FYERS_TBT])
    run.connect(0, [SBIN])
    part: list[int | None] = [*book(0)]
    part[5] = None
    run.entries(0, hsm.snapshot(ids_of(SBIN)["dp"], hsm.Topic("dp|nse_cm|3045"), part))
    run.at(10)
    run.books(0, SBIN, 1)
    run.close()
    run.stop()
    close(tmp_path, MONDAY)
    lake = open_lake(tmp_path / "lake")

    assert lake.depth(SBIN, session="all", invalid=True).arrow()["valid"].to_pylist() == [False, True]
    assert lake.depth(SBIN, session="all").arrow()["bid_qty_1"].to_pylist() == [101]
    grid = lake.grid(SBIN, every="1s", fields="bid_qty_1", days=MONDAY)
    seconds = (grid.times_ns - opening(MONDAY)) // NS_PER_SECOND
    assert seconds[grid.mask[:, 0]].min() == 10
    assert {*grid.values[grid.mask].ravel().tolist()} == {101.0}


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "lake"))


def test_a_table_in_the_folder_of_the_other_schema(copy: Path) -> None:
    path = table(copy, "depth", THURSDAY)
    rows = pq.ParquetFile(path).read()
    other = 2 if "depth_v3" in path.parts else 3
    pq.write_table(rows.replace_schema_metadata({**rows.schema.metadata, b"schema": b"%d" % other}), path)
    with pytest.raises(DamagedFileError, match=f"states schema {other}, and its folder is one of schema {5 - other}"):
        open_lake(copy).depth(SBIN, THURSDAY)


@pytest.mark.parametrize("column", ["ask_ord", "seq"])
def test_a_table_without_one_of_its_columns(copy: Path, column: str) -> None:
    path = table(copy, "depth", THURSDAY)
    pq.write_table(pq.ParquetFile(path).read().drop_columns([column]), path)
    with pytest.raises(DamagedFileError, match=f"column {column} is missing"):
        open_lake(copy).depth(SBIN, THURSDAY)


def test_prices_whose_unit_nobody_states(copy: Path) -> None:
    path = table(copy, "depth", THURSDAY)
    rows = pq.ParquetFile(path).read()
    schema = pa.schema([field.remove_metadata() for field in rows.schema], {b"schema": rows.schema.metadata[b"schema"]})
    pq.write_table(rows.cast(schema), path)
    with pytest.raises(DamagedFileError, match="Move it away"):
        open_lake(copy).depth(SBIN, THURSDAY)


@pytest.mark.parametrize(("units", "digits"), [(100, 2), (10_000, 4)])
def test_the_scale_is_the_one_that_is_stated(copy: Path, units: int, digits: int) -> None:
    path = table(copy, "depth", THURSDAY)
    rows = pq.ParquetFile(path).read()
    is_newer = "depth_v3" in path.parts
    fields = [
        field.with_metadata({b"per_rupee": b"%d" % units}) if is_newer and field.metadata else field
        for field in rows.schema
    ]
    stated = {} if is_newer else {b"price_scale": b"%d" % units}
    pq.write_table(rows.cast(pa.schema(fields, {**rows.schema.metadata, **stated})), path)
    lake = open_lake(copy)

    paise, rupees, exact = (lake.depth(SBIN, THURSDAY, prices=form).arrow() for form in ("paise", "rupees", "decimal"))

    first = paise["bid_px_1"][0].as_py()
    assert rupees["bid_px_1"][0].as_py() == first / units
    assert exact["bid_px_1"].type == pa.decimal128(18, digits)
    assert int(exact["bid_px_1"][0].as_py() * units) == first
    grid = lake.grid(SBIN, THURSDAY, THURSDAY, every="1s", fields="bid_px_1")
    assert grid.values[0, 0, 0] == first / units


def test_a_day_that_a_newer_release_closed(copy: Path) -> None:
    partition = Partition(THURSDAY, "lab1")
    manifest = load_manifest(copy, partition)
    assert manifest is not None
    (copy / partition.manifest).write_bytes(encode_manifest(replace(manifest, schema=4)))
    lake = open_lake(copy)

    with pytest.raises(NewerSchemaError, match=r"schema 4, .* reads up to 3\)\. Update Alpha Harvester here"):
        lake.depth(SBIN, THURSDAY)
    assert len(lake.depth(SBIN, FRIDAY).arrow())


@pytest.mark.parametrize("schema", [2, 3])
def test_every_stored_column_can_be_asked_for(schema: int) -> None:
    read: dict[str, set[str]] = {}
    for source in (each for sources in SOURCES[schema].values() for each in sources):
        read.setdefault(source.kind, set()).update(stored.name for stored in source.columns.values())
    stored = {kind: {*columns.names} - {"mono_offset_ns"} for kind, columns in SCHEMAS_OF[schema].items()}
    assert read == stored


def test_schema_2_has_no_trades(former: Path) -> None:
    with pytest.raises(NotRecordedError, match="has schema 2, which has no trades"):
        open_lake(former).trades(SBIN)


def test_a_day_of_schema_2_that_is_built_again_has_trades(tmp_path: Path) -> None:
    lake = open_lake(built_again(tmp_path))
    rows = lake.trades(SBIN, STREAMED, session="all", prices="paise").arrow().to_pylist()
    quotes = lake.quotes(SBIN, STREAMED, session="all").arrow().to_pylist()
    volumes = [row["volume"] for row in quotes if row["feed"] == "fyers-hsm"]
    assert sum(row["qty"] for row in rows) == max(volumes) - volumes[0] > 0


def test_fine_units_change_the_stored_names_of_prices_alone() -> None:
    _, polled = SOURCES[2][QUOTES]
    fine = in_fine_units(polled)
    assert (fine.kind, fine.feeds, [*fine.columns]) == (polled.kind, (REST,), [*polled.columns])
    [bars] = SOURCES[3][CANDLES]
    named = {name: at.name for name, at in in_fine_units(bars).columns.items()}
    assert {name for name, at in named.items() if at.endswith("_e4")} == {"open", "high", "low", "close"}
    assert not [at for at in named.values() if at.endswith("_paise")]
