"""What is wrong with a lake or a question is a sentence with what to do, of its own class, and never a guess."""

import json
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.storage.reader.days import FRIDAY, MONDAY, THURSDAY
from tests.storage.reader.stored import is_newer, table

from harvester.reader import Lake, open_lake
from harvester.reader.errors import (
    DamagedFileError,
    FinerThanDataError,
    IncompleteLakeError,
    MixedLakesError,
    NewerSchemaError,
    NotALakeError,
    NotRecordedError,
    OutsideError,
    QuestionError,
    ReaderError,
)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A lake that a test may spoil."""
    return Path(shutil.copytree(folder, tmp_path / "pulled" / "lake"))


def depth_of(lake: Path, day: Any = THURSDAY) -> Path:
    return table(lake, "depth", day)


def test_a_folder_that_is_no_lake(tmp_path: Path) -> None:
    file = tmp_path / "depth.parquet"
    file.write_bytes(b"PAR1")
    for place in (tmp_path, tmp_path / "none", file):
        with pytest.raises(NotALakeError, match="Give the folder that"):
            open_lake(place)


def test_the_folders_above_a_lake_name_the_lake(copy: Path) -> None:
    for place in (copy.parent, copy.parent.parent):
        with pytest.raises(NotALakeError, match="pulled/lake is one: give that path"):
            open_lake(place)


def test_tables_without_manifests_are_half_a_copy(copy: Path) -> None:
    shutil.rmtree(copy / "manifest")
    with pytest.raises(NotALakeError, match="half a copy"):
        open_lake(copy)


def test_half_a_pull_is_said_where_it_matters_and_no_earlier(copy: Path) -> None:
    depth_of(copy).unlink()
    lake = open_lake(copy)

    with pytest.raises(
        IncompleteLakeError,
        match=r"-g1-.* is not here, and the manifest of 2026-11-19 lists it: half a pull, or clean-up took it\."
        r" Pull the day again with \./inv pull-data, or read it where it was pulled to\.$",
    ):
        lake.depth("SBIN", THURSDAY)
    with pytest.raises(IncompleteLakeError):
        lake.grid("SBIN", every="1s", fields="mid")
    assert len(lake.depth("SBIN", FRIDAY).arrow())
    assert len(lake.quotes("SBIN", FRIDAY).arrow())


def test_a_file_that_was_cut_short(copy: Path) -> None:
    path = depth_of(copy)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFileError, match=r"\(it looks like a Parquet file that was cut short: .*\. Move it away"):
        open_lake(copy).depth("SBIN", THURSDAY)


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"time,symbol\n1,2\n", "CSV"),
        (b"one line\n", "something else"),
        (b"a,b", "something else"),
        (b"", "something else"),
    ],
)
def test_a_file_that_is_no_parquet_says_what_it_looks_like(copy: Path, content: bytes, looks: str) -> None:
    depth_of(copy).write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"it looks like {looks}: "):
        open_lake(copy).depth("SBIN", THURSDAY)


def test_a_parquet_file_whose_end_changed_is_not_said_to_look_like_nothing(copy: Path) -> None:
    depth_of(copy).write_bytes(b"PAR1" + b"\xff" * 50 + b"PAR1")
    with pytest.raises(DamagedFileError, match=r"parquet cannot be read \([A-Z]"):
        open_lake(copy).depth("SBIN", THURSDAY)


def test_bytes_that_changed_inside(copy: Path) -> None:
    path = depth_of(copy)
    content = bytearray(path.read_bytes())
    content[200:2_000] = bytes(1_800)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="Move it away"):
        open_lake(copy).depth("SBIN", THURSDAY).arrow()


def test_a_manifest_that_was_edited(copy: Path) -> None:
    [path] = copy.glob(f"manifest/date={THURSDAY}/host=lab1/manifest.json")
    path.write_text(path.read_text().replace('"generation": 1', '"generation": 7'))
    with pytest.raises(DamagedFileError, match="own hash"):
        open_lake(copy).symbols(THURSDAY)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"symbols": 1, "windows": []}'])
def test_a_certificate_that_is_none(copy: Path, content: bytes) -> None:
    [path] = copy.glob(f"certificate/date={THURSDAY}/host=lab1/*.json")
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        open_lake(copy).symbols(THURSDAY)


@pytest.mark.parametrize("key", ["run_id", "feed"])
def test_rows_that_the_certificate_knows_nothing_of(copy: Path, key: str) -> None:
    """Such a lake was put together from two: nothing is left out without a word."""
    path = depth_of(copy)
    books = pq.ParquetFile(path).read()
    at = books.schema.get_field_index(key)
    other = pa.array(["other"] * len(books)).dictionary_encode()
    pq.write_table(books.set_column(at, books.schema.field(at), other), path, row_group_size=1_000)
    with pytest.raises(DamagedFileError, match=f"has a {key} that the certificate"):
        open_lake(copy).grid("SBIN", THURSDAY, THURSDAY, every="1s", fields="mid")


def test_a_newer_schema(copy: Path) -> None:
    for path in copy.glob(f"*/date={THURSDAY}/host=lab1/*.parquet"):
        rows = pq.ParquetFile(path).read()
        pq.write_table(rows.replace_schema_metadata({**rows.schema.metadata, b"schema": b"99"}), path)
    with pytest.raises(NewerSchemaError, match="has schema 99"):
        open_lake(copy).depth("SBIN", THURSDAY)
    assert len(open_lake(copy).depth("SBIN", FRIDAY).arrow())


def test_a_table_of_somebody_else(copy: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), depth_of(copy))
    with pytest.raises(DamagedFileError, match="no schema"):
        open_lake(copy).depth("SBIN", THURSDAY)


def test_two_lakes_in_one_folder(copy: Path) -> None:
    path = depth_of(copy)
    shutil.copy(depth_of(copy, FRIDAY), path.with_name("depth-g1-0000000000000000.parquet"))
    with pytest.raises(MixedLakesError, match="depth-g1-0000000000000000"):
        open_lake(copy).depth("SBIN", THURSDAY)


def test_files_that_older_releases_left_are_not_another_lake(copy: Path) -> None:
    [old] = (copy / "superseded").glob(f"depth*/date={FRIDAY}/host=lab1/*.parquet")
    rows = len(open_lake(copy).depth("SBIN", FRIDAY).arrow())
    shutil.copy(old, depth_of(copy, FRIDAY).with_name(old.name))
    assert len(open_lake(copy).depth("SBIN", FRIDAY).arrow()) == rows


@pytest.mark.parametrize("day", ["2026-11-21", "2025-01-01"])
def test_a_date_outside(lake: Lake, day: str) -> None:
    for ask in (lake.symbols, lake.hosts, lake.instruments, lambda each: lake.depth("SBIN", each)):
        with pytest.raises(OutsideError, match="it has 2026-11-19, 2026-11-20, 2026-11-23"):
            ask(day)
    with pytest.raises(OutsideError):
        lake.depth("SBIN", since=day, until=day)
    with pytest.raises(OutsideError, match=r"^An empty list is no day of this lake: it has 2026-11-19, "):
        lake.depth("SBIN", [])


@pytest.mark.parametrize("day", ["yesterday", "20/11/2026", "", 5, None])
def test_a_date_that_is_none(lake: Lake, day: Any) -> None:
    with pytest.raises(QuestionError, match="Write it as 2026-11-23"):
        lake.symbols(day)


@pytest.mark.parametrize(
    "options",
    [
        {"since": "soon"},
        {"since": "2026-11-19T10"},
        {"until": 5},
        {"since": "2026-11-19T10:00"},
        {"since": "2026-11-23", "until": "2026-11-20"},
        {"days": THURSDAY, "since": THURSDAY},
        {"days": datetime.fromisoformat("2026-11-19T10:00")},
        {"prices": "dollars"},
        {"tz": "Mars/Olympus"},
        {"session": "lunch"},
        {"session": []},
        {"levels": 0},
        {"levels": 51},
        {"levels": "5"},
    ],
)
def test_options_that_cannot_be_read(lake: Lake, options: dict[str, Any]) -> None:
    with pytest.raises((QuestionError, OutsideError)):
        lake.depth("SBIN", **options)


def test_what_was_not_recorded(folder: Path, lake: Lake) -> None:
    with pytest.raises(NotRecordedError, match=r"It has bars(_v3)?, certificate, depth"):
        lake.depth("SBIN", FRIDAY, levels=50)
    if not is_newer(folder, FRIDAY):
        with pytest.raises(NotRecordedError, match="has schema 2, which has no trades"):
            lake.trades("SBIN", FRIDAY)


def test_bars_below_a_minute(lake: Lake) -> None:
    with pytest.raises(FinerThanDataError, match="is finer"):
        lake.bars("SBIN", FRIDAY, every="30s")
    with pytest.raises(QuestionError, match="whole minutes"):
        lake.bars("SBIN", FRIDAY, every="90s")


def test_a_day_that_the_calendar_has_no_session_of(copy: Path, tmp_path: Path) -> None:
    """Nothing is guessed of its phases; all that was recorded is there on request."""
    [path] = copy.glob(f"certificate/date={MONDAY}/host=lab1/*.json")
    calendar = json.loads((Path(__file__).parents[3] / "files/harvester/src/harvester/calendar/nse.json").read_text())
    calendar["holidays"].append({"date": str(MONDAY), "name": "made", "reference": "this test"})
    (tmp_path / "calendar.json").write_text(json.dumps(calendar))
    code = (
        "from harvester.reader import open_lake\n"
        f"lake = open_lake({str(copy)!r})\n"
        "try:\n"
        f"    lake.depth('SBIN', '{MONDAY}')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
        f"print(lake.depth('SBIN', '{MONDAY}', session='all').arrow().num_rows)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"HARVESTER_CALENDAR": str(tmp_path / "calendar.json")},
    )
    first, rows = run.stdout.strip().splitlines()
    assert first.startswith("OutsideError")
    assert 'session="all"' in first
    assert int(rows) > 300
    assert path.exists()


def test_every_error_is_one_paragraph(tmp_path: Path) -> None:
    with pytest.raises(ReaderError) as caught:
        open_lake(tmp_path)
    assert "\n" not in str(caught.value)
