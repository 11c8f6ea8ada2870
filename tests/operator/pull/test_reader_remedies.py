"""What the reader advises where a pulled lake is not whole repairs it."""

import shutil
from pathlib import Path

import pytest
from tests.storage.reader.days import THURSDAY, record_thursday

from harvester.reader import open_lake
from harvester.reader.errors import DamagedFileError, IncompleteLakeError, NotALakeError
from runbook.pull.plan import Selection
from runbook.pull.pull import pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport


@pytest.fixture
def pulled(tmp_path: Path) -> LocalStore:
    record_thursday(tmp_path / "host")
    store = LocalStore(tmp_path / "pulled")
    pull_again(store)
    return store


def pull_again(store: LocalStore) -> None:
    [result] = pull([lambda: LocalTransport("lab1", store.root.parent / "host" / "lake")], store, Selection())
    assert result.problems == []


def depth_of(store: LocalStore) -> Path:
    [path] = store.lake.glob("depth_v3/*/*/*.parquet")
    return path


def books(store: LocalStore) -> int:
    return len(open_lake(store.lake).depth("SBIN", THURSDAY).arrow())


def test_a_table_that_is_missing_is_pulled_again(pulled: LocalStore) -> None:
    rows = books(pulled)
    depth_of(pulled).unlink()
    with pytest.raises(IncompleteLakeError, match=r"Pull the day again with \./inv pull-data"):
        books(pulled)

    pull_again(pulled)

    assert books(pulled) == rows


@pytest.mark.parametrize("kind", ["depth_v3", "certificate", "instruments_v3"])
def test_a_damaged_file_is_moved_away_and_pulled_again(pulled: LocalStore, tmp_path: Path, kind: str) -> None:
    rows = books(pulled)
    [path] = pulled.lake.glob(f"{kind}/*/*/*.*")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DamagedFileError, match=r"Move it away; \./inv pull-data downloads it again"):
        books(pulled)

    path.rename(tmp_path / path.name)
    pull_again(pulled)

    assert books(pulled) == rows


def test_a_lake_without_manifests_is_pulled_as_a_whole(pulled: LocalStore) -> None:
    rows = books(pulled)
    shutil.rmtree(pulled.lake / "manifest")
    with pytest.raises(NotALakeError, match=r"Pull the lake as a whole with \./inv pull-data"):
        books(pulled)

    pull_again(pulled)

    assert books(pulled) == rows
