"""Single file operations: whole or not at all, never over another file, for owner and group, nothing left open."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.descriptors import none_left_open
from tests.journals import DAY, OPEN_NS

from harvester.base.files import make_directory, publish, replace_file, replacing, sync_directory, write_new
from harvester.journal.segment import Limits, SegmentFile


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_new_file_holds_the_data_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    with none_left_open():
        write_new(tmp_path / "a", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert ((tmp_path / "a").read_bytes(), mode(tmp_path / "a")) == (b"data", 0o640)


def test_a_temporary_file_that_was_left_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / ".a.tmp").write_bytes(b"longer than the data")
    write_new(tmp_path / "a", b"data")
    assert (tmp_path / "a").read_bytes() == b"data"


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / ".a.tmp").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        write_new(tmp_path / "a", b"data")
    assert (tmp_path / "other").read_bytes() == b"precious"


def test_a_name_that_is_taken_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").write_bytes(b"new")
    with pytest.raises(FileExistsError) as refused:
        publish(tmp_path / "b", tmp_path / "a")
    found = refused.value
    assert (found.errno, found.strerror, found.filename) == (
        errno.EEXIST,
        "a file is never overwritten",
        str(tmp_path / "a"),
    )
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"old", b"new")


def test_a_replaced_file_takes_text_and_bytes_and_the_mode_asked_for(tmp_path: Path) -> None:
    os.umask(0o027)
    with none_left_open():
        replace_file(tmp_path / "a", "₹", 0o606)
        replace_file(tmp_path / "b", b"plain")
    assert ((tmp_path / "a").read_bytes(), mode(tmp_path / "a")) == ("₹".encode(), 0o606)
    assert ((tmp_path / "b").read_bytes(), mode(tmp_path / "b")) == (b"plain", 0o640)


def test_a_replacement_begins_anew_where_a_process_of_this_number_died(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / f".a.{os.getpid()}").symlink_to(tmp_path / "other")
    replace_file(tmp_path / "a", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new", "other": b"precious"}


@pytest.mark.parametrize("synced", [True, False])
def test_what_no_power_cut_survives_is_not_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: bool
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(os, "fsync", calls.append)
    replace_file(tmp_path / "a", b"new", synced=synced)
    with replacing(tmp_path / "b", synced=synced) as file:
        file.write(b"new")
    assert len(calls) == (4 if synced else 0)


def test_directories_are_made_with_their_parents_for_owner_and_group(tmp_path: Path) -> None:
    with none_left_open():
        make_directory(tmp_path / "a" / "b")
    assert [mode(tmp_path / "a"), mode(tmp_path / "a" / "b")] == [0o750, 0o750]


def test_a_directory_that_another_process_makes_meanwhile_is_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, meanwhile = Path.is_dir, [tmp_path / "a"]

    def is_dir(path: Path) -> bool:
        found = look(path)
        if path in meanwhile:
            meanwhile.pop().mkdir()
        return found

    monkeypatch.setattr(Path, "is_dir", is_dir)
    make_directory(tmp_path / "a")
    assert meanwhile == []


def test_syncing_what_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        sync_directory(tmp_path / "a")


def test_a_segment_is_closed_once_however_often_it_is_let_go(tmp_path: Path) -> None:
    with none_left_open():
        segment = SegmentFile(tmp_path, DAY, Limits(1, 1), wall_ns=OPEN_NS, mono_ns=1)
        segment.seal()
        segment.abandon()
        segment.abandon()


def make_segment(journal: Path) -> SegmentFile:
    return SegmentFile(journal, DAY, Limits(1 << 20, 1), wall_ns=OPEN_NS, mono_ns=1)


def test_segments_of_one_moment_are_numbered_on_whether_sealed_or_left_open(tmp_path: Path) -> None:
    names = []
    for end in (SegmentFile.seal, SegmentFile.abandon, SegmentFile.seal):
        segment = make_segment(tmp_path)
        names.append(segment.path.stem)
        end(segment)
    assert names == [f"{OPEN_NS + number}-{os.getpid()}" for number in range(3)]


def test_a_record_never_lands_on_bytes_that_are_there(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    with segment.path.open("ab") as other:
        other.write(b"there")
    segment.write(b"record", 1)
    assert segment.seal().read_bytes() == b"thererecord"
