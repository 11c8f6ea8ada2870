"""The command: looks, shows, and what a person does with one worker."""

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workers.conftest import Place
from tests.workers.notebooks import notebook
from tests.workers.weeks import MINUTE, START, status

from harvester import cli
from harvester.base.clock import SystemClock
from harvester.base.validation import validate
from harvester.jobs.model import JobsFile
from harvester.workers.mailbox import FolderMailbox, MailboxError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`harvester workers ...` at the place's time: exit code, standard output, standard error."""

    def end(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(SystemClock, "wall_ns", lambda _: place.clock.now_ns)
        code = cli.run(["workers", "--settings", str(place.file), *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return end


def test_a_look_says_the_state_of_each_and_show_what_is_known(place: Place, run: Run) -> None:
    place.put("colab_status.json", status(START - 10 * MINUTE, 7))
    assert run("look")[:2] == (0, "colab: alive\n")
    assert run("show")[1] == "colab: alive, sign of life 10 min ago, step 7, 0 of 3 restarts in 24 h\n"
    [row] = json.loads(run("show", "--json")[1])["workers"]
    assert (row["state"], row["step"], row["beat_ns"], row["paused"]) == ("alive", 7.0, START - 10 * MINUTE, False)


def test_the_remedy_of_a_lost_worker_can_be_followed(place: Place, run: Run) -> None:
    for _ in range(50):
        run("look")
        place.clock.now_ns += 2 * MINUTE
    assert "silent" in run("show")[1]
    before = len(place.told())
    assert run("pause", "colab")[:2] == (0, "colab: paused\n")
    for _ in range(100):
        run("look")
        place.clock.now_ns += 2 * MINUTE
    assert len(place.told()) == before
    assert "silent, paused" in run("show")[1]
    assert run("resume", "colab")[:2] == (0, "colab: watched again\n")
    run("look")
    assert len(place.lines("memory.json")[0]["restarts"]) == 2


def test_a_person_may_restart_a_worker_whatever_its_budget(place: Place, run: Run) -> None:
    for _ in range(4):
        assert run("restart", "colab")[:2] == (0, "colab: restart_requested.json is in its mailbox\n")
    signal = place.signal()
    assert signal is not None
    assert (signal["reason"], signal["repair_applied"]) == ("requested_by_person", False)


def test_a_restart_that_cannot_be_put_fails_and_is_tried_again(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MailboxError("drive: full")

    with monkeypatch.context() as patched:
        patched.setattr(FolderMailbox, "put", refuse)
        code, _, complaint = run("restart", "colab")
    assert (code, "tries again for 30 minutes" in complaint) == (1, True)
    run("look")
    assert place.signal() is not None


def test_a_repair_is_undone_by_name(place: Place, run: Run) -> None:
    original = notebook(["batch_size = 64"])
    place.put("train.ipynb", original)
    place.put("error_report.json", {"error_type": "MemoryError"})
    run("look")
    assert (place.box / "train.ipynb").read_bytes() != original
    assert run("undo-repair", "colab")[:2] == (0, "colab: train.ipynb is as it was before repair 1\n")
    assert (place.box / "train.ipynb").read_bytes() == original


def test_one_worker_whose_memory_is_damaged_keeps_no_other_waiting(place: Place, run: Run) -> None:
    place.data["workers"].append({"name": "kaggle", "mailbox": str(place.box)})
    place.file.write_text(json.dumps(place.data))
    run("look")
    (place.folder / "memory.json").write_text("{")
    code, answer, complaint = run("look")
    assert code == 1
    assert answer.startswith("kaggle: ")
    assert "colab: " in complaint and "Remove that file" in complaint


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"workers": [{"name": "a b", "mailbox": "/x"}]}, r"workers\[0\].name"),
        ({"workers": [{"name": "a"}]}, "workers[0].mailbox: required, and not set"),
        ({"workers": [{"name": "a", "mailbox": "nowhere"}]}, "workers[0].mailbox"),
        ({"workers": [{"name": "a", "mailbox": "/x"}] * 2}, "two workers have the same name"),
        ({"workers": [{"name": "a", "mailbox": "/x", "zone": "Mars/Base"}]}, "zone must be a time zone"),
        ({"workers": [{"name": "a", "mailbox": "/x", "slow_after_minutes": 90}]}, "must be less than"),
        ({"workers": [{"name": "a", "mailbox": "/x", "notebook": "../x"}]}, "workers[0].notebook"),
        ({"symbols": ["NSE:SBIN-EQ"]}, "symbols: unknown key"),
    ],
)
def test_settings_that_are_wrong_are_refused_by_key(
    place: Place, run: Run, change: dict[str, object], says: str
) -> None:
    place.file.write_text(json.dumps(place.data | change))
    code, _, complaint = run("look")
    assert code == 2
    assert says.replace("\\", "") in complaint


def test_settings_that_are_missing_and_workers_that_are_not_there_are_said(place: Place, run: Run) -> None:
    code, _, complaint = run("pause", "kaggle")
    assert (code, "There are: colab." in complaint) == (2, True)
    place.file.write_text("{")
    assert run("look")[0] == 2
    place.file.unlink()
    code, _, complaint = run("look")
    assert (code, "docs/workers.md" in complaint) == (2, True)


def test_a_job_of_a_host_may_be_the_look() -> None:
    job = {"name": "w", "when": "every 2min", "builtin": "workers", "arguments": ["look"], "limit": "110s"}
    assert validate(JobsFile, {"jobs": [job]}).jobs[0].builtin == "workers"


def test_the_daily_report_has_uptime_champion_disk_and_workers(
    place: Place, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("colab_status.json", status(START))
    run("look")
    (tmp_path / "champion.pkl").write_bytes(b"x" * 10)
    target = tmp_path / "infrastructure_status.json"
    assert run("report", str(target), "--champion", str(tmp_path / "champion.pkl"))[0] == 0
    shown = json.loads(target.read_bytes())
    assert (shown["timestamp"], shown["workers"]) == ("2026-11-23T18:30:00+00:00", {"colab": "alive"})
    assert (shown["champion"]["name"], shown["champion"]["bytes"]) == ("champion.pkl", 10)
    assert shown["uptime"] > 0 and shown["disk_free_gb"] >= 0
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "free")(12_345_000_000))
    assert run("report", str(target), "--champion", str(tmp_path / "none"))[0] == 0
    assert json.loads(target.read_bytes())["disk_free_gb"] == 12.3
    assert json.loads(target.read_bytes())["champion"] is None
    assert run("report", str(tmp_path / "none" / "x.json"))[0] == 1
