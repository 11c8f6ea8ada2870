"""A day that is pulled again after it was built anew: in the lake here lies one build of it, whatever happens."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.operator.pull.conftest import ALL, DAYS, Lake, contents

from harvester.lake.manifest import FileEntry, describe_file, encode_manifest, load_manifest, write_manifest
from runbook.fleet.ssh import RemoteError, UnreachableError
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import Fetched, LocalTransport, Progress


def build(lake: Lake, generation: int) -> dict[str, bytes]:
    """The day with files of that generation, as a host's lake has it; they are returned, by path."""
    partition = lake.partition(DAYS[0])
    before = load_manifest(lake.root, partition)
    assert before is not None
    for entry in before.files:
        (lake.root / entry.path).unlink()
    found = {}
    for kind, suffix in (("depth", "parquet"), ("gaps", "parquet"), ("certificate", "json")):
        path = partition.path(kind) / f"{kind}-g{generation}-{generation:016x}.{suffix}"
        (lake.root / path).write_bytes(f"{kind} of generation {generation}".encode())
        found[path.as_posix()] = (lake.root / path).read_bytes()
    files = tuple(describe_file(lake.root, lake.root / path, 1) for path in found)
    after = replace(before, generation=generation, files=files, supersedes=None)
    write_manifest(lake.root, partition, after)
    return found


def tables(store: LocalStore) -> dict[str, bytes]:
    """What is in the folders of the lake here, without manifests."""
    return {path: data for path, data in contents(store.lake).items() if not path.startswith("manifest/")}


class Failing(LocalTransport):
    """Fails at the gap ledgers, or is gone with them."""

    error: type[RemoteError] = RemoteError

    def fetch(self, files: Sequence[FileEntry], folder: Path, progress: Progress) -> Iterator[Fetched]:
        for file in sorted(files, key=lambda file: file.path.startswith("gaps/")):
            if file.path.startswith("gaps/"):
                if self.error is UnreachableError:
                    raise UnreachableError("gone")
                yield file, RemoteError("the connection broke")
            else:
                yield from super().fetch([file], folder, progress)


class Gone(Failing):
    error = UnreachableError


@pytest.mark.parametrize("transport", [Failing, Gone])
def test_half_a_new_build_never_lies_beside_the_one_before(
    day: Lake, store: LocalStore, transport: type[Failing]
) -> None:
    day.pull(store)
    first = tables(store)
    second = build(day, 2)

    [result] = pull([lambda: transport(day.host, day.root)], store, ALL)

    assert result.problems and result.dates == []
    assert tables(store) == first
    result = day.pull(store)
    assert (result.problems, tables(store)) == ([], second)
    assert sorted(path.read_bytes() for path in store.superseded.iterdir()) == sorted(first.values())


def test_files_that_an_older_release_left_beside_are_moved_by_the_next_pull(day: Lake, store: LocalStore) -> None:
    day.pull(store)
    first = tables(store)
    second = build(day, 2)
    day.pull(store)
    for path, content in first.items():
        (store.lake / path).write_bytes(content)
    unlisted = store.lake / day.partition(DAYS[0]).path("depth") / "mine.parquet"
    unlisted.write_bytes(b"a person's own")
    assert store.superseded.is_dir()

    [result] = pull([day.connect], store, Selection(since=DAYS[1]))  # of other days

    assert result.problems == []
    assert tables(store) == second | {unlisted.relative_to(store.lake).as_posix(): b"a person's own"}
    assert len([*store.superseded.iterdir()]) == 2 * len(first), "nothing is overwritten there"


def test_files_of_a_former_build_stay_while_the_new_one_lacks_a_table(day: Lake, store: LocalStore) -> None:
    day.pull(store)
    second = build(day, 2)
    day.pull(store)
    old = store.lake / day.path("depth")
    old.write_bytes(b"older")
    gone = next(path for path in second if path.startswith("depth/"))
    (store.lake / gone).unlink()

    pull([day.connect], store, Selection(since=DAYS[1]))
    assert old.exists(), "the only one that is left"

    day.pull(store)
    assert not old.exists() and (store.lake / gone).exists()


def test_a_bucket_that_lags_behind_takes_no_day_back(day: Lake, store: LocalStore, tmp_path: Path) -> None:
    """The newest build came from the host; the bucket has the one before."""
    bucket = Lake(tmp_path / "bucket")
    bucket.add(DAYS[0])
    day.pull(store)
    second = build(day, 2)
    day.pull(store)

    result = bucket.pull(store)

    assert (result.problems, result.fetched, result.dates) == ([], [], [DAYS[0].isoformat()])
    assert tables(store) == second
    manifest = load_manifest(store.lake, day.partition(DAYS[0]))
    assert manifest is not None and manifest.generation == 2


def test_a_build_in_between_that_never_came_here_is_known_by_the_one_that_replaced_it(
    day: Lake, store: LocalStore, tmp_path: Path
) -> None:
    bucket = Lake(tmp_path / "bucket")
    bucket.add(DAYS[0])
    build(bucket, 2)
    lagging = bucket.read()
    third = build(day, 3)
    manifest = load_manifest(day.root, day.partition(DAYS[0]))
    assert manifest is not None
    newest = replace(manifest, supersedes=lagging.content.decode().rpartition('"self_sha256": "')[2][:64])
    (day.root / day.manifest_path()).write_bytes(encode_manifest(newest))
    day.pull(store)

    assert bucket.pull(store).fetched == []
    assert tables(store) == third


def test_a_host_that_begins_anew_is_believed(day: Lake, store: LocalStore, tmp_path: Path) -> None:
    """Its lake was lost, so its generations count from one again; what is here is kept aside."""
    build(day, 3)
    day.pull(store)
    third = tables(store)
    again = Lake(tmp_path / "again")
    again.add(DAYS[0])

    result = again.pull(store)

    assert result.problems == [] and len(result.fetched) == 4
    assert not third.items() & tables(store).items()
    assert sorted(path.read_bytes() for path in store.superseded.iterdir()) == sorted(third.values())


def test_where_the_manifest_here_is_damaged_no_file_is_taken_away(day: Lake, store: LocalStore) -> None:
    day.pull(store)
    first = tables(store)
    build(day, 2)
    (store.lake / day.manifest_path()).write_text("{")

    pull([day.connect], store, Selection(since=DAYS[1]))  # of other days
    assert tables(store) == first

    [result] = pull([lambda: Failing(day.host, day.root)], store, ALL)
    assert result.problems and result.dates == []
    assert first.items() <= tables(store).items()
    assert day.pull(store).problems == []
    assert load_manifest(store.lake, day.partition(DAYS[0])) == load_manifest(day.root, day.partition(DAYS[0]))
