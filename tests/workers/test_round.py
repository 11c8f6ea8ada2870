"""A round: reports, repairs, restarts and what people are told, also when it is killed between any two steps."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workers.conftest import Place, report
from tests.workers.notebooks import notebook, sources
from tests.workers.weeks import HOUR, MINUTE, START, stamp, status

from harvester.base.errors import HarvesterError
from harvester.workers import round as rounds
from harvester.workers.mailbox import FolderMailbox, MailboxError, take
from harvester.workers.round import look_at


def test_a_report_is_logged_repaired_answered_by_a_signal_and_told_with_the_lines_that_changed(place: Place) -> None:
    place.put("colab_status.json", status(START))
    place.put("train.ipynb", notebook(["import torch\nbatch_size = 64\nlr = 1e-3\n"]))
    place.put("error_report.json", report())
    look_at(place.parts())
    assert sources((place.box / "train.ipynb").read_bytes()) == ["import torch\nbatch_size = 32\nlr = 1e-3\n"]
    assert not (place.box / "error_report.json").exists()
    signal = place.signal()
    assert signal == {
        "action": "restart_training",
        "reason": "OOM",
        "requested_at": stamp(START),
        "requested_by": "host-1",
        "repair_applied": True,
    }
    [told] = place.told()
    assert told[:2] == ("WARNING", "reported OOM")
    assert told[2].splitlines() == [
        "The worker colab reported OOM",
        "RuntimeError: CUDA out of memory",
        "The notebook train.ipynb was repaired; restart 1 of 3 in 24 hours was asked for.",
        "cell 1: - batch_size = 64",
        "cell 1: + batch_size = 32",
    ]
    [logged] = place.lines("errors/errors_*.jsonl")
    assert (logged["error_message"], logged["iteration"], logged["door"]) == (
        "CUDA out of memory",
        7,
        "error_report.json",
    )
    assert (place.folder / "errors").stat().st_mode & 0o777 == 0o750
    done = place.lines("repairs.jsonl")[-1]
    assert (done["iteration"], done["notebook_id"], done["error_message"]) == (7, "train.ipynb", "CUDA out of memory")
    assert done["patch_applied"] and done["restart_sent"] and done["error_type"] == "OOM"


def test_the_overseer_shows_each_hour_that_it_lives(place: Place) -> None:
    for _ in range(60):
        look_at(place.parts())
        place.clock.now_ns += 2 * MINUTE
    shown = json.loads((place.box / "linux_heartbeat.json").read_bytes())
    assert shown == {
        "timestamp": stamp(START + HOUR),
        "host": "host-1",
        "status": "slow",
        "next_check": stamp(START + 2 * HOUR),
    }


def test_the_older_name_of_a_report_is_read_too(place: Place) -> None:
    place.put("colab_error_report.json", report("KeyError", "'close'"))
    look_at(place.parts())
    assert [each[:2] for each in place.told()] == [("WARNING", "reported DATA_ERROR")]
    assert place.signal() is None


def test_the_same_report_by_two_doors_counts_once(make_place: Callable[..., Place], tmp_path: Path) -> None:
    door = tmp_path / "door"
    door.mkdir()
    place = make_place(inboxes=[str(door)])
    place.put("train.ipynb", notebook(["batch_size = 64"]))
    place.put("error_report.json", report())
    (door / "0001.json").write_text(json.dumps(dict(sorted(report().items()))))
    look_at(place.parts())
    look_at(place.parts())
    assert sources((place.box / "train.ipynb").read_bytes()) == ["batch_size = 32"]
    assert len(place.told()) == 1
    assert len(place.lines("errors/errors_*.jsonl")) == 1
    assert list(door.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 70_000,
        b'{"error_type": 3}',
        b"{}",
        b'{"error_type": "x", "iteration": NaN}',
        b"x" * 70_000,
    ],
)
def test_what_is_no_report_is_removed_and_does_nothing(place: Place, content: bytes) -> None:
    place.put("error_report.json", content)
    look_at(place.parts())
    assert not (place.box / "error_report.json").exists()
    assert place.told() == []
    assert place.signal() is None


def test_a_report_in_another_language_with_html_is_told_as_plain_text(place: Place) -> None:
    french = (
        "Trace d'appels :\n  à com.exemple.Entraînement.main(Entraînement.java:12)\n\x1b[31m<script>alert(1)</script>"
    )
    place.put(
        "error_report.json",
        report("java.lang.IllegalStateException", "<b>état</b> inattendu\x00\x1b[2J", stacktrace=french),
    )
    look_at(place.parts())
    [(severity, cause, text)] = place.told()
    assert (severity, cause) == ("CRITICAL", "reported UNKNOWN")
    assert "\x1b" not in text and "<b>état</b>" in text


def _die(place: Place, count: int, kind: str, message: str) -> list[tuple[str, str, str]]:
    """So many deaths, a quarter of an hour apart, each after a sign of life."""
    for death in range(count):
        place.clock.now_ns = at = START + death * 15 * MINUTE
        place.put("colab_status.json", status(at - MINUTE, death))
        place.put("error_report.json", report(kind, message, at=at))
        look_at(place.parts())
    return place.told()


def test_three_deaths_in_an_hour_use_the_budget_up_and_then_a_person_is_asked(place: Place) -> None:
    told = _die(place, 4, "ConnectionError", "reset")
    assert [each[0] for each in told] == ["WARNING", "WARNING", "WARNING", "CRITICAL"]
    assert told[3][2].endswith("It was restarted 3 times in 24 hours, so it was not restarted again.")
    assert len(rounds.load(place.parts().memory).restarts) == 3


def test_a_kind_is_repaired_three_times_a_day_and_then_a_person_is_asked(make_place: Callable[..., Place]) -> None:
    place = make_place(restarts_a_day=9)
    place.put("train.ipynb", notebook(["batch_size = 512"]))
    told = _die(place, 4, "MemoryError", "")
    assert [each[0] for each in told] == ["WARNING", "WARNING", "WARNING", "CRITICAL"]
    assert told[3][2].endswith(
        "The notebook train.ipynb was repaired 3 times in 24 hours for this; it was not restarted."
    )
    assert sources((place.box / "train.ipynb").read_bytes()) == ["batch_size = 64"]
    assert sorted(path.name for path in place.folder.glob("*.backup.*")) == [
        f"train.ipynb.backup.{n}" for n in (1, 2, 3)
    ]


def test_a_report_of_yesterday_restarts_nobody(place: Place) -> None:
    place.put("colab_status.json", status(START))
    place.put("error_report.json", report("ConnectionError", "reset", at=START - 20 * HOUR))
    look_at(place.parts())
    assert place.signal() is None
    assert "the report is old" in place.told()[0][2].lower()


def test_a_report_without_a_zone_is_of_the_workers_own(make_place: Callable[..., Place]) -> None:
    place = make_place(zone="America/Los_Angeles")
    place.put("error_report.json", report("ConnectionError", "reset", timestamp="2026-11-23T10:30:00"))
    look_at(place.parts())
    assert place.signal() is not None, "it is of this moment"


def test_a_mailbox_that_takes_no_signal_is_asked_again_and_the_restart_is_forgotten_in_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("error_report.json", report("ConnectionError", "reset"))
    refused = []

    def put(_: object, name: str, __: bytes) -> None:
        refused.append(name)
        raise MailboxError("drive: full")

    with monkeypatch.context() as patched:
        patched.setattr(FolderMailbox, "put", put)
        look_at(place.parts())
        place.clock.now_ns += 2 * MINUTE
        look_at(place.parts())
    assert refused.count("restart_requested.json") == 2
    place.clock.now_ns += 2 * MINUTE
    look_at(place.parts())
    assert place.signal() is not None
    assert [each[1] for each in place.told()] == ["reported CONNECTION"]


@pytest.mark.parametrize("alive", [False, True])
def test_a_signal_that_came_too_late_is_not_put_and_people_hear_of_it(
    alive: bool, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its last sign of life is of the very moment at which its restart was decided."""
    if alive:
        place.put("colab_status.json", status(START))
    place.put("error_report.json", report("ConnectionError", "reset"))
    with monkeypatch.context() as patched:
        patched.setattr(FolderMailbox, "put", _refuse)
        look_at(place.parts())
    place.clock.now_ns += 31 * MINUTE
    look_at(place.parts())
    assert place.signal() is None
    assert [each[1] for each in place.told()] == ["reported CONNECTION", "signal"]


def test_a_worker_that_lives_again_is_not_restarted_by_what_was_decided_before(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("error_report.json", report("ConnectionError", "reset"))
    with monkeypatch.context() as patched:
        patched.setattr(FolderMailbox, "put", _refuse)
        look_at(place.parts())
    place.clock.now_ns += 4 * MINUTE
    place.put("colab_status.json", status(START + 3 * MINUTE))
    look_at(place.parts())
    assert place.signal() is None
    assert [each[1] for each in place.told()] == ["reported CONNECTION"]


def _refuse(*_: object) -> None:
    raise MailboxError("drive: full")


def test_a_folder_that_is_removed_is_unknown_and_not_death(place: Place) -> None:
    place.put("colab_status.json", status(START))
    look_at(place.parts())
    shutil.rmtree(place.box)
    for _ in range(100):
        place.clock.now_ns += 2 * MINUTE
        memory = look_at(place.parts())
    assert memory.state == "unknown"
    assert [each[:2] for each in place.told()] == [("WARNING", "unseen")]


def test_a_memory_that_is_damaged_is_said_and_not_replaced(place: Place) -> None:
    look_at(place.parts())
    memory = place.folder / "memory.json"
    memory.write_bytes(b"{")
    with pytest.raises(HarvesterError, match=r"memory\.json: what is known of the worker cannot be read"):
        look_at(place.parts())
    assert memory.read_bytes() == b"{"


@pytest.mark.parametrize(("says", "told"), [("no GPU left", "no GPU left"), ("", "it said nothing")])
def test_a_restart_command_runs_and_its_failure_is_told(
    says: str, told: str, make_place: Callable[..., Place], tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    place = make_place(restart_command=["sh", "-c", f"echo x >> {ran}; echo {says} >&2; exit 3"])
    place.put("error_report.json", report("ConnectionError", "reset"))
    look_at(place.parts())
    assert ran.read_text() == "x\n" and place.told()[1][1] == "command"
    assert place.told()[1][2].endswith(f"sh ended with 3: {told}.")


def test_a_file_that_changes_while_it_is_acted_on_is_acted_on_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    box, seen = FolderMailbox(tmp_path), []

    def act(data: bytes) -> None:
        seen.append(data)
        if data == b"1":
            (tmp_path / "a").write_text("2")

    assert take(box, "a", act)
    assert seen == [b"1", b"2"]
    assert not (tmp_path / "a").exists()
    assert not take(box, "a", act)
