"""A job's run at its edges: what it says at once, where it runs, what proves it."""

import errno
import io
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.journals import OPEN_NS, HandClock
from tests.recorder.test_jobs import job

from harvester.base.market import to_local
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.jobs import process, run
from harvester.jobs.model import JobsFile, Proof
from harvester.jobs.plan import plan_units
from harvester.jobs.process import Ended
from harvester.jobs.records import Records
from harvester.jobs.run import prove, run_job


@pytest.fixture
def records(tmp_path: Path) -> Records:
    (tmp_path / "copy").mkdir()
    return Records(tmp_path / "copy")


def test_what_a_job_says_is_in_the_log_while_it_is_at_work(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Log(io.RawIOBase):
        """The journal of the unit: the job waits until it has the job's first line."""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            (tmp_path / "go").touch()
            return len(data)

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Log())))
    script = f"echo at work; until [ -e {tmp_path}/go ]; do sleep 0.01; done"

    record = run_job(job("sh", "-c", script, limit="5s"), records, HandClock(), {"PATH": os.environ["PATH"]})

    assert record.result == "ok"


@pytest.mark.parametrize("again", [False, True])
def test_a_job_that_is_told_to_stop_while_its_program_starts_leaves_nothing(
    records: Records, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Systemd may stop a unit at any moment; with `again` it tells once more while the program is being ended."""
    started: list[subprocess.Popen[bytes]] = []

    class Program(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGTERM)

        def wait(self, timeout: float | None = None) -> int:
            if again:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().wait(timeout)

    with monkeypatch.context() as patched:
        patched.setattr(process.subprocess, "Popen", Program)
        record = run_job(job("sleep", "600"), records, HandClock(), {"PATH": os.environ["PATH"]})

    [program] = started
    left = program.poll() is None
    program.kill()
    subprocess.Popen.wait(program)
    assert not left
    assert (record.result, record.cause) == ("interrupted", "it was told to stop (SIGTERM)")


def test_a_job_whose_begin_cannot_be_noted_runs_and_has_its_record_and_the_trouble_is_told(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "running.json")

    monkeypatch.setattr(Records, "begin", full)
    clock = HandClock()

    with structlog.testing.capture_logs() as logged, pytest.raises(OSError, match="No space left on device"):
        run_job(job("true"), records, clock, {"PATH": "/usr/bin:/bin"})

    today = to_local(clock.wall_ns()).date()
    assert [(each.job, each.result) for each in records.read(today, today)] == [("copy", "ok")]
    assert [(each["event"], each["job"]) for each in logged] == [("record_not_begun", "copy")]


def test_a_job_runs_in_its_home_or_where_it_has_none_in_its_own_tmp(records: Records, tmp_path: Path) -> None:
    places = []
    for environment in ({}, {"HOME": str(tmp_path)}):
        record = run_job(job("sh", "-c", "pwd; exit 1"), records, HandClock(), {"PATH": "/usr/bin:/bin", **environment})
        places.append(record.cause)

    assert places == ["it ended with 1: /tmp", f"it ended with 1: {tmp_path}"]


def test_a_job_has_of_the_environment_what_is_named_and_its_own_before_that(records: Records) -> None:
    own_environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "AWS_PROFILE": "x"}
    script = 'echo "$LANG $TZ $AWS_PROFILE."; exit 1'

    record = run_job(job("sh", "-c", script, environment={"TZ": "Asia/Kolkata"}), records, HandClock(), own_environment)

    assert record.cause == "it ended with 1: C.UTF-8 Asia/Kolkata ."


def test_a_command_that_no_system_takes_is_named_with_why() -> None:
    assert process.run(["a\0b"], 1, {}, "/") == Ended(None, ("a\0b cannot be started: embedded null byte",))


def test_a_credential_that_cannot_be_read_is_named_and_the_others_are_masked(records: Records, tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    (folder / "a-folder").mkdir(parents=True)
    (folder / "pair").write_text("first-half-of-it\n  second-half-of-it \n")
    environment = {"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": str(folder)}
    with structlog.testing.capture_logs() as logged:
        record = run_job(
            job("sh", "-c", "echo one second-half-of-it; echo first-half-of-it; exit 1"),
            records,
            HandClock(),
            environment,
        )

    assert record.cause == "it ended with 1: one [redacted] / [redacted]"
    assert logged == [
        {
            "event": "credential_unreadable",
            "log_level": "warning",
            "path": str(folder / "a-folder"),
            "detail": "Is a directory",
        }
    ]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no rows; echo at all; exit 4", "it ended with 0, but its proof ended with 4: no rows / at all"),
        ("exec sleep 600", "it ended with 0, but its proof did not end within 1 s"),
    ],
)
def test_a_proof_that_fails_is_quoted(script: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PROOF_SECONDS", 0.6 if "sleep" in script else 60)

    assert prove(Proof(command=("sh", "-c", script)), OPEN_NS, {"PATH": "/usr/bin:/bin"}, "/") == ("unproven", words)


def test_a_proof_without_a_word_is_one(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin"}
    assert prove(Proof(command=("true",)), OPEN_NS, environment, "/") == ("ok", "its proof ended with 0")
    assert prove(Proof(command=("sh", "-c", "echo a; echo b")), OPEN_NS, environment, "/") == ("ok", "a")
    assert prove(Proof(command=("pwd",)), OPEN_NS, environment, str(tmp_path)) == ("ok", str(tmp_path)), "as the job"


def test_the_hours_of_a_job_are_those_of_the_phases_that_the_host_records() -> None:
    jobs = validate(JobsFile, {"jobs": [{"name": "a", "when": "open", "builtin": "verify"}]})
    calendar, today = TradingCalendar.load(), date(2026, 11, 30)

    def opens(**settings: Any) -> list[str]:
        [plan] = plan_units(jobs, calendar, {"symbols": ["NSE:SBIN-EQ"], **settings}, today)
        return [text for text in plan["calendars"] if " 09:" in text]

    assert opens() == opens(calendar=None) == ["*-*-* 09:00:00 Asia/Kolkata"]
    assert opens(calendar={"phases": ["continuous"]}) == ["*-*-* 09:15:00 Asia/Kolkata"]
