"""The module that clears what stands where a file of ours belongs."""

import os
import subprocess
from pathlib import Path

import pytest

MODULE = "host_modules/library/host_paths.py"
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def clear(run_module, tmp_path):
    def run(kind, name="place"):
        return run_module(MODULE, **{kind: [str(tmp_path / name)]})["cleared"]

    return run


def test_what_is_right_or_missing_stays(clear, tmp_path):
    assert clear("files") == []
    assert clear("files", "missing/place") == []
    (tmp_path / "place").write_text("ours")
    assert clear("files") == []
    assert clear("files", "place/below a file") == []
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    assert clear("folders", "folder") == []
    assert clear("folders", "link") == [], "somebody keeps the data on another disk"
    assert clear("links", "link") == []


def test_a_link_in_the_place_of_a_file_goes_and_what_it_led_to_stays(clear, tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "place").symlink_to("theirs")

    assert clear("files")
    assert not (tmp_path / "place").is_symlink()
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.parametrize("kind", ["files", "links"])
def test_a_folder_in_the_place_of_a_file_is_moved_aside_with_all_it_holds(clear, tmp_path, kind):
    (tmp_path / "place").mkdir()
    assert clear(kind) and not (tmp_path / "place").exists()
    (tmp_path / "place/inside").mkdir(parents=True)

    [said] = clear(kind)

    [aside] = tmp_path.glob("place.displaced-*")
    assert (aside / "inside").is_dir() and str(aside) in said


def test_a_file_a_pipe_or_a_dangling_link_in_the_place_of_a_folder_is_moved_aside(clear, tmp_path):
    (tmp_path / "place").write_text("theirs")
    assert clear("folders")
    os.mkfifo(tmp_path / "place")
    assert clear("folders")
    (tmp_path / "place").symlink_to("nowhere")
    assert clear("folders")

    assert not os.path.lexists(tmp_path / "place")
    assert "theirs" in [path.read_text() for path in tmp_path.glob("place.displaced-*") if path.is_file()]


def test_a_check_says_what_it_would_clear_and_clears_nothing(run_module, tmp_path):
    (tmp_path / "place").mkdir()

    answer = run_module(MODULE, files=[str(tmp_path / "place")], check=True)

    assert answer["changed"] and answer["cleared"]
    assert (tmp_path / "place").is_dir()


@ROOT
def test_what_is_immutable_can_be_written_again(clear, tmp_path):
    place = tmp_path / "place"
    place.write_text("old")
    if subprocess.run(["chattr", "+i", place], check=False, capture_output=True).returncode:
        pytest.skip("this file system has no attributes")

    assert clear("files")

    place.unlink()


@ROOT
def test_what_a_service_wrote_is_its_own_again(run_module, tmp_path):
    folder = tmp_path / "journal"
    (folder / "day").mkdir(parents=True)
    (folder / "day/segment").write_text("data")
    (folder / "day/other").write_text("data")
    (folder / "link").symlink_to("/etc/passwd")
    before = Path("/etc/passwd").stat()
    folder.chmod(0o2750)
    (folder / "day/segment").chmod(0o040)
    owned = [{"path": str(folder), "owner": "nobody", "group": "daemon"}]

    assert run_module(MODULE, owned=owned, check=True)["changed"]
    assert run_module(MODULE, owned=owned)["changed"]
    assert not run_module(MODULE, owned=owned)["changed"]

    segment = (folder / "day/segment").stat()
    assert segment.st_uid == (folder / "link").lstat().st_uid == 65534
    assert segment.st_mode & 0o7777 == 0o640
    assert Path("/etc/passwd").stat() == before


def test_the_users_of_a_check_on_a_bare_host_are_yet_to_come(run_module, tmp_path):
    owned = [{"path": str(tmp_path), "owner": "nobody-of-this-name", "group": "nogroup"}]

    assert not run_module(MODULE, owned=owned, check=True)["changed"]
