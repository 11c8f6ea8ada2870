"""A file that is replaced is whole: the old one or the new one, and nothing beside it."""

import os
from pathlib import Path

import pytest

from harvester.base.files import make_directory, replace_file, replacing, write_new


def test_a_reader_sees_the_old_content_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    replace_file(path, "old")

    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"

    assert path.read_text() == "new"


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    replace_file(path, "old")

    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"half")
        raise ZeroDivisionError

    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("state.json", "old")]


def test_the_mode_is_the_one_asked_for_whatever_the_file_had(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o666)

    replace_file(path, b"new", 0o600)

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("given", "mode"), [((), 0o750), ((0o700,), 0o700)])
def test_every_new_folder_has_the_mode_and_one_that_is_there_keeps_its_own(
    tmp_path: Path, given: tuple[int, ...], mode: int
) -> None:
    tmp_path.chmod(0o711)
    make_directory(tmp_path / "a" / "b", *given)
    make_directory(tmp_path / "a" / "b", 0o755)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [
        0o711,
        mode,
        mode,
    ]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path, mode: int, umask: int) -> None:
    before = os.umask(umask)
    try:
        replace_file(tmp_path / "file", b"new", mode)
    finally:
        os.umask(before)

    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_all_is_written_however_short_the_single_writes_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    sizes: list[int] = []

    def short(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(descriptor, bytes(data)[:3])

    monkeypatch.setattr(os, "write", short)
    write_new(tmp_path / "x", b"0123456789")

    assert (tmp_path / "x").read_bytes() == b"0123456789"
    assert sizes == [10, 7, 4, 1]
