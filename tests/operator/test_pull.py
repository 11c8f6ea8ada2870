"""pull-data against a lake in a directory: what is brought, what is refused, what is never overwritten."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from made_lake import LakeMaker, trading_days, tree

from harvester.lake.manifest import FileEntry
from runbook.fleet.ssh import RemoteError, UnreachableError
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult, pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import Fetched, LocalTransport, Progress

MakeLake = Callable[..., LakeMaker]
ALL = Selection(raw=True)


def pull_one(
    lake: LakeMaker, store: LocalStore, selection: Selection = ALL, transport: type = LocalTransport
) -> HostResult:
    [result] = pull([partial(transport, lake.host, lake.root)], store, selection)
    return result


def test_everything_arrives_identical_and_a_second_pull_fetches_nothing(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=3)

    first, second = pull_one(lake, store), pull_one(lake, store)

    assert tree(store.lake) == tree(lake.root)
    assert (len(first.fetched), len(first.problems)) == (24, 0)
    assert (len(second.fetched), len(second.present)) == (0, 24)
    assert not [path for path in store.partial.rglob("*") if path.is_file()]


def test_raw_segments_stay_on_the_host_unless_they_are_asked_for(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=1)

    result = pull_one(lake, store, Selection())

    assert not (store.lake / "raw").exists()
    assert len(result.fetched) == 7


def test_only_the_days_of_the_range_come(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=4)
    days = trading_days(4)

    result = pull_one(lake, store, Selection(date.fromisoformat(days[1]), date.fromisoformat(days[2])))

    assert result.dates == days[1:3]
    assert sorted(path.name for path in (store.lake / "depth_v3").iterdir()) == [f"date={day}" for day in days[1:3]]


def test_a_receipt_lists_what_was_hashed_here(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=1)

    result = pull_one(lake, store)

    proof = json.loads(Path(result.receipt or "").read_bytes())
    assert proof["host"] == "lab1"
    assert {file["path"]: file["sha256"] for file in proof["files"]} == {
        path: digest for path, digest in tree(store.lake).items() if not path.startswith("manifest/")
    }


def test_a_file_changed_on_the_host_after_its_manifest_goes_to_quarantine(
    make_lake: MakeLake, store: LocalStore
) -> None:
    lake = make_lake(days=1)
    victim = next(lake.root.glob("depth_v3/*/*/depth_v3-*.parquet"))
    content = bytearray(victim.read_bytes())
    content[100] ^= 1
    victim.write_bytes(content)

    result = pull_one(lake, store)

    assert [Path(problem.path).name for problem in result.problems] == [victim.name]
    assert "quarantine" in result.problems[0].why
    assert not list(store.lake.glob("depth_v3/*/*/*")), "a file that does not match has no final name"
    assert not list(store.lake.glob("manifest/*/*/*")), "a manifest here would claim a whole day"
    assert list(store.quarantine.iterdir())


@pytest.mark.parametrize(
    "change", [lambda content: content[:-1], lambda content: content + b"x"], ids=["short", "long"]
)
def test_a_file_of_another_size_than_promised_is_refused(
    make_lake: MakeLake, store: LocalStore, change: Callable[[bytes], bytes]
) -> None:
    lake = make_lake(days=1)
    victim = next(lake.root.glob("raw/*/*/*.zst"))
    victim.write_bytes(change(victim.read_bytes()))

    result = pull_one(lake, store)

    assert [Path(problem.path).suffix for problem in result.problems] == [".zst"]
    assert not list(store.lake.glob("raw/*/*/*"))


def test_a_local_file_that_was_damaged_is_set_aside_and_brought_again(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=1)
    pull_one(lake, store)
    victim = next(store.lake.glob("depth_v3/*/*/depth_v3-*.parquet"))
    victim.write_bytes(b"timestamp,symbol,ltp\n")

    result = pull_one(lake, store)

    assert tree(store.lake) == tree(lake.root)
    assert len(result.fetched) == 1
    assert [path.read_bytes() for path in store.quarantine.iterdir()] == [b"timestamp,symbol,ltp\n"]


def test_a_day_built_anew_on_the_host_replaces_ours_and_ours_is_kept_aside(
    make_lake: MakeLake, store: LocalStore
) -> None:
    lake = make_lake(days=1)
    pull_one(lake, store)
    before = tree(store.lake)
    raw = next(lake.root.glob("raw/*/*/*"))
    raw.write_bytes(raw.read_bytes() + b"more data")
    lake.reseal(trading_days(1)[0])

    result = pull_one(lake, store)

    assert [Path(file.path).parts[0] for file in result.fetched] == ["raw"]
    assert tree(store.lake) == tree(lake.root)
    [old] = (store.root / "superseded").iterdir()
    assert tree(old.parent)[old.name] in before.values()


def test_a_truncated_manifest_spoils_only_its_own_day(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=2)
    first, second = trading_days(2)
    manifest = next(lake.root.glob(f"manifest/date={first}/*/manifest.json"))
    manifest.write_bytes(manifest.read_bytes()[:200])

    result = pull_one(lake, store)

    assert result.dates == [second]
    assert first in result.problems[0].path
    assert "usable manifest" in result.problems[0].why


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "depth/date=2026-11-20/host=lab1/../../../x",
        "depth/date=2026-11-19/host=lab1/depth.parquet",
        "/etc/passwd",
        "manifest/date=2026-11-20/host=lab1/manifest.json",
        "depth/date=2026-11-20/host=lab1/.hidden",
    ],
)
def test_a_manifest_that_names_a_file_out_of_its_place_is_refused(
    make_lake: MakeLake, store: LocalStore, path: str
) -> None:
    lake = make_lake(days=1)
    lake.reseal(trading_days(1)[0], FileEntry(path, 3, hashlib.sha256(b"abc").hexdigest(), 1))

    result = pull_one(lake, store)

    assert len(result.problems) == 1
    assert result.fetched == []
    assert not store.lake.exists()


def test_a_host_without_days_is_no_problem_and_brings_nothing(make_lake: MakeLake, store: LocalStore) -> None:
    result = pull_one(make_lake(days=0), store)

    assert (result.dates, result.fetched, result.problems) == ([], [], [])


class Flaky(LocalTransport):
    """Breaks the connection after 70,000 bytes more, the first times that a raw segment is fetched."""

    breaks = 2
    error: type[RemoteError] = RemoteError
    offsets: ClassVar[list[int]] = []

    def fetch(self, files: Sequence[FileEntry], folder: Path, progress: Progress) -> Iterator[Fetched]:
        for file in files:
            if not Flaky.breaks or not file.path.startswith("raw/"):
                yield from super().fetch([file], folder, progress)
                continue
            Flaky.breaks -= 1
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab") as copy:
                Flaky.offsets.append(copy.tell())
                copy.write((self.lake / file.path).read_bytes()[copy.tell() :][:70_000])
            if Flaky.error is UnreachableError:
                raise UnreachableError("the connection broke")
            yield file, RemoteError("the connection broke")


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    make_lake: MakeLake, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake(days=1)
    monkeypatch.setattr(Flaky, "breaks", 2)
    monkeypatch.setattr(Flaky, "offsets", [])

    result = pull_one(lake, store, transport=Flaky)

    assert result.problems == []
    assert Flaky.offsets == [0, 70_000]
    assert tree(store.lake) == tree(lake.root)


def test_a_host_that_goes_away_leaves_a_list_of_what_is_missing(
    make_lake: MakeLake, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake(days=2)
    monkeypatch.setattr(Flaky, "breaks", 99)
    monkeypatch.setattr(Flaky, "error", UnreachableError)

    result = pull_one(lake, store, transport=Flaky)

    second = trading_days(2)[1]
    assert "the connection broke" in result.problems[0].why
    missing = {problem.path.split("/")[0] for problem in result.problems if second in problem.path}
    tables = {f"{kind}_v3" for kind in ("depth", "quotes", "trades", "gaps", "instruments", "sessions")}
    assert missing == tables | {"certificate", "raw"}
    assert result.dates == []


def test_one_host_out_of_reach_does_not_keep_the_others_from_being_pulled(
    make_lake: MakeLake, store: LocalStore
) -> None:
    class Gone(LocalTransport):
        def read_manifests(self) -> dict[str, bytes]:
            raise UnreachableError("Cannot reach far away: it does not answer.")

    lake = make_lake(days=1)

    far, near = pull([lambda: Gone("far", lake.root), lambda: LocalTransport("near", lake.root)], store, ALL)

    assert "does not answer" in far.problems[0].why
    assert len(near.fetched) == 8
