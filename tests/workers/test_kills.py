"""An overseer that is killed between any two steps, and started again: everything happens exactly once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.workers.conftest import Place, report
from tests.workers.notebooks import notebook, sources
from tests.workers.weeks import MINUTE, START, status

from harvester.base.errors import HarvesterError
from harvester.workers import round as rounds
from harvester.workers.mailbox import FolderMailbox
from harvester.workers.repair import book, treat
from harvester.workers.round import look_at


class Killed(BaseException):
    """The process ended here."""


class Steps:
    """Kills at the step of this number; each effect has a step before and one after it."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at, self.count = kill_at, 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = function(*args, **kwargs)
            self.step()
            return result

        return stepped

    def step(self) -> None:
        self.count += 1
        if self.count == self.kill_at:
            raise Killed


def _watch(monkeypatch: pytest.MonkeyPatch, steps: Steps) -> None:
    for verb in ("look", "read", "put", "clear"):
        monkeypatch.setattr(FolderMailbox, verb, steps.around(getattr(FolderMailbox, verb)))
    for module, name in (
        (rounds, "save"),
        (rounds, "post"),
        (rounds, "_command"),
        (book, "append_line"),
        (book, "write_new"),
    ):
        monkeypatch.setattr(module, name, steps.around(getattr(module, name)))
    monkeypatch.setattr(rounds.ErrorLog, "add", steps.around(rounds.ErrorLog.add))


def test_killed_at_any_step_everything_happens_exactly_once(tmp_path: Path) -> None:
    kill_at, killed = 0, True
    while killed:
        kill_at += 1
        root = tmp_path / str(kill_at)
        root.mkdir()
        ran = root / "ran"
        place = Place(root, restart_command=["sh", "-c", f"echo x >> {ran}"])
        place.put("colab_status.json", status(START - MINUTE))
        place.put("train.ipynb", notebook(["batch_size = 64"]))
        place.put("error_report.json", report())
        steps, killed = Steps(kill_at), False
        with pytest.MonkeyPatch.context() as patched:
            _watch(patched, steps)
            try:
                look_at(place.parts())
            except Killed:
                killed = True
        for _ in range(2):
            place.clock.now_ns += 2 * MINUTE
            look_at(place.parts())
        assert sources((place.box / "train.ipynb").read_bytes()) == ["batch_size = 32"], kill_at
        assert place.signal() is not None, kill_at
        memory = rounds.load(place.parts().memory)
        assert (len(memory.restarts), memory.pending, len(memory.handled)) == (1, (), 1), kill_at
        assert len(place.lines("errors/errors_*.jsonl")) == 1, kill_at
        assert [line["state"] for line in place.lines("repairs.jsonl")] == ["begun", "done"], kill_at
        assert not (place.box / "error_report.json").exists()
        causes = [each[1] for each in place.told()]
        # A notice may lie there twice; of one cause and source people hear once.
        assert set(causes) == {"reported OOM"} and len(causes) <= 2, kill_at
        assert (ran.read_text() if ran.exists() else "").count("x") <= 1, kill_at
    assert kill_at > 30, "there are that many steps"


def test_killed_at_any_step_of_an_undo_the_bytes_come_back(tmp_path: Path) -> None:
    original = notebook(["batch_size = 64"])
    kill_at, killed = 0, True
    while killed:
        kill_at += 1
        root = tmp_path / str(kill_at)
        root.mkdir()
        place = Place(root)
        place.put("train.ipynb", original)
        place.put("error_report.json", report())
        look_at(place.parts())
        steps, killed = Steps(kill_at), False
        with pytest.MonkeyPatch.context() as patched:
            _watch(patched, steps)
            try:
                treat.undo(place.parts().mailbox, place.folder, START)
            except Killed:
                killed = True
        if killed and place.lines("repairs.jsonl")[-1]["state"] != "undone":
            treat.undo(place.parts().mailbox, place.folder, START)
        assert (place.box / "train.ipynb").read_bytes() == original, kill_at
        with pytest.raises(HarvesterError, match="no repair is left"):
            treat.undo(place.parts().mailbox, place.folder, START)
    assert kill_at > 5
