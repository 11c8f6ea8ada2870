"""An overseer that is killed between any two steps, and started again: everything happens exactly once."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.workers.conftest import Place, report
from tests.workers.notebooks import notebook, sources
from tests.workers.weeks import MINUTE, START, status

from harvester import cli
from harvester.base.clock import SystemClock
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


def _require_exactly_once(place: Place, ran: Path, number: int) -> None:
    """Repair, signal, log and message of one report, whatever happened at the step of this number."""
    assert sources((place.box / "train.ipynb").read_bytes()) == ["batch_size = 32"], number
    assert place.signal() is not None, number
    memory = rounds.load(place.parts().memory)
    assert (len(memory.restarts), memory.pending, len(memory.handled)) == (1, (), 1), number
    assert len(place.lines("errors/errors_*.jsonl")) == 1, number
    assert [line["state"] for line in place.lines("repairs.jsonl")] == ["begun", "done"], number
    assert not (place.box / "error_report.json").exists()
    causes = [each[1] for each in place.told()]
    # A notice may lie there twice; of one cause and source people hear once.
    assert set(causes) == {"reported OOM"} and len(causes) <= 2, number
    assert (ran.read_text() if ran.exists() else "").count("x") <= 1, number


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
        _require_exactly_once(place, ran, kill_at)
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


WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.link", "os.truncate", "subprocess.Popen")
"""What the interpreter announces before it does it (PEP 578), besides files that are opened to be written."""


def _die_at(number: int, root: Path) -> None:
    """SIGKILL to this process before its n-th change of what lies below `root`, or before it starts a program."""
    count = 0

    def announced(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        changes = event in EVENTS or (event == "open" and isinstance(args[2], int) and args[2] & WRITES)
        if changes and (event == "subprocess.Popen" or str(args[0]).startswith(str(root))):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(announced)


def _look_and_die(place: Place, number: int, root: Path) -> int | None:
    """`harvester workers look` as a process of its own; the signal that ended it, None where it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            SystemClock.wall_ns = lambda _: place.clock.now_ns  # type: ignore[method-assign]
            _die_at(number, root)
            code = cli.run(["workers", "--settings", str(place.file), "look"])
            os._exit(0 if code == 0 else 64 + code)
        finally:
            os._exit(63)
    _, how = os.waitpid(child, 0)
    assert os.WIFSIGNALED(how) or os.WEXITSTATUS(how) == 0, how
    return os.WTERMSIG(how) if os.WIFSIGNALED(how) else None


def test_a_process_that_sigkill_ends_before_any_of_its_writes_is_continued_by_the_next(tmp_path: Path) -> None:
    number, ended = 0, signal.SIGKILL
    while ended is not None:
        number += 1
        root = tmp_path / str(number)
        root.mkdir()
        ran = root / "ran"
        place = Place(root, restart_command=["sh", "-c", f"echo x >> {ran}"])
        place.put("colab_status.json", status(START - MINUTE))
        place.put("train.ipynb", notebook(["batch_size = 64"]))
        place.put("error_report.json", report())
        ended = _look_and_die(place, number, root)
        assert ended in (None, signal.SIGKILL)
        for _ in range(2):
            place.clock.now_ns += 2 * MINUTE
            look_at(place.parts())
        _require_exactly_once(place, ran, number)
    assert number > 20, "there are that many writes"
