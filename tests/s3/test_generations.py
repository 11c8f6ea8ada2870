"""A day that is built three times: no name has two contents anywhere, and whoever reads a folder counts it once."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from athena_stand_in import Athena
from s3_world import World
from tests.storage.lake.conftest import PARTITION, SLOTS, Place

from harvester.base.files import replace_file
from harvester.lake.layout import BUILT
from harvester.lake.manifest import encode_manifest, load_manifest
from harvester.reader.athena import CURRENT
from harvester.reader.verify import verify_lake
from harvester.upload.uploader import DayOutcome, Uploader
from runbook.pull.bucket import connections
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult, pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport
from runbook.report.query import ask
from runbook.report.verification import verify_store

LATE = ("NSE:TCS-EQ", "NSE:WIPRO-EQ", "NSE:ITC-EQ")
FIRST = 2 * SLOTS
ALL = Selection(raw=True)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "host")


def generation(place: Place, number: int) -> None:
    """The day is closed once more, after a run in the evening brought an answer of one more symbol."""
    if number == 1:
        place.record_all()
    else:
        late = place.start(symbols=(LATE[number - 2],))
        late.poll(3, LATE[number - 2])
        late.stop()
    closing = place.close()
    assert closing.manifest is not None and closing.manifest.generation == number


def upload(world: World, place: Place) -> DayOutcome:
    [outcome] = Uploader(place.lake, world.uploads, world.bucket, world.patience()).upload()
    return outcome


def pull_from(world: World, place: Place, store: LocalStore, source: str) -> HostResult:
    connects = connections(world.reader()) if source == "bucket" else [lambda: LocalTransport("lab1", place.lake)]
    [result] = pull(connects, store, ALL)
    return result


def tables(root: Path) -> Iterator[Path]:
    return (path for kind in BUILT for path in root.glob(f"{kind}/**/*") if path.is_file())


def globbed(folder: str | Path) -> int:
    """Rows of depth, by whoever reads a folder."""
    [(count,)] = duckdb.sql(f"select count(*) from read_parquet('{folder}/depth_v3/**/*.parquet')").fetchall()  # noqa: S608
    return int(count)


@pytest.mark.parametrize("source", ["host", "bucket"])
def test_three_generations_from_the_close_to_the_laptop(
    world: World, place: Place, store: LocalStore, source: str
) -> None:
    names: dict[str, set[str]] = {}
    for number in (1, 2, 3):
        generation(place, number)
        outcome = upload(world, place)
        assert (outcome.complete, outcome.problems) == (True, [])
        result = pull_from(world, place, store, source)
        assert result.problems == [] and result.dates == ["2026-11-23"]

        for root in (place.lake, store.lake):
            assert globbed(root) == FIRST + number - 1, "each row once"
            for path in tables(root):
                names.setdefault(path.name, set()).add(hashlib.sha256(path.read_bytes()).hexdigest())
        for key, content in world.stored().items():
            if key.endswith(".parquet"):
                names.setdefault(Path(key).name, set()).add(hashlib.sha256(content).hexdigest())
        assert verify_lake(place.lake).ok and verify_lake(place.lake).unlisted == []
        found = verify_store(store, Selection())
        assert (found.ok, found.unlisted) == (True, [])
        assert ask("select count(*) from depth", store.lake).rows == [(FIRST + number - 1,)]

        athena = Athena(world, ["lab1"])
        assert athena.rows("depth_v3") == FIRST + number - 1
        for kind in CURRENT:
            here = store.lake.glob(f"{kind}/**/*.parquet")
            assert athena.rows(kind) == sum(pq.read_metadata(path).num_rows for path in here)
    assert {name for name, contents in names.items() if len(contents) > 1} == set()


def test_whoever_reads_a_folder_of_the_bucket_counts_the_day_once(world: World, place: Place, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        generation(place, number)
        assert upload(world, place).problems == []
    copy = tmp_path / "bucket"
    for key, content in world.stored().items():
        (copy / key).parent.mkdir(parents=True, exist_ok=True)
        (copy / key).write_bytes(content)

    assert globbed(copy) == FIRST, "the day as it was closed first: nothing in a bucket is ever replaced"
    assert len({version["Key"] for version in world.versions()}) == len(world.versions())


def renamed(place: Place, number: int, name: str) -> None:
    """The manifest lists its table of depth under another name, as a release up to November 2026 gave them."""
    manifest = load_manifest(place.lake, PARTITION)
    assert manifest is not None
    [depth] = manifest.find("depth")
    other = replace(depth, path=(PARTITION.path("depth_v3") / name).as_posix())
    (place.lake / depth.path).rename(place.lake / other.path)
    files = tuple(other if entry == depth else entry for entry in manifest.files)
    replace_file(place.lake / PARTITION.manifest, encode_manifest(replace(manifest, files=files, generation=number)))


def test_a_day_whose_names_an_older_release_gave_twice_is_uploaded_after_a_rebuild(world: World, place: Place) -> None:
    generation(place, 1)
    renamed(place, 1, "depth.parquet")
    assert upload(world, place).complete
    generation(place, 2)
    renamed(place, 2, "depth.parquet")  # that of the first is under superseded/ by then

    problem, advice = upload(world, place).problems
    assert "/depth.parquet is another object" in problem
    assert "harvester close --date 2026-11-23 --rebuild" in advice and "host_id" not in advice

    assert place.close(rebuild=True).outcome == "closed"
    assert upload(world, place).problems == []
    assert Athena(world, ["lab1"]).rows("depth_v3") == FIRST + 1


def test_what_older_releases_put_beside_each_other_counts_once_in_athena_and_here(
    world: World, place: Place, store: LocalStore
) -> None:
    for number, name in ((1, "depth.parquet"), (2, "depth-2.parquet")):
        generation(place, number)
        renamed(place, number, name)
        assert upload(world, place).complete
    athena = Athena(world, ["lab1"])

    assert athena.rows("depth_v3") == FIRST + 1
    assert athena.rows("depth_v3", table="depth_v3_files") == 2 * FIRST + 1
    assert pull_from(world, place, store, "bucket").problems == []
    assert globbed(store.lake) == FIRST + 1


def test_a_generation_counts_when_its_manifest_is_up(world: World, place: Place) -> None:
    generation(place, 1)
    upload(world, place)
    generation(place, 2)
    world.proxy.add("503", lambda method, path: "manifest-2" in path, times=10**6)
    assert not upload(world, place).complete
    world.proxy.reset()

    assert Athena(world, ["lab1"]).rows("depth_v3") == FIRST
    assert upload(world, place).complete
    assert Athena(world, ["lab1"]).rows("depth_v3") == FIRST + 1


def test_two_hosts_and_their_days_are_each_counted(world: World) -> None:
    for host in ("lab1", "lab2"):
        assert all(outcome.complete for outcome in world.upload(world.lake(2, host=host)))
    here = sum(pq.read_metadata(path).num_rows for path in world.folder.glob("lab*-data/lake/depth_v3/**/*.parquet"))

    assert Athena(world, ["lab1", "lab2"]).rows("depth_v3") == here
    assert Athena(world, ["lab1"]).rows("depth_v3") == here // 2, "a host that is not named is not there"
