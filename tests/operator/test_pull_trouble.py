"""pull-data in trouble: two at once, no room, torn ledgers and spoilt partial files."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from made_lake import LakeMaker, tree

from harvester.base.errors import HarvesterError
from runbook.pull.manifests import parse
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult, pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport

MakeLake = Callable[..., LakeMaker]


def pull_one(lake: LakeMaker, store: LocalStore) -> HostResult:
    [result] = pull([partial(LocalTransport, lake.host, lake.root)], store, Selection(raw=True))
    return result


def test_two_pulls_at_once_do_not_collide(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=1)

    with store.locked(), pytest.raises(HarvesterError, match="Another pull"):
        pull_one(lake, store)


def test_a_transfer_that_outlives_its_pull_keeps_the_next_one_waiting(store: LocalStore) -> None:
    with store.locked():
        orphan = subprocess.Popen(["sleep", "1"], close_fds=False)

    with store.locked():
        assert orphan.wait(timeout=0.5) == 0


def test_too_little_room_is_said_before_anything_is_fetched(
    make_lake: MakeLake, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake(days=1)
    monkeypatch.setattr("runbook.pull.pull.RESERVE_BYTES", 1 << 60)

    with pytest.raises(HarvesterError, match="nothing was fetched"):
        pull_one(lake, store)

    assert not store.partial.exists()


def test_a_disk_that_fills_up_in_the_middle_keeps_the_partial_file_and_a_later_pull_goes_on(
    make_lake: MakeLake, store: LocalStore, tmp_path: Path
) -> None:
    """The limit on file size makes the kernel refuse the write, as a full disk does."""
    lake = make_lake(days=1)
    code = (
        "import resource, sys; from pathlib import Path; from functools import partial\n"
        "from harvester.base.errors import HarvesterError\n"
        "from runbook.pull.plan import Selection; from runbook.pull.pull import pull\n"
        "from runbook.pull.store import LocalStore; from runbook.pull.transport import LocalTransport\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        f"try: pull([partial(LocalTransport, 'lab1', Path({str(lake.root)!r}))], "
        f"LocalStore(Path({str(store.root)!r})), Selection(raw=True))\n"
        "except HarvesterError as error: sys.exit(f'said: {error}')"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "said: There is no room left" in done.stderr
    [partial_file] = store.partial.rglob("*.zst")
    assert partial_file.stat().st_size == 200_000
    assert not list(store.lake.glob("raw/*/*/*"))
    assert pull_one(lake, store).problems == []
    assert tree(store.lake) == tree(lake.root)


def test_a_store_that_cannot_be_written_is_explained(make_lake: MakeLake, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path))

    lake = make_lake(days=1)
    store = LocalStore(tmp_path / "pulled")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(HarvesterError, match="--output"):
        patch.setattr(Path, "mkdir", refuse)
        pull_one(lake, store)


def test_a_ledger_torn_by_a_kill_costs_a_second_hash_and_nothing_else(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=1)
    pull_one(lake, store)
    content = store.ledger.read_bytes()
    store.ledger.write_bytes(content[:-25])

    result = pull_one(lake, store)

    assert (len(result.fetched), len(result.present)) == (0, 8)
    lines = [json.loads(line) for line in store.ledger.read_text().splitlines() if line.endswith("}")]
    assert len({line["path"] for line in lines}) == 8


def test_a_partial_file_larger_than_the_whole_is_begun_anew(make_lake: MakeLake, store: LocalStore) -> None:
    lake = make_lake(days=1)
    partial_file = store.partial / next(lake.root.glob("raw/*/*/*")).relative_to(lake.root)
    partial_file.parent.mkdir(parents=True)
    partial_file.write_bytes(b"z" * 400_000)

    assert pull_one(lake, store).problems == []
    assert tree(store.lake) == tree(lake.root)


def test_a_partial_file_with_wrong_bytes_is_quarantined_and_the_file_still_comes(
    make_lake: MakeLake, store: LocalStore
) -> None:
    lake = make_lake(days=1)
    partial_file = store.partial / next(lake.root.glob("raw/*/*/*")).relative_to(lake.root)
    partial_file.parent.mkdir(parents=True)
    partial_file.write_bytes(b"z" * 1000)

    assert pull_one(lake, store).problems == []
    assert tree(store.lake) == tree(lake.root)
    assert len(list(store.quarantine.iterdir())) == 1


@pytest.mark.parametrize(
    "path",
    [
        "../date=2026-11-20/host=lab1/manifest.json",
        "/date=2026-11-20/host=lab1/manifest.json",
        "depth/date=2026-11-20/host=lab1/manifest.json",
        "manifest//date=2026-11-20/host=lab1/manifest.json",
        "manifest/date=2026-11-20/host=lab1\n/manifest.json",
        "manifest/date=2026-13-45/host=lab1/manifest.json",
    ],
)
def test_a_manifest_where_none_belongs_is_refused_whatever_it_says(make_lake: MakeLake, path: str) -> None:
    """The other side names the paths, so they must not lead out of the lake."""
    lake = make_lake(days=1)
    content = next(lake.root.glob("manifest/*/*/manifest.json")).read_bytes()

    with pytest.raises(HarvesterError, match="where the layout puts manifests"):
        parse(content, path)
