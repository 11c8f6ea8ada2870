"""Repairs of notebooks: the kind of an error, what is changed, that it compiles, its floors, and its undoing."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.workers.conftest import Place
from tests.workers.corpus import CORPUS
from tests.workers.notebooks import notebook, sources
from tests.workers.weeks import RULES, START

from harvester.base.errors import HarvesterError
from harvester.workers.faults import Treatment, answer
from harvester.workers.mailbox import FolderMailbox
from harvester.workers.memory import Memory
from harvester.workers.repair.book import RepairBook
from harvester.workers.repair.kinds import classify, words
from harvester.workers.repair.notebook import MAX_BYTES, NotebookError, repair
from harvester.workers.repair.recipes import RECIPES, patch
from harvester.workers.repair.treat import Bounds, treat, undo
from harvester.workers.reports import parse_report

NINE = {"OOM", "CONNECTION", "IMPORT", "NAN_LOSS", "TIMEOUT", "CUDA_ERROR", "DATA_ERROR", "IO_ERROR", "EXPLODING"}


def test_of_sixty_errors_labelled_by_hand_at_least_57_are_right_and_none_unsafe(figure: Callable[..., None]) -> None:
    """Unsafe: the notebook would be changed for an error of another kind than that of the change."""
    assert len(CORPUS) == 60
    found = [(classify(kind, message), label) for kind, message, label in CORPUS]
    unsafe = [pair for pair in found if pair[0] != pair[1] and pair[0] in RECIPES]
    figure("errors whose kind is right", sum(a == b for a, b in found), bound=">= 57", unit="of 60", gate=True)
    figure("errors for which the wrong thing is changed", len(unsafe), bound="== 0", unit="of 60", gate=True)


def test_there_are_nine_kinds_and_a_worker_may_name_one() -> None:
    assert words().kinds == NINE
    assert [classify(kind, "") for kind in sorted(NINE)] == sorted(NINE)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("ValueError", "Zoom level error"),
        ("Exception", "room full"),
        ("KeyboardInterrupt", ""),
        ("", ""),
        ("RuntimeError", "bloom filter"),
        ("Exception", "the nannan table is empty"),
        ("RuntimeError", "canned timeouts_total metric"),
        ("Exception", "lossless mode is an error"),
    ],
)
def test_words_inside_words_mean_nothing(kind: str, message: str) -> None:
    assert classify(kind, message) == "UNKNOWN"


def test_the_class_of_an_exception_counts_before_its_message() -> None:
    assert classify("KeyError", "'CUDA out of memory'") == "DATA_ERROR"
    assert classify("", "KeyError: 'loss is nan'") == "DATA_ERROR"
    assert classify("info: loss logged, KeyError", "KeyError: 'close'") == "DATA_ERROR"


def test_the_module_of_a_class_says_nothing_of_its_kind() -> None:
    assert classify("oom.LostError", "no such row") == classify("LostError", "no such row") == "UNKNOWN"
    assert classify("oom: lost", "no such row") == "OOM", "what is no class is read as words"


def test_of_a_stack_trace_the_exception_that_ends_it_speaks_alone() -> None:
    trace = 'File "train.py", line 3\n    raise MemoryError if oom else KeyError\n{}\n'
    assert classify("", "", trace.format("KeyError: 'close'")) == "DATA_ERROR"
    assert classify("Exception", "failed", trace.format("RuntimeError: CUDA out of memory")) == "OOM"
    assert classify("Exception", "failed", trace.format("KeyError: 'close'")) == "DATA_ERROR"
    assert classify("Exception", "failed", trace.format("  loss = nan_to_num(loss)  # out of memory?")) == "UNKNOWN"


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("OOM", "batch_size = 64\n", "batch_size = 32\n"),
        ("OOM", "BATCH_SIZE = 64  # per GPU\nx = 1\n", "BATCH_SIZE = 32  # per GPU\nx = 1\n"),
        ("OOM", "batch_size = 12", "batch_size = 8"),
        ("OOM", "m = PPO(env, batch_size=256, n_steps=2048)\n", "m = PPO(env, batch_size=128, n_steps=2048)\n"),
        ("OOM", 'config = {"batch_size": 64, "lr": 1e-3}', 'config = {"batch_size": 32, "lr": 1e-3}'),
        ("OOM", "class C:\n    batch_size: int = 64\n", "class C:\n    batch_size: int = 32\n"),
        (
            "CUDA_ERROR",
            "!pip install x\n%matplotlib inline\nbatch_size=64\n",
            "!pip install x\n%matplotlib inline\nbatch_size=32\n",
        ),
        ("OOM", "%%time\nbatch_size = 64\r\ny = 2\r\n", "%%time\nbatch_size = 32\r\ny = 2\r\n"),
        (
            "OOM",
            "if x:\n    !ls \\\n      -l\nfiles = !ls\nbatch_size = 64",
            "if x:\n    !ls \\\n      -l\nfiles = !ls\nbatch_size = 32",
        ),
        ("OOM", "await run()\nbatch_size = 1_024", "await run()\nbatch_size = 512"),
        ("NAN_LOSS", "learning_rate = 3e-4\n", "learning_rate = 3.0e-05\n"),
        ("NAN_LOSS", "opt = Adam(p, lr=0.001)", "opt = Adam(p, lr=1.0e-04)"),
        ("NAN_LOSS", "LEARNING_RATE = 5e-7", "LEARNING_RATE = 1.0e-07"),
        ("EXPLODING", "t = Trainer(gradient_clip_val=0.5)\nlr = 1e-3", "t = Trainer(gradient_clip_val=0.1)\nlr = 1e-3"),
        (
            "EXPLODING",
            "t = Trainer(gradient_clip_val=0.1)\nlr = 1e-3",
            "t = Trainer(gradient_clip_val=0.1)\nlr = 1.0e-04",
        ),
        ("TIMEOUT", "REQUEST_TIMEOUT = 30\n", "REQUEST_TIMEOUT = 60\n"),
        ("TIMEOUT", "REQUEST_TIMEOUT = 12.5", "REQUEST_TIMEOUT = 25"),
        ("TIMEOUT", "REQUEST_TIMEOUT = 400", "REQUEST_TIMEOUT = 600"),
        ("IMPORT", "import ccxt\n", "!pip install -q ccxt  # Auto-Repair\nimport ccxt\n"),
    ],
)
def test_a_recipe_changes_a_number_and_nothing_else(kind: str, before: str, after: str) -> None:
    assert patch(kind, [before], "No module named 'ccxt'").sources == [after]


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("OOM", "batch_size = 8"),
        ("OOM", "batch_size = 4"),
        ("OOM", "# batch_size = 64"),
        ("OOM", 's = "batch_size = 64"'),
        ("OOM", 's = """\nbatch_size = 64\n"""'),
        ("OOM", "print(batch_size == 64)"),
        ("OOM", "batch_size = 64 * n"),
        ("OOM", "my_batch_size = 64"),
        ("OOM", "batch_size = 64.5"),
        ("OOM", "%%bash\nbatch_size=64"),
        ("OOM", "batch_size = 64\nprint 'python 2'"),
        ("OOM", "batch_size = 64 # a\rbatch_size = 32"),
        ("NAN_LOSS", "lr = 1e-7"),
        ("NAN_LOSS", "lr = 1e999"),
        ("NAN_LOSS", "lr = -1"),
        ("NAN_LOSS", "lr = 0"),
        ("TIMEOUT", "REQUEST_TIMEOUT = 600"),
        ("CONNECTION", "batch_size = 64"),
        ("DATA_ERROR", "batch_size = 64"),
    ],
)
def test_what_is_no_such_number_or_at_its_floor_stays(kind: str, source: str) -> None:
    done = patch(kind, [source], "")
    assert done.sources == [source]
    assert done.why


@pytest.mark.parametrize("name", ["left_pad; rm -rf /", "evil", "../x", "numpy_", "os && curl x", "torch-cuda", ""])
def test_what_is_not_on_the_list_is_not_installed(name: str) -> None:
    done = patch("IMPORT", ["import x"], f"No module named '{name}'")
    # torch-cuda is read up to its hyphen: torch is on the list, and nothing of the message reaches the command.
    allowed = ["!pip install -q torch  # Auto-Repair\nimport x"] if name == "torch-cuda" else ["import x"]
    assert done.sources == allowed
    assert done.hopeless == (name != "torch-cuda")


def test_a_line_to_install_goes_where_it_breaks_no_magic_and_only_once() -> None:
    line = "!pip install -q scikit-learn  # Auto-Repair\n"
    once = patch("IMPORT", ["%%capture\nimport a", "import b"], "No module named 'sklearn'").sources
    assert once == ["%%capture\nimport a", line + "import b"]
    again = patch("IMPORT", once, "No module named 'sklearn.svm'")
    assert (again.sources, again.hopeless) == (once, True)
    assert patch("IMPORT", ["%%bash\nls"], "No module named 'sklearn'").hopeless


def test_an_older_notebook_is_repaired_and_nothing_is_said_of_it() -> None:
    """Cells without ids, as Colab writes them: what nbformat says of them would stand in the log each time."""
    old = json.loads(notebook(["batch_size = 64"]))
    for cell in old["cells"]:
        del cell["id"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sources(repair(json.dumps(old).encode(), "OOM", "").data) == ["batch_size = 32"]


REPORT = {"error_type": "MemoryError", "error_message": "", "timestamp": "2026-11-24T00:00:00Z"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no notebook"),
        (b"\xff\xfe", "no notebook"),
        (b"[]", "no notebook"),
        (b"{}", "no notebook"),
        (
            b'{"nbformat": 4, "nbformat_minor": 5, "cells": [{"cell_type": "code"}], "metadata": {}}',
            "does not validate",
        ),
        (b'{"nbformat": 4}', "does not validate"),
        (b'{"nbformat": 3, "nbformat_minor": 0, "worksheets": [], "metadata": {}}', "format 3"),
        (notebook([]), "no code cell"),
        (b"[" * 100_000, "no notebook"),
        (b" " * (MAX_BYTES + 1), "clear its outputs"),
    ],
    ids=range(10),
)
def test_what_is_no_notebook_is_said_and_left(place: Place, data: bytes, why: str) -> None:
    with pytest.raises(NotebookError, match=why):
        repair(data, "OOM", "")
    place.put("train.ipynb", data)
    report = parse_report(json.dumps(REPORT).encode())
    treated = treat(report, FolderMailbox(place.box), place.folder, Bounds("train.ipynb", 3), 10**18)
    assert (treated.grade, treated.repaired, treated.restarts) == ("critical", False, True)
    assert (place.box / "train.ipynb").read_bytes() == data


def test_a_notebook_that_a_person_changed_since_is_not_replaced_by_an_undo(tmp_path: Path) -> None:
    (tmp_path / "train.ipynb").write_bytes(notebook(["batch_size = 64"]))
    box = FolderMailbox(tmp_path)
    treat(parse_report(json.dumps(REPORT).encode()), box, tmp_path / "book", Bounds("train.ipynb", 3), 10**18)
    (tmp_path / "train.ipynb").write_bytes(notebook(["batch_size = 48"]))
    with pytest.raises(HarvesterError, match=r"train\.ipynb\.backup\.1; copy it yourself"):
        undo(box, tmp_path / "book", 10**18)
    assert sources((tmp_path / "train.ipynb").read_bytes()) == ["batch_size = 48"]


@pytest.mark.parametrize("bounds", [Bounds(None, 3), Bounds("train.ipynb", 0)])
def test_where_repairs_are_switched_off_a_worker_is_restarted_as_it_is_and_people_read_why(
    place: Place, bounds: Bounds
) -> None:
    place.put("train.ipynb", notebook(["batch_size = 64"]))
    done = treat(parse_report(json.dumps(REPORT).encode()), FolderMailbox(place.box), place.folder, bounds, 10**18)
    assert done == Treatment("OOM", "repairs are switched off")
    assert sources((place.box / "train.ipynb").read_bytes()) == ["batch_size = 64"]


def test_a_repair_that_a_crash_cut_short_is_made_once_with_one_copy_of_what_was_there(place: Place) -> None:
    place.put("train.ipynb", notebook(["batch_size = 64"]))
    made, box, bounds = parse_report(json.dumps(REPORT).encode()), FolderMailbox(place.box), Bounds("train.ipynb", 3)

    class Dying(FolderMailbox):
        def put(self, name: str, data: bytes) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        treat(made, Dying(place.box), place.folder, bounds, 10**18)
    assert [treat(made, box, place.folder, bounds, 10**18).repaired for _ in range(2)] == [True, True]
    assert sources((place.box / "train.ipynb").read_bytes()) == ["batch_size = 32"]
    assert [entry["state"] for entry in RepairBook(place.folder).entries()] == ["begun"]
    assert len(list(place.folder.glob("*.backup.*"))) == 1

    later = parse_report(json.dumps({**REPORT, "iteration": 8}).encode())
    with pytest.raises(KeyboardInterrupt):
        treat(later, Dying(place.box), place.folder, bounds, 10**18)
    place.put("train.ipynb", notebook(["batch_size = 48"]))
    left = treat(later, box, place.folder, bounds, 10**18)
    assert not left.repaired and left.done.endswith("train.ipynb was changed by somebody else meanwhile")
    assert sources((place.box / "train.ipynb").read_bytes()) == ["batch_size = 48"], "a person's change stays"


def test_a_day_later_a_kind_may_be_repaired_again(tmp_path: Path) -> None:
    (tmp_path / "train.ipynb").write_bytes(notebook(["batch_size = 1024"]))
    box, bounds, day = FolderMailbox(tmp_path), Bounds("train.ipynb", 1), 86_400 * 10**9
    made = [parse_report(json.dumps({**REPORT, "iteration": n}).encode()) for n in range(3)]
    assert treat(made[0], box, tmp_path / "b", bounds, 10**18).repaired
    refused = treat(made[1], box, tmp_path / "b", bounds, 10**18 + day - 1)
    assert (refused.repaired, refused.grade, refused.restarts) == (False, "critical", False)
    assert treat(made[2], box, tmp_path / "b", bounds, 10**18 + day).repaired


def test_a_line_after_a_torn_one_and_what_was_undone_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "repairs.jsonl").write_bytes(b"{")
    book = RepairBook(tmp_path)

    book.undone(3, 0)

    assert book.entries() == [{"state": "undone", "backup": 3, "timestamp": "1970-01-01T00:00:00+00:00"}]


@pytest.mark.parametrize(
    ("hours", "counts"), [(0, True), (23.9, True), (24, False), (-1, True), (-23.9, True), (-24, False), (-720, False)]
)
def test_a_repair_counts_for_a_day_also_one_of_a_clock_that_was_ahead(
    tmp_path: Path, hours: float, counts: bool
) -> None:
    book, report = RepairBook(tmp_path), parse_report(b'{"error_type": "KeyError"}')
    assert report
    book.begin(report, "DATA_ERROR", b"a", b"b", "n.ipynb", START - int(hours * 3600 * 10**9))

    assert book.count("DATA_ERROR", START) == counts
    assert book.count("OTHER", START) == 0


@pytest.mark.parametrize(("grade", "has_remedy"), [("warning", False), ("critical", True)])
def test_what_to_do_is_said_of_what_is_critical_alone(grade: Any, has_remedy: bool) -> None:
    report = parse_report(b'{"error_type": "KeyError"}')

    answered = answer(Memory(), report, Treatment("DATA_ERROR", grade=grade, restarts=False), START, RULES)

    [act] = answered.pending
    assert (act.severity, bool(act.remedy)) == (grade, has_remedy)
