"""The module that writes a host's files."""

from pathlib import Path

import pytest

MODULE = "host_modules/library/host_files.py"


@pytest.fixture
def write(run_module, mine):
    def run(*files: dict, check: bool = False, **more):
        return run_module(MODULE, check=check, files=[{"mode": "0640", **mine, **file} for file in files], **more)

    return run


def test_a_file_is_written_once_and_then_left_alone(write, tmp_path):
    file = {"path": str(tmp_path / "a" / "b.conf"), "content": "x = 1\n"}

    first, second = write(file), write(file)

    assert first["changed"]
    assert first["paths"] == [file["path"]]
    assert not second["changed"]
    assert Path(file["path"]).read_text() == "x = 1\n"
    assert Path(file["path"]).stat().st_mode & 0o777 == 0o640


def test_another_mode_is_put_right(write, tmp_path):
    file = {"path": str(tmp_path / "b.conf"), "content": "x\n"}
    write(file)
    Path(file["path"]).chmod(0o644)

    assert write(file)["changed"]
    assert Path(file["path"]).stat().st_mode & 0o777 == 0o640


def test_check_mode_says_what_would_change_and_changes_nothing(write, tmp_path):
    answer = write({"path": str(tmp_path / "a" / "b.conf"), "content": "x\n"}, check=True)

    assert answer["changed"]
    assert answer["diff"][0]["after"] == "x\n"
    assert not (tmp_path / "a").exists()


def test_a_refused_candidate_replaces_nothing_and_names_the_files(write, tmp_path):
    old = tmp_path / "a.json"
    old.write_text("{}")
    files = [
        {"path": str(tmp_path / name), "content": "{", "validate": "python3 -m json.tool {paths}"}
        for name in ("a.json",)
    ]

    answer = write(*files)

    assert answer["failed"]
    assert str(old) in answer["msg"]
    assert old.read_text() == "{}"


def test_candidates_with_one_validation_are_judged_together_under_their_final_names(write, tmp_path):
    validate = f"cp {{paths}} {tmp_path / 'seen'}"
    (tmp_path / "seen").mkdir()

    write(*({"path": str(tmp_path / name), "content": name, "validate": validate} for name in ("one", "two")))

    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == ["one", "two"]


def test_a_frozen_file_that_differs_is_an_error_with_the_reason(write, tmp_path):
    file = {"path": str(tmp_path / "a"), "content": "x", "frozen": "the market is open"}

    answer = write(file)

    assert answer["failed"]
    assert "the market is open" in answer["msg"]
    assert not (tmp_path / "a").exists()


def test_a_frozen_file_that_is_right_is_no_error(write, tmp_path):
    file = {"path": str(tmp_path / "a"), "content": "x"}
    write(file)

    assert not write({**file, "frozen": "the market is open"})["changed"]


def test_folders_links_and_absent_files(run_module, mine, tmp_path):
    (tmp_path / "old").write_text("x")
    arguments = {
        "directories": [{"path": str(tmp_path / "folder"), "mode": "2750", **mine}],
        "links": {str(tmp_path / "link"): "folder"},
        "absent": [str(tmp_path / "old")],
    }

    first, second = run_module(MODULE, **arguments), run_module(MODULE, **arguments)

    assert (first["changed"], second["changed"]) == (True, False)
    assert (tmp_path / "link").readlink() == Path("folder")
    assert (tmp_path / "folder").stat().st_mode & 0o7777 == 0o2750
    assert not (tmp_path / "old").exists()
