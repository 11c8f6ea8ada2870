"""The store: nothing is overwritten, one process at a time, names after contents, words for a disk that refuses."""

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest
from tests.durability import watched
from tests.operator.pull.conftest import Lake, contents

from harvester.base.errors import HarvesterError
from harvester.lake.manifest import FileEntry
from runbook.pull import receipt
from runbook.pull import store as stores
from runbook.pull.store import LocalStore, sync_files, writing
from runbook.pull.verified import VerifiedFiles


def test_everything_has_its_folder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    found = [store.lake, store.partial, store.quarantine, store.receipts, store.reports, store.csv, store.ledger]
    names = ["lake", "partial", "quarantine", "receipts", "reports", "csv", "ledger.jsonl"]
    assert found == [tmp_path / name for name in names]


def test_what_is_set_aside_never_replaces_what_is_there(store: LocalStore) -> None:
    kept = []
    for number in range(3):
        path = store.lake / "depth" / "date=1" / "x.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
        kept.append(store.set_aside(path))
    name = "lake_depth_date=1_x.parquet"
    assert kept == [store.quarantine / name, store.quarantine / f"{name}.2", store.quarantine / f"{name}.3"]
    assert contents(store.quarantine) == {name: b"0", f"{name}.2": b"1", f"{name}.3": b"2"}


def test_a_verified_file_that_was_replaced_is_no_suspect(store: LocalStore) -> None:
    path = store.lake / "x"
    path.parent.mkdir(parents=True)
    path.write_text("old")
    assert store.set_aside(path, verified=True) == store.root / "superseded" / "lake_x"
    assert not store.quarantine.exists() and not path.exists()


def test_what_is_set_aside_is_there_after_a_power_cut(store: LocalStore) -> None:
    path = store.partial / "x"
    path.parent.mkdir(parents=True)
    path.write_text("bad")
    with watched(store.root) as disk:
        store.set_aside(path)
    assert "durable quarantine/partial_x" in disk.log


def test_a_store_is_held_by_one_process(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with store.locked(), pytest.raises(HarvesterError) as caught, store.locked():
        pass
    assert str(caught.value) == (
        f"Another pull or clean-up is using {store.root}. Wait for it to end, or name another directory with --output."
    )
    assert pauses == [0.1] * 30
    with store.locked():
        pass


def test_a_store_that_becomes_free_is_taken(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.root.mkdir()
    holder = os.open(store.root / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    monkeypatch.setattr("time.sleep", lambda _: fcntl.flock(holder, fcntl.LOCK_UN))
    with store.locked(), pytest.raises(BlockingIOError):
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(holder)


def test_the_lock_is_inherited_by_a_transfer(store: LocalStore) -> None:
    def held() -> list[int]:
        there = list(Path("/proc/self/fd").iterdir())
        return [int(path.name) for path in there if path.is_symlink() and path.readlink() == store.root / ".lock"]

    with store.locked():
        [descriptor] = held()
        assert os.get_inheritable(descriptor)
        assert (store.root / ".lock").stat().st_mode & 0o777 == 0o644
    assert held() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_with_the_way_out(tmp_path: Path, number: int) -> None:
    with pytest.raises(HarvesterError) as caught, writing(tmp_path / "a" / "b"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == (
        f"There is no room left for {tmp_path / 'a' / 'b'} ({os.strerror(number)}). Nothing verified is lost, and the"
        " partial download is kept: free some space or name another disk with --output, and run the command again."
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
@pytest.mark.parametrize("name", [None, "/mnt/x"])
def test_a_disk_that_refuses_is_told_with_the_way_out(tmp_path: Path, number: int, name: str | None) -> None:
    with pytest.raises(HarvesterError) as caught, writing(tmp_path / "b"):
        raise OSError(number, os.strerror(number), name)
    assert str(caught.value) == (
        f"{name or tmp_path / 'b'} cannot be written ({os.strerror(number)}). Correct its owner or mode, "
        f"or name another"
        " directory with --output."
    )


def test_other_trouble_passes_and_folders_are_made(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, writing(tmp_path / "a" / "b" / "c"):
        raise OSError(errno.EIO, "broken")
    assert caught.value.errno == errno.EIO
    with writing(tmp_path / "a" / "b" / "c"):
        assert (tmp_path / "a" / "b").is_dir()


def name_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


class Libc:
    """The C library's syncfs, as syncfs(2) says: 0, or -1 and errno."""

    def __init__(self, answer: int) -> None:
        self.asked: list[str] = []
        self.answer = answer

    def syncfs(self, descriptor: int) -> int:
        self.asked.append(name_of(descriptor))
        return self.answer


@pytest.mark.parametrize(("count", "syncfs"), [(0, True), (1, False), (2, True)])
def test_many_files_are_synced_by_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, syncfs: bool
) -> None:
    libc, synced = Libc(0), []
    monkeypatch.setattr(stores.ctypes, "CDLL", lambda name, use_errno: libc)
    monkeypatch.setattr(stores.os, "fsync", lambda number: synced.append(name_of(number)))
    paths = [tmp_path / str(number) for number in range(count)]
    for path in paths:
        path.touch()
    sync_files(tmp_path, paths)
    assert libc.asked == ([str(tmp_path)] if syncfs else [])
    assert synced == ([] if syncfs else [str(path) for path in paths])


def test_without_syncfs_each_file_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(stores.ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(stores.os, "fsync", lambda number: synced.append(name_of(number)))
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.touch()
    sync_files(tmp_path, paths)
    assert synced == [str(path) for path in paths]


def test_a_sync_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores.ctypes, "CDLL", lambda *_, **__: Libc(-1))
    monkeypatch.setattr(stores.ctypes, "get_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match="Input/output error") as caught:
        sync_files(tmp_path, [tmp_path / "a", tmp_path / "b"])
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(tmp_path))


def test_the_real_syncfs_answers(tmp_path: Path) -> None:
    sync_files(tmp_path, [])
    with pytest.raises(FileNotFoundError):
        sync_files(tmp_path / "missing", [])


def noted(store: LocalStore) -> list[dict[str, object]]:
    return [json.loads(line) for line in store.ledger.read_text().splitlines()]


def put(store: LocalStore, path: str, content: bytes = b"abc") -> Path:
    target = store.lake / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def test_what_was_verified_is_known_to_the_next_pull_while_it_is_the_same(store: LocalStore) -> None:
    file, other = put(store, "depth/a"), put(store, "depth/b")
    verified = VerifiedFiles(store)
    assert verified.sha256("depth/a") is None
    verified.add_all([("depth/a", "s1"), ("depth/b", "s2")], "lab1")
    assert [verified.sha256("depth/a"), verified.sha256("depth/b")] == ["s1", "s2"]
    again = VerifiedFiles(store)
    assert [again.sha256("depth/a"), again.sha256("depth/b"), again.sha256("depth/c")] == ["s1", "s2", None]
    mtime_ns = file.stat().st_mtime_ns
    assert noted(store)[0] == {"path": "depth/a", "bytes": 3, "sha256": "s1", "mtime_ns": mtime_ns, "host": "lab1"}
    file.write_bytes(b"abd")
    os.utime(file, ns=(mtime_ns, mtime_ns + 1))
    assert again.sha256("depth/a") is None, "same size, other time"
    file.write_bytes(b"abcd")
    os.utime(file, ns=(mtime_ns, mtime_ns))
    assert again.sha256("depth/a") is None, "same time, other size"
    other.unlink()
    assert again.sha256("depth/b") is None


@pytest.mark.parametrize("rest", ['{"path": "depth/x", "byt', "[1]", '{"path": "x"}', "\xff"])
def test_a_line_torn_by_a_kill_takes_no_other_with_it(store: LocalStore, rest: str) -> None:
    for name in "abc":
        put(store, f"depth/{name}")
    VerifiedFiles(store).add_all([("depth/a", "s1")], "lab1")
    with store.ledger.open("ab") as ledger:
        ledger.write(rest.encode("latin-1"))
    torn = VerifiedFiles(store)
    assert torn.sha256("depth/a") == "s1"
    torn.add_all([("depth/b", "s2")], "lab1")
    torn.add_all([("depth/c", "s3")], "lab1")
    again = VerifiedFiles(store)
    assert [again.sha256(f"depth/{name}") for name in "abc"] == ["s1", "s2", "s3"]
    lines = store.ledger.read_bytes().split(b"\n")
    assert len(lines) == 5 and lines[1] == rest.encode("latin-1") and lines[-1] == b""


def test_the_last_word_on_a_file_counts(store: LocalStore) -> None:
    put(store, "a")
    for sha256 in ("s1", "s2"):
        VerifiedFiles(store).add_all([("a", sha256)], "lab1")
    assert VerifiedFiles(store).sha256("a") == "s2"


def test_a_receipt_names_what_is_here_now(day: Lake, store: LocalStore) -> None:
    day.pull(store)
    files = list(day.read().files)
    assert receipt.verified(store, files) == files
    (store.lake / files[0].path).write_bytes(b"X" * files[0].bytes)
    (store.lake / files[1].path).write_bytes(b"")
    (store.lake / files[2].path).unlink()
    assert receipt.verified(store, files) == files[3:]


def test_a_receipt_has_a_name_of_its_own_and_is_durable(store: LocalStore) -> None:
    store.root.mkdir()
    with watched(store.root):
        first = receipt.write(store, "lab1", [FileEntry("a/b", 3, "s", 7)])
    second = receipt.write(store, "lab1", [])
    assert first != second and first.parent == second.parent == store.receipts
    assert first.name.startswith("lab1-2") and first.name.endswith("Z.json")
    content = json.loads(first.read_text())
    moment = content.pop("verified_at")
    assert content == {"format": 1, "host": "lab1", "files": [{"path": "a/b", "bytes": 3, "sha256": "s"}]}
    assert moment.endswith("+00:00") and "." not in moment
    assert first.name == f"lab1-{first.name.split('-')[1]}" and first.read_text().startswith('{\n "format": 1,\n')
    assert first.read_text().endswith("\n}\n")


def test_a_receipt_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(receipt, "replace_file", full)
    with pytest.raises(HarvesterError, match="There is no room left"):
        receipt.write(LocalStore(tmp_path), "lab1", [])
