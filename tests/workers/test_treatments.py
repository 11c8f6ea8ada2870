"""What is done for an error that is reported: restarts, repairs, their book and its undoing, one case each."""

import json
from pathlib import Path

import pytest
from tests.workers.conftest import Place
from tests.workers.notebooks import notebook, sources

from harvester.base.errors import HarvesterError
from harvester.workers.faults import Treatment
from harvester.workers.mailbox import FolderMailbox
from harvester.workers.repair.book import RepairBook
from harvester.workers.repair.treat import Bounds, treat, undo
from harvester.workers.reports import Report, append_line, parse_report

NOW = 10**18


def reported(kind: str, message: str = "", **more: object) -> Report:
    return parse_report(json.dumps({"error_type": kind, "error_message": message, **more}).encode())


def treated(place: Place, report: Report) -> Treatment:
    return treat(report, FolderMailbox(place.box), place.folder, Bounds("train.ipynb", 3), NOW)


def test_data_that_need_a_person_restart_nobody(place: Place) -> None:
    assert treated(place, reported("KeyError")) == Treatment("DATA_ERROR", "the data need a person", restarts=False)


def test_a_worker_is_restarted_where_a_restart_may_do_without_a_repair(place: Place) -> None:
    place.put("train.ipynb", notebook(["batch_size = 8\nimport mine"]))
    floor, lacking = (
        treated(place, each) for each in (reported("MemoryError"), reported("ImportError", "No module named 'mine'"))
    )
    assert (floor.restarts, lacking.restarts) == (True, False)
    assert floor.done.endswith("was not changed: the batch size is at its floor of 8 already")


def test_a_module_that_the_end_of_a_long_trace_names_is_installed(place: Place) -> None:
    place.put("train.ipynb", notebook(["import ccxt"]))
    trace = "  File x\n" * 400 + "ModuleNotFoundError: No module named 'ccxt'"
    assert treated(place, reported("ImportError", "see the trace", stacktrace=trace)).repaired
    assert "pip install -q ccxt" in sources((place.box / "train.ipynb").read_bytes())[0]


def test_repairs_are_undone_from_the_newest_to_the_first(place: Place) -> None:
    place.put("train.ipynb", notebook(["batch_size = 64"]))
    for number in range(2):
        assert treated(place, reported("MemoryError", iteration=number)).repaired
    box, sizes = FolderMailbox(place.box), []
    for _ in range(2):
        undo(box, place.folder, NOW)
        sizes += sources((place.box / "train.ipynb").read_bytes())
    assert sizes == ["batch_size = 32", "batch_size = 64"]
    with pytest.raises(HarvesterError, match="no repair is left that could be undone"):
        undo(box, place.folder, NOW)


def test_a_copy_that_a_crash_left_without_its_line_is_made_anew(place: Place) -> None:
    place.put("train.ipynb", notebook(["batch_size = 64"]))
    place.folder.mkdir(parents=True)
    (place.folder / "train.ipynb.backup.1").write_bytes(b"half")
    assert treated(place, reported("MemoryError")).repaired
    assert sources((place.folder / "train.ipynb.backup.1").read_bytes()) == ["batch_size = 64"]


def test_how_a_report_ended_is_noted_once(tmp_path: Path) -> None:
    book, report = RepairBook(tmp_path), reported("MemoryError")
    for restart in (True, False):
        book.end(report, "OOM", NOW, patched=False, restart=restart)
    assert [entry["restart_sent"] for entry in book.entries()] == [True]


def test_a_log_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        append_line(tmp_path / "link", {})
    assert not (tmp_path / "elsewhere").exists()
