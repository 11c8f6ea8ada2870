"""Answers where libraries are missing or memory is short; how a lake, a day and an error name themselves."""

import io
import shutil
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from tests.storage.reader.days import DAYS, FRIDAY, MONDAY, SBIN, THURSDAY, opening
from tests.storage.reader.stored import table

from harvester.base.clock import NS_PER_SECOND
from harvester.lake.layout import SO_FAR_NAME
from harvester.reader import Lake, open_lake, result
from harvester.reader.arguments import say
from harvester.reader.errors import DamagedFileError, MissingPackageError, QuestionError, UnreachableLakeError
from harvester.reader.place import Place

INDIA = "Asia/Kolkata"
MEMORY = "MemTotal: 9000 kB\nMemAvailable:    4096 kB\nMemAlone: 5 kB\n"


def test_a_lake_says_where_it_is_and_its_days(newest: Path) -> None:
    assert repr(open_lake(newest)) == f"<lake {newest}: 2026-11-19, 2026-11-20, 2026-11-23>"


def test_days_are_all_said_up_to_five_and_counted_beyond() -> None:
    days = [date(2026, 11, day) for day in range(2, 8)]
    assert say(days[:5]) == "2026-11-02, 2026-11-03, 2026-11-04, 2026-11-05, 2026-11-06"
    assert say(days) == "6 days from 2026-11-02 to 2026-11-07"


def test_a_day_so_far_says_until_when(newest: Path, tmp_path: Path) -> None:
    so_far = Path(shutil.copytree(newest, tmp_path / "so-far"))
    until_ns = opening(MONDAY) + 959 * NS_PER_SECOND
    (so_far / SO_FAR_NAME).write_text(f'{{"until_ns": {until_ns}}}')

    lake = open_lake(so_far, so_far=True)

    assert lake.place.so_far_ns == until_ns
    assert repr(lake).endswith(" until 09:30:59>")


def test_without_polars_and_pandas_an_answer_is_arrows_in_a_notebook_too(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("polars", "pandas"):
        monkeypatch.setitem(sys.modules, package, None)
    answer = lake.depth(SBIN, THURSDAY)

    assert answer._repr_html_() == repr(answer.arrow())
    grid = lake.grid(SBIN, THURSDAY, THURSDAY, every="1s", fields="mid")
    for ask, what in ((grid.polars, "polars"), (grid.pandas, "pandas")):
        with pytest.raises(MissingPackageError, match=rf"^\.{what}\(\)"):
            ask()


@pytest.mark.parametrize(
    ("most", "used", "free"),
    [("max", "4096", 4_194_304), ("2000000", "500000", 1_500_000), ("9000000", "1", 4_194_304)],
)
def test_free_is_what_the_machine_and_the_control_group_leave(
    monkeypatch: pytest.MonkeyPatch, most: str, used: str, free: int
) -> None:
    """MemAvailable is in KiB: https://docs.kernel.org/filesystems/proc.html"""
    files = {
        "/proc/meminfo": MEMORY,
        "/sys/fs/cgroup/memory.max": f"{most}\n",
        "/sys/fs/cgroup/memory.current": f"{used}\n",
    }
    monkeypatch.setattr(result, "open", lambda path, **_: io.StringIO(files[path]), raising=False)
    assert result.free_memory() == free


def test_times_of_gaps_and_of_pieces_of_a_grid_are_in_the_zone_asked_for(lake: Lake) -> None:
    assert lake.gaps(tz=INDIA).arrow().schema.field("ts_from").type == pa.timestamp("ns", INDIA)
    grid = lake.grid("INFY", THURSDAY, THURSDAY, every="1s", fields="mid", tz=INDIA)
    assert {piece.tz for piece in (grid, *grid.split_at_gaps())} == {INDIA}


def test_each_stretch_of_a_grid_begins_once(lake: Lake) -> None:
    grid = lake.grid(SBIN, days=DAYS, every="1s", fields="mid")
    starts = grid.starts.tolist()
    assert len(starts) == len(set(starts)) == len(DAYS)


def test_indices_are_those_of_the_day_asked_for(newest: Path) -> None:
    lake = open_lake(newest)
    days = set(lake.indices("NIFTY50", session="all").arrow()["ts_recv"].cast(pa.date32()).to_pylist())
    assert days == {THURSDAY}
    with pytest.raises(Exception, match="was not recorded on 2026-11-20"):
        lake.indices("NIFTY50", FRIDAY)


@pytest.mark.parametrize("kind", ["depth", "instruments"])
def test_a_damaged_table_is_named(newest: Path, tmp_path: Path, kind: str) -> None:
    copy = Path(shutil.copytree(newest, tmp_path / "lake"))
    path = table(copy, kind, THURSDAY)
    content = bytearray(path.read_bytes())
    content[4:-200] = bytes(len(content) - 204)
    path.write_bytes(content)
    lake = open_lake(copy)

    with pytest.raises(DamagedFileError) as caught:
        if kind == "depth":
            lake.grid(SBIN, THURSDAY, THURSDAY, every="1s", fields="mid")
        else:
            lake.instruments(THURSDAY).arrow()

    assert path.relative_to(copy).as_posix() in str(caught.value)


def test_what_cannot_be_asked_is_said_with_what_can(lake: Lake) -> None:
    with pytest.raises(QuestionError, match=r"^prices='dollars' is none of rupees, decimal, paise\.$"):
        lake.depth(SBIN, THURSDAY, prices="dollars")  # type: ignore[arg-type]
    with pytest.raises(QuestionError) as caught:
        lake.grid(SBIN, f"{MONDAY}T03:00+05:30", f"{MONDAY}T03:01+05:30", every="1s", fields="mid")
    assert str(caught.value) == (
        "There is no moment of the session between since and until on the days of this lake. Ask for a longer time,"
        " or another session."
    )


class Refusing(SubTreeFileSystem):  # type: ignore[misc]
    def get_file_info(self, _: object) -> None:
        raise OSError("AWS Error ACCESS_DENIED: denied\nand a second line")


def test_a_bucket_that_may_not_be_listed_says_what_to_look_at(tmp_path: Path) -> None:
    place = Place("s3://bucket/lake", Refusing(str(tmp_path), LocalFileSystem()))
    with pytest.raises(UnreachableLakeError) as caught:
        place.partitions()
    assert str(caught.value) == (
        "s3://bucket/lake cannot be listed (AWS Error ACCESS_DENIED: denied). Correct the address, the rights or, of a"
        " bucket, the credentials (AWS_PROFILE) and the region (AWS_REGION)."
    )
