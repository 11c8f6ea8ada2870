"""The quarantine keeps every byte once, under a name that says where it was."""

import os
from pathlib import Path

import pytest

from harvester.journal.quarantine import QUARANTINE, keep_link, keep_range, keep_whole, measure


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    path = tmp_path / "2026-11-23" / "5-77.open"
    path.parent.mkdir()
    path.write_bytes(b"0123456789")
    return path


def kept(tmp_path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / "quarantine").iterdir()}


def test_a_range_is_copied_exactly_over_the_borders_of_chunks(
    tmp_path: Path, segment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvester.journal.quarantine.CHUNK_BYTES", 2)
    assert keep_range(tmp_path, segment, 1, 8).read_bytes() == b"1234567"
    assert keep_range(tmp_path, segment, 8, 99).read_bytes() == b"89"


def test_the_same_bytes_are_kept_once_and_others_of_that_place_beside_them(tmp_path: Path, segment: Path) -> None:
    for content in (b"0123456789", b"abcdefghij", b"ABCDEFGHIJ", b"0123456789"):
        segment.write_bytes(content)
        assert keep_range(tmp_path, segment, 2, 5).read_bytes() == content[2:5]
    name = "2026-11-23_5-77_2-5"
    assert kept(tmp_path) == {name: b"234", f"{name}.2": b"cde", f"{name}.3": b"CDE"}


def test_bytes_of_the_same_size_and_time_are_compared(
    tmp_path: Path, segment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.utime(descriptor, ns=(1, 1)))
    keep_range(tmp_path, segment, 2, 5)
    segment.write_bytes(b"abcdefghij")
    assert keep_range(tmp_path, segment, 2, 5).read_bytes() == b"cde"


def test_files_of_one_name_are_all_kept(tmp_path: Path, segment: Path) -> None:
    for content in (b"a", b"b", b"c"):
        segment.write_bytes(content)
        keep_whole(tmp_path, segment)
        assert not segment.exists()
    assert kept(tmp_path) == {"2026-11-23_5-77": b"a", "2026-11-23_5-77.2": b"b", "2026-11-23_5-77.3": b"c"}


def test_a_second_name_is_given_once_and_never_taken_from_another_file(tmp_path: Path, segment: Path) -> None:
    first = keep_link(tmp_path, segment)
    assert keep_link(tmp_path, segment) == first == tmp_path / "quarantine" / "2026-11-23_5-77.suspect"
    segment.unlink()
    segment.write_bytes(b"another")
    second = keep_link(tmp_path, segment)
    assert (second.name, second.samefile(segment)) == ("2026-11-23_5-77.suspect.2", True)
    assert kept(tmp_path) == {first.name: b"0123456789", second.name: b"another"}


def test_what_is_in_quarantine_is_counted_and_what_cannot_be_looked_at_is_not_told_as_nothing(tmp_path: Path) -> None:
    folder = tmp_path / QUARANTINE
    assert measure(tmp_path) == (0, 0)
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.suspect").write_bytes(b"x" * number)
    assert measure(tmp_path) == (2, 3)
    folder.rename(tmp_path / "away")
    folder.write_text("a file where the folder should be")
    assert measure(tmp_path) is None
