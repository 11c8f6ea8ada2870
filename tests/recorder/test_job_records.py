"""A job's times, records and list at their edges: what is due, what is kept, what is said of a broken folder."""

import errno
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.journals import OPEN_NS, HandClock
from tests.recorder.test_jobs import DAY, HOUR_NS, job

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError
from harvester.base.validation import validate
from harvester.health.installed import Installed
from harvester.health.systemd import SystemdError
from harvester.jobs import listing, own
from harvester.jobs.ask import is_due
from harvester.jobs.model import JobsFile, load_jobs
from harvester.jobs.records import ASKED, KEPT_DAYS, MOST_CAUSE, MOST_PROOF, Record, Records, Running
from harvester.jobs.run import run_job
from harvester.jobs.unit import close_record, ended_well

SECOND_NS = NS_PER_SECOND


@pytest.fixture
def records(tmp_path: Path) -> Records:
    (tmp_path / "copy").mkdir()
    return Records(tmp_path / "copy")


def ran(records: Records, *began_ns: int) -> None:
    for at_ns in began_ns:
        records.append(Running(job="copy", began_ns=at_ns).end(at_ns, "failed"))


@pytest.mark.parametrize(
    ("now_s", "began_s", "due"),
    [
        (-6, [], False),
        (-5, [], True),  # systemd's clock is that much ahead of ours
        (0, [-5], False),
        (0, [-6], True),
        (3600, [0], False),
        (3600, [-86_400], True),
        (30 * 3600, [], True),  # the host slept all day and night
        (30 * 3600, [29 * 3600], False),
    ],
)
def test_a_job_is_due_from_its_time_until_a_run_has_begun(
    records: Records, tmp_path: Path, now_s: int, began_s: list[int], due: bool
) -> None:
    """At 9:30 of trading days, and the first of them is the day on which it came to the host."""
    noon = OPEN_NS + 900 * SECOND_NS
    (tmp_path / "copy/since").touch()
    os.utime(tmp_path / "copy/since", ns=(noon, noon))
    ran(records, *(noon + at * SECOND_NS for at in began_s))
    daily = job("true", when="9:30", days="trading")

    def hours(day: date) -> tuple[int, int] | None:
        return (OPEN_NS, OPEN_NS + HOUR_NS) if day == DAY else None

    assert is_due(daily, records, hours, noon + now_s * SECOND_NS) == due
    assert not is_due(daily, records, lambda _: None, noon + now_s * SECOND_NS), "a holiday"


def test_a_job_is_not_due_before_it_came_to_the_host(records: Records, tmp_path: Path) -> None:
    noon = OPEN_NS + 900 * SECOND_NS
    assert not is_due(job("true", when="9:30"), records, lambda _: None, noon), "its deploy is under way"
    (tmp_path / "copy/since").touch()
    os.utime(tmp_path / "copy/since", ns=(noon + 1, noon + 1))

    assert not is_due(job("true", when="9:30"), records, lambda _: None, noon + HOUR_NS)


@pytest.mark.parametrize(("noted", "granted"), [("x", False), ("", False), ("5", True)])
def test_a_wish_that_is_no_moment_is_taken_away_and_granted_to_nobody(
    records: Records, tmp_path: Path, noted: str, granted: bool
) -> None:
    records.ask(5)
    assert (tmp_path / "copy" / ASKED).stat().st_mode & 0o777 == 0o644, "who runs the job reads what its operator asks"
    (tmp_path / "copy" / ASKED).write_text(noted)

    assert records.take_asked(6) == granted
    assert not (tmp_path / "copy" / ASKED).exists() and not records.take_asked(6)


def test_the_newest_run_is_looked_for_on_so_many_days(records: Records) -> None:
    ran(records, OPEN_NS, OPEN_NS + 1, OPEN_NS - 24 * HOUR_NS)

    def began(last: date, days: int) -> int | None:
        found = records.newest(last, days)
        return found.began_ns if found else None

    assert began(DAY, 1) == OPEN_NS + 1
    assert (began(date(2026, 11, 25), 3), began(date(2026, 11, 25), 2)) == (OPEN_NS + 1, None)
    assert [each.began_ns for each in records.read(date(2026, 11, 22), DAY)] == [
        OPEN_NS - 24 * HOUR_NS, OPEN_NS, OPEN_NS + 1,
    ]  # fmt: skip


def test_a_record_has_so_much_of_what_was_said(records: Records) -> None:
    record = Running(job="copy", began_ns=OPEN_NS, invocation="1f").end(OPEN_NS, "ok", cause="c" * 999, proof="p" * 999)

    assert record == Record(
        job="copy", began_ns=OPEN_NS, ended_ns=OPEN_NS, result="ok", proof="p" * MOST_PROOF, cause="c" * MOST_CAUSE,
        invocation="1f",
    )  # fmt: skip


def test_what_is_left_of_a_run_that_cannot_be_read_hinders_no_other(records: Records, tmp_path: Path) -> None:
    (tmp_path / "copy/running.json").write_text("{")
    with structlog.testing.capture_logs() as logged:
        assert records.running() is None
        assert run_job(job("true"), records, HandClock(), {"PATH": "/usr/bin:/bin"}).result == "ok"

    assert logged[0]["event"] == "running_unreadable"
    assert logged[0]["path"] == str(tmp_path / "copy/running.json")


@pytest.mark.parametrize(
    ("said", "well"),
    [({}, True), ({"SERVICE_RESULT": "success"}, True), ({"SERVICE_RESULT": "exec-condition"}, True),
     ({"SERVICE_RESULT": "exit-code"}, False)],
)  # fmt: skip
def test_a_run_of_a_unit_is_well_as_systemd_says(said: dict[str, str], well: bool) -> None:
    assert ended_well(said) == well


def test_a_watchdog_that_ends_a_run_is_named(records: Records) -> None:
    records.begin(Running(job="copy", began_ns=OPEN_NS, invocation="1f"))

    record = close_record(records, {"SERVICE_RESULT": "watchdog", "INVOCATION_ID": "1f"}, OPEN_NS)

    assert record and (record.result, record.invocation) == ("killed", "1f")
    assert record.cause == "systemd ended it, because it gave no sign of life"


def installed_of(root: Path) -> Installed:
    facts = {
        "host_id": "h1", "root": str(root), "config": "/c", "data_dir": str(root), "status_file": "/s",
        "handover": "/t", "facts": "/f", "services": [], "timers": [], "units": [], "alerts": {"inbox": "/i"},
    }  # fmt: skip
    return validate(Installed, facts)


def test_a_list_says_what_cannot_be_read_and_does_without_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: object) -> Any:
        raise SystemdError("no bus")

    monkeypatch.setattr(listing, "look_at_units", silent)
    (tmp_path / "jobs/copy").mkdir(parents=True)
    (tmp_path / "jobs/copy" / f"{DAY}.jsonl").mkdir()
    jobs = validate(JobsFile, {"jobs": [{"name": "copy", "when": "16:00", "command": ["true"]}]})

    answer = listing.list_jobs(installed_of(tmp_path), jobs, OPEN_NS)

    assert answer["host"] == "h1"
    row = answer["jobs"][-1]
    assert row == {
        "name": "copy", "builtin": False, "when": "16:00", "unit": "harvester-job-copy", "running_since_ns": None,
        "next_ns": None, "last": None, "why": f"{tmp_path}/jobs/copy/{DAY}.jsonl: Is a directory",
    }  # fmt: skip


def test_a_list_has_runs_of_as_many_days_as_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "look_at_units", lambda _: {})
    (tmp_path / "jobs/copy").mkdir(parents=True)
    ran(Records(tmp_path / "jobs/copy"), OPEN_NS)
    jobs = validate(JobsFile, {"jobs": [{"name": "copy", "when": "16:00", "command": ["true"]}]})

    def last(days: int) -> Any:
        return listing.list_jobs(installed_of(tmp_path), jobs, OPEN_NS + days * 24 * HOUR_NS)["jobs"][-1]["last"]

    assert last(KEPT_DAYS - 1)["began_ns"] == OPEN_NS and last(KEPT_DAYS) is None


@pytest.mark.parametrize(
    ("code", "message", "result", "cause"),
    [
        (0, "a warning", "ok", ""),
        (2, "harvester: no\n  lake ", "failed", "harvester: no lake"),
        (3, " ", "failed", "it ended with 3"),
    ],
)
def test_a_built_in_job_records_what_it_said_or_its_exit_code(
    records: Records, monkeypatch: pytest.MonkeyPatch, code: int, message: str, result: str, cause: str
) -> None:
    monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: OPEN_NS)
    own.OwnRecord("copy", records).end(code, message)

    [record] = records.read(DAY, DAY)
    assert (record.job, record.result, record.cause) == ("copy", result, cause)


def test_a_built_in_job_of_a_host_whose_facts_are_damaged_says_that_it_has_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "installed.json").write_text("{")
    monkeypatch.setenv("HARVESTER_INSTALLED", str(tmp_path / "installed.json"))
    monkeypatch.setenv("HARVESTER_JOB", "verify")

    assert own.own_record() is None and own.own_record() is None
    said = capsys.readouterr().err
    assert said.startswith("harvester: this run has no record: ") and "installed.json" in said
    assert said.count("\n") == 1, "once: no command that it starts is a job"


def test_a_file_of_jobs_that_a_person_names_must_be_there_and_the_host_s_need_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARVESTER_JOBS", str(tmp_path / "jobs.json"))
    assert load_jobs() == JobsFile()
    with pytest.raises(ConfigError, match=r"jobs\.json: there is no such file\.$"):
        load_jobs(tmp_path / "jobs.json")
    with pytest.raises(ConfigError, match=r"There is no job a here; there are: none\. Jobs come from the inventory\."):
        JobsFile().find("a")
    with pytest.raises(ConfigError, match=rf"^{tmp_path}: the jobs cannot be read \(Is a directory\)\. \./inv deploy"):
        load_jobs(tmp_path)
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": [{"name": "a", "when": "16:00"}]}))
    with pytest.raises(
        ConfigError, match=r"they are refused\. \./inv deploy writes them\.\n.*must have either a command"
    ):
        load_jobs()


@pytest.mark.parametrize(
    ("disk", "memory", "refused"), [("1023M", "1G", False), ("1024M", "1G", True), ("1G", "1025M", False)]
)
def test_the_tmp_of_a_job_is_smaller_than_its_memory_in_whatever_unit(disk: str, memory: str, refused: bool) -> None:
    try:
        made = job("true", disk=disk, memory=memory)
    except ValueError as error:
        assert refused and "disk must be less than memory" in str(error)
    else:
        assert not refused and made.within_seconds == 720


def test_a_job_says_itself_how_long_it_may_take_until_it_is_done() -> None:
    assert job("true", within="2h").within_seconds == 7200
    assert job("true", days="trading").trading_days and not job("true").trading_days
    assert job("true", when="close").trading_days


def test_a_run_is_under_way_until_its_record_is_written_whatever_hinders_that(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a power cut before the sync: the next run finds what is left, and its record comes after all."""
    records.begin(Running(job="copy", began_ns=OPEN_NS))
    ended = Running(job="copy", began_ns=OPEN_NS).end(OPEN_NS + 1, "ok")
    for hindered in ("os.fsync", "harvester.jobs.records.write_all"):
        with monkeypatch.context() as full, pytest.raises(OSError, match="No space"):
            full.setattr(hindered, fails_for_want_of_room)
            records.append(ended)
        assert records.running() == Running(job="copy", began_ns=OPEN_NS), hindered

    records.begin(Running(job="copy", began_ns=OPEN_NS + 2))
    assert [each.result for each in records.read(DAY, DAY)][-1] == "interrupted"


def fails_for_want_of_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
