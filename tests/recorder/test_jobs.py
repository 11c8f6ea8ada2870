"""A job's entry, its run under a limit, and the record of each run, whatever becomes of it."""

import json
import os
import signal
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.journals import OPEN_NS, HandClock

from harvester import cli
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.validation import Refused, validate
from harvester.calendar import TradingCalendar
from harvester.health.facts import Unit
from harvester.jobs import listing, process
from harvester.jobs.model import Job, JobsFile, Proof
from harvester.jobs.plan import plan_units
from harvester.jobs.records import Record, Records, Running
from harvester.jobs.run import prove, run_job
from harvester.jobs.unit import close_record
from lab.testing import wait_until

DAY = date(2026, 11, 23)
HOUR_NS = 3600 * NS_PER_SECOND
FORCED = "it did not end within 1 s, and ignored SIGTERM, so it was killed: begun"
UNSEEN = "it ended with 0, but {home}/out cannot be seen: No such file or directory"


def job(*command: str, **changes: Any) -> Job:
    entry: dict[str, Any] = {"name": "copy", "when": "16:00", "command": list(command)} | changes
    if not command:
        del entry["command"]
    return validate(Job, entry)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    (tmp_path / "copy").mkdir()
    return Records(tmp_path / "copy")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "INVOCATION_ID": "1f",
        "SECRET": "not passed on",
    }


def ran(records: Records, environment: dict[str, str], entry: Job) -> Record:
    """The record that a run left, and that it returned."""
    record = run_job(entry, records, HandClock(), environment)
    assert records.read(DAY, DAY) == [record]
    assert records.running() is None
    return record


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([{"name": "a"}, {"name": "a"}], "jobs names twice: a"),
        ([{"name": "close"}], "close is the name of a built-in job: give yours another"),
        ([{"when": "now and then"}], "jobs[0].when: is no schedule: write open-10m"),
        ([{"command": []}], "must have either a command or a builtin"),
        ([{"builtin": "verify"}], "must have either a command or a builtin"),
        ([{"arguments": ["x"]}], "arguments go with a builtin"),
        ([{"limit": "5"}], "jobs[0].limit: must be a time such as 90s"),
        ([{"limit": "0s"}], "limit must be a second at least"),
        ([{"when": "every 5min", "limit": "5min"}], "limit must be shorter than the interval"),
        ([{"disk": "128M"}], "disk must be less than memory"),
        ([{"user": "Trader Joe"}], "jobs[0].user"),
        ([{"proof": {}}], "proof names either a file or a command"),
        ([{"colour": "red"}], "jobs[0].colour: unknown key"),
        ([{"name": None}], "jobs[0].name"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_in_a_sentence(entries: list[dict[str, Any]], says: str) -> None:
    plain = {"name": "a", "when": "16:00", "command": ["true"]}

    with pytest.raises(Refused) as refused:
        validate(JobsFile, {"jobs": [plain | entry for entry in entries]})

    assert says in str(refused.value)


def test_the_role_gets_every_default_and_the_calendars_of_each_timer() -> None:
    jobs = validate(JobsFile, {"jobs": [{"name": "a_b", "when": "close+30m", "builtin": "verify"}]})

    [plan] = plan_units(jobs, TradingCalendar.load(), {"symbols": ["NSE:SBIN-EQ"]}, date(2026, 11, 30))

    assert plan["unit"] == "harvester-job-a_b"
    assert (plan["asks"], plan["persistent"], plan["limit"], plan["within_seconds"]) == (True, True, 600, 720)
    assert "*-*-* 16:05:00 Asia/Kolkata" in plan["calendars"]
    assert json.dumps(plan)


def test_a_run_that_ends_well_leaves_a_record_and_what_it_said_in_the_log(
    records: Records, environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    record = ran(records, environment, job("sh", "-c", "echo at work; env"))

    assert (record.result, record.cause, record.invocation) == ("ok", "", "1f")
    said = capfd.readouterr().out
    assert "at work" in said
    assert "not passed on" not in said


def test_a_run_that_fails_has_its_last_words_as_the_cause(records: Records, environment: dict[str, str]) -> None:
    record = ran(records, environment, job("sh", "-c", "echo one; echo two; echo No space left >&2; exit 3"))

    assert (record.result, record.cause) == ("failed", "it ended with 3: one / two / No space left")


def test_a_program_that_is_not_there_is_named(records: Records, environment: dict[str, str]) -> None:
    record = ran(records, environment, job("no-such-program"))

    assert record.cause == "no-such-program cannot be started: No such file or directory"


def test_a_run_that_is_killed_says_by_which_signal(records: Records, environment: dict[str, str]) -> None:
    assert ran(records, environment, job("sh", "-c", "kill -KILL $$")).cause == "it was ended by signal 9"


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("echo begun; exec sleep 600", "it did not end within 1 s: begun"),
        (
            "trap '' TERM; echo begun; sleep 600",
            "it did not end within 1 s, and ignored SIGTERM, so it was killed: begun",
        ),
    ],
)
def test_a_run_that_does_not_end_is_ended_with_all_that_it_started(
    script: str, cause: str, records: Records, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.3)
    script = f"sleep 600 & echo $! >$HOME/child; {script}"

    record = ran(records, environment, job("sh", "-c", script, limit="1s"))

    assert (record.result, record.cause) == ("timeout", cause)
    child = Path(environment["HOME"], "child").read_text().strip()
    assert wait_until(lambda: not is_alive(child), 60)


def test_what_a_run_left_behind_in_the_background_ends_with_it(records: Records, environment: dict[str, str]) -> None:
    script = "sleep 600 >/dev/null 2>&1 & echo $! >$HOME/child; echo done"

    record = ran(records, environment, job("sh", "-c", script))

    assert record.result == "ok"
    child = Path(environment["HOME"], "child").read_text().strip()
    assert wait_until(lambda: not is_alive(child), 60)


def is_alive(pid: str) -> bool:
    """Whether it runs: one that was ended may wait for its parent."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_secrets_of_its_credentials_are_in_neither_record_nor_log(
    records: Records, environment: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/token").write_text("hush-hush-hush\n")
    (tmp_path / "credentials/tokens").write_text("one hush-one-hush\n\ttwo hush-two-hush  \n")
    environment["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")

    script = 'cd $CREDENTIALS_DIRECTORY; echo "got $(cat token)"; echo "and $(tail -n 1 tokens)"; exit 1'
    record = ran(records, environment, job("sh", "-c", script))

    assert " ".join(record.cause.split()) == "it ended with 1: got [redacted] / and [redacted]"
    assert "hush" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("proof", "script", "result", "words"),
    [
        ({"command": ["echo", "300 rows"]}, "true", "ok", "300 rows"),
        ({"command": ["false"]}, "true", "unproven", "it ended with 0, but its proof ended with 1"),
        ({"file": "{home}/out"}, "echo data >$HOME/out", "ok", "{home}/out: 5 bytes"),
        (
            {"file": "{home}/out"},
            "true",
            "unproven",
            "it ended with 0, but {home}/out cannot be seen: No such file or directory",
        ),
        ({"file": "{home}/out"}, ">$HOME/out", "unproven", "it ended with 0, but {home}/out is empty"),
        (
            {"file": "{home}/out"},
            "echo data >$HOME/out; touch -d 2020-01-01 $HOME/out",
            "unproven",
            "it ended with 0, but {home}/out is from before the run",
        ),
        ({"command": ["echo", "never asked"]}, "exit 1", "failed", "it ended with 1"),
    ],
)
def test_a_run_is_only_well_when_it_is_proven(
    proof: dict[str, Any], script: str, result: str, words: str, records: Records, environment: dict[str, str]
) -> None:
    home = environment["HOME"]
    proof = {key: value.format(home=home) if isinstance(value, str) else value for key, value in proof.items()}

    record = ran(records, environment, job("sh", "-c", script, proof=proof))

    assert (record.result, record.proof or record.cause) == (result, words.format(home=home))


@pytest.mark.parametrize(
    ("written_ns", "result"),
    [(OPEN_NS - 1, "unproven"), (OPEN_NS, "ok"), (OPEN_NS + 700_000_000, "ok"), (OPEN_NS + HOUR_NS, "ok")],
)
def test_a_file_of_the_second_in_which_the_run_began_proves_it_where_a_file_system_keeps_whole_seconds(
    tmp_path: Path, environment: dict[str, str], written_ns: int, result: str
) -> None:
    (tmp_path / "out").write_text("rows")
    os.utime(tmp_path / "out", ns=(written_ns, written_ns))

    assert prove(Proof(file=tmp_path / "out"), OPEN_NS + 700_000_000, environment, str(tmp_path))[0] == result


def test_a_run_that_is_told_to_stop_ends_its_program_and_says_so(records: Records, environment: dict[str, str]) -> None:
    ready = Path(environment["HOME"], "ready")

    def stop() -> None:
        while not ready.exists():
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    teller = threading.Thread(target=stop)
    teller.start()
    record = ran(records, environment, job("sh", "-c", "touch $HOME/ready; exec sleep 600"))
    teller.join()

    assert (record.result, record.cause) == ("interrupted", "it was told to stop (SIGTERM)")


def test_a_builtin_is_a_command_of_the_same_release(records: Records, environment: dict[str, str]) -> None:
    record = ran(records, environment, job(builtin="verify", arguments=["/nowhere"]))

    assert record.result == "failed"
    assert "/nowhere" in record.cause


def test_a_job_runs_although_its_record_cannot_be_written(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(FileNotFoundError):
        run_job(job("sh", "-c", "touch $HOME/done"), Records(tmp_path / "gone"), HandClock(), environment)

    assert Path(environment["HOME"], "done").exists()


def test_a_run_that_died_with_the_host_has_its_record_at_the_next_one(
    records: Records, environment: dict[str, str]
) -> None:
    records.begin(Running(job="copy", began_ns=OPEN_NS - HOUR_NS))

    run_job(job("true"), records, HandClock(), environment)

    first, second = records.read(DAY, DAY)
    assert (first.result, first.began_ns, first.ended_ns) == ("interrupted", OPEN_NS - HOUR_NS, OPEN_NS)
    assert first.cause == "the host or the run ended without a word"
    assert second.result == "ok"


def test_a_second_run_of_a_job_is_refused_while_the_first_is_under_way_whose_record_it_leaves_alone(
    records: Records, environment: dict[str, str]
) -> None:
    home, refusals = Path(environment["HOME"]), list[str]()

    def run_by_hand() -> None:
        wait_until((home / "begun").exists, 60)
        try:
            run_job(job("touch", str(home / "twice")), records, HandClock(), environment | {"INVOCATION_ID": ""})
        except HarvesterError as refused:
            refusals.append(str(refused))
        finally:
            (home / "go").touch()

    by_hand = threading.Thread(target=run_by_hand)
    by_hand.start()
    first = ran(records, environment, job("sh", "-c", "touch $HOME/begun; until [ -e $HOME/go ]; do sleep 0.02; done"))
    by_hand.join()

    assert (first.result, first.invocation) == ("ok", "1f")
    assert len(refusals) == 1 and refusals[0].startswith("copy: another run of this job is at work")
    assert not (home / "twice").exists()


def test_the_end_of_a_unit_closes_no_record_of_a_run_by_hand(records: Records) -> None:
    records.begin(Running(job="copy", began_ns=OPEN_NS))

    assert close_record(records, {"SERVICE_RESULT": "exit-code", "INVOCATION_ID": "1f"}, OPEN_NS + HOUR_NS) is None
    assert records.running() is not None


def test_a_line_that_a_power_cut_tore_costs_no_other(tmp_path: Path, records: Records) -> None:
    well = Running(job="copy", began_ns=OPEN_NS).end(OPEN_NS + 1, "ok")
    records.append(well)
    path = tmp_path / "copy/2026-11-23.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:20])

    records.append(well)

    assert records.read(DAY, DAY) == [well, well]


def test_each_record_is_a_line_and_nothing_else_is_in_the_file(tmp_path: Path, records: Records) -> None:
    for number in range(3):
        records.append(Running(job="copy", began_ns=OPEN_NS + number).end(OPEN_NS + number, "ok"))

    lines = (tmp_path / "copy" / f"{DAY}.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line)["began_ns"] for line in lines[:-1]] == [OPEN_NS, OPEN_NS + 1, OPEN_NS + 2]
    assert lines[-1] == b""


def test_a_line_that_cannot_be_read_is_named_by_its_number(tmp_path: Path, records: Records) -> None:
    records.append(Running(job="copy", began_ns=OPEN_NS).end(OPEN_NS, "ok"))
    path = tmp_path / "copy/2026-11-23.jsonl"
    path.write_bytes(path.read_bytes() + b"{\n")

    with structlog.testing.capture_logs() as logged:
        assert len(records.read(DAY, DAY)) == 1

    assert logged == [{"event": "record_unreadable", "log_level": "warning", "path": str(path), "line": 2}]


def test_records_are_kept_for_two_months(tmp_path: Path, records: Records) -> None:
    for day in ("2026-09-21", "2026-09-22"):
        (tmp_path / f"copy/{day}.jsonl").write_text("")

    records.append(Running(job="copy", began_ns=OPEN_NS).end(OPEN_NS, "ok"))

    assert sorted(path.name for path in (tmp_path / "copy").glob("*.jsonl")) == ["2026-09-22.jsonl", "2026-11-23.jsonl"]


@pytest.mark.parametrize(
    ("said", "result", "cause"),
    [
        ({"SERVICE_RESULT": "oom-kill"}, "killed", "the kernel ended it, because it needed more memory"),
        ({"SERVICE_RESULT": "timeout"}, "timeout", "systemd ended it, because the unit took too long"),
        (
            {"SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL"},
            "killed",
            "it ended without a word (signal, killed KILL)",
        ),
        ({}, "killed", "it ended without a word (no result)"),
    ],
)
def test_what_a_killed_run_cannot_record_systemd_says(
    said: dict[str, str], result: str, cause: str, records: Records
) -> None:
    records.begin(Running(job="copy", began_ns=OPEN_NS))

    record = close_record(records, said, OPEN_NS + HOUR_NS)

    assert record
    assert (record.result, record.ended_ns) == (result, OPEN_NS + HOUR_NS)
    assert record.cause.startswith(cause)
    assert close_record(records, said, OPEN_NS + HOUR_NS) is None


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with the jobs `well` and `bad`, and the moment of `OPEN_NS`."""
    facts = {
        "host_id": "h1",
        "root": str(tmp_path),
        "config": str(tmp_path / "config.json"),
        "data_dir": str(tmp_path),
        "status_file": str(tmp_path / "status"),
        "handover": str(tmp_path / "token"),
        "facts": str(tmp_path / "facts"),
        "services": [],
        "timers": [],
        "units": [],
        "alerts": {"inbox": str(tmp_path / "inbox")},
    }
    (tmp_path / "installed.json").write_text(json.dumps(facts))
    jobs = [
        {"name": "well", "when": "close+30m", "command": ["true"]},
        {"name": "bad", "when": "16:00", "command": ["false"], "on_failure": "critical"},
    ]
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": jobs}))
    for name in ("inbox", "run", "jobs/well", "jobs/bad", "jobs/verify"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("well", "bad", "verify"):
        since = tmp_path / "jobs" / name / "since"
        since.touch()
        os.utime(since, ns=(OPEN_NS - 48 * HOUR_NS,) * 2)
    monkeypatch.setenv("HARVESTER_INSTALLED", str(tmp_path / "installed.json"))
    monkeypatch.setenv("HARVESTER_JOBS", str(tmp_path / "jobs.json"))
    monkeypatch.setenv("HARVESTER_CONFIG", "")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setenv("INVOCATION_ID", "9a")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def notices(host: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((host / "inbox").glob("[!.]*"))]


def test_a_failed_run_is_told_once_with_its_cause_and_by_whom(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.run(["job", "run", "bad"]) == 1
    monkeypatch.setenv("SERVICE_RESULT", "exit-code")
    assert cli.run(["job", "ended", "bad"]) == 0

    [notice] = notices(host)
    assert (notice["severity"], notice["source"]) == ("critical", "harvester-job-bad.service")
    assert notice["text"] == "The job bad failed\nit ended with 1"
    assert "sudo systemctl start harvester-job-bad" in notice["remedy"]
    assert (host / "run/told").read_text() == "9a"


def test_a_unit_that_found_its_job_at_work_by_hand_says_so_and_the_run_by_hand_stays(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = Records(host / "jobs/bad")
    with by_hand.alone():
        by_hand.begin(Running(job="bad", began_ns=OPEN_NS))
        assert cli.run(["job", "run", "bad"]) == 1
        assert "bad: another run of this job is at work" in capsys.readouterr().err
        monkeypatch.setenv("SERVICE_RESULT", "exit-code")
        assert cli.run(["job", "ended", "bad"]) == 0
        assert by_hand.running() is not None

    assert [notice["text"] for notice in notices(host)] == ["The job bad failed\nanother run of it was at work"]


def test_of_a_run_that_is_well_nobody_is_told(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.run(["job", "run", "well"]) == 0
    monkeypatch.setenv("SERVICE_RESULT", "success")
    assert cli.run(["job", "ended", "well"]) == 0

    assert notices(host) == []


@pytest.mark.parametrize(("hours", "runs"), [(0.0, False), (6.4, False), (7.0, True), (14.0, True), (24.0, True)])
def test_what_goes_by_the_market_runs_from_its_time_on_and_once(
    hours: float, runs: bool, host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hours` after the opening of a Monday; half an hour after its close is 6 h 50 min later."""
    moment = OPEN_NS + int(hours * HOUR_NS)
    monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: moment)

    said = []
    for _ in range(2):
        assert cli.run(["job", "run", "well", "--if-due"]) == 0
        said.append(capsys.readouterr().out.strip())

    assert said == (["well: ok", "well is not due now."] if runs else ["well is not due now."] * 2)


@pytest.mark.parametrize(
    ("since_hours", "runs"),
    [(-48, True), (6.8, True), (6.9, False), (7.0, False), (30.0, False), (31.1, True), (800, True)],
)
def test_a_job_that_was_put_here_by_a_clock_which_was_ahead_runs_all_the_same(
    since_hours: float, runs: bool, host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seven hours after the opening. One of today or so is of a clock that was set, or of a deploy under way."""
    monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: OPEN_NS + 7 * HOUR_NS)
    os.utime(host / "jobs/well/since", ns=(OPEN_NS + int(since_hours * HOUR_NS),) * 2)

    assert cli.run(["job", "run", "well", "--if-due"]) == 0
    assert capsys.readouterr().out.strip() == ("well: ok" if runs else "well is not due now.")


def test_a_job_that_is_not_there_is_answered_with_those_that_are(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["job", "run", "wel"]) == 2
    assert "There is no job wel here; there are: well, bad. Jobs come from" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", '{"jobs": 7}', "[]"])
def test_a_list_that_cannot_be_read_says_what_writes_it(
    content: str, host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (host / "jobs.json").write_text(content)

    assert cli.run(["job", "run", "well"]) == 2
    said = capsys.readouterr().err
    assert "jobs.json: the jobs " in said
    assert "./inv deploy writes them." in said


def test_the_command_of_a_built_in_job_records_itself(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: OPEN_NS)
    monkeypatch.setenv("HARVESTER_JOB", "verify")
    assert cli.run(["verify", str(host / "no-lake")]) != 0
    monkeypatch.setenv("HARVESTER_JOB", "verify")
    running: list[Running | None] = []

    def work(_: object) -> int:
        running.append(Records(host / "jobs/verify").running())
        return 0

    monkeypatch.setattr(cli, "_dispatch", work)
    assert cli.run(["verify"]) == 0
    assert running == [Running(job="verify", began_ns=OPEN_NS, invocation="9a")], "and is seen while it runs"
    assert Records(host / "jobs/verify").running() is None

    bad, well = Records(host / "jobs/verify").read(DAY, DAY)
    assert (bad.result, well.result, well.invocation) == ("failed", "ok", "9a")
    assert "no-lake" in bad.cause
    assert "HARVESTER_JOB" not in os.environ


def test_a_built_in_job_does_its_work_although_nothing_can_be_recorded(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARVESTER_JOB", "gone")
    monkeypatch.setattr(cli, "_dispatch", lambda _: 0)

    assert cli.run(["verify"]) == 0
    assert "the record of this run cannot be written" in capsys.readouterr().err


def test_a_job_that_a_person_asks_for_runs_once_whatever_its_times_say(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: OPEN_NS)
    assert cli.run(["job", "now", "well"]) == 0
    said = [cli.run(["job", "run", "well", "--if-due"]) or capsys.readouterr().out.splitlines()[-1] for _ in range(2)]

    assert said == ["well: ok", "well is not due now."]
    assert cli.run(["job", "now", "wel"]) == 2
    (host / "jobs/well").chmod(0o755)
    (host / "jobs/bad/since").unlink()
    (host / "jobs/bad").rmdir()
    assert cli.run(["job", "now", "bad"]) == 1
    assert "that bad is asked for cannot be noted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("later_ns", "runs"),
    [
        (0, True),
        (600 * NS_PER_SECOND - 1, True),
        (600 * NS_PER_SECOND, False),
        (48 * HOUR_NS, False),
        (-HOUR_NS, False),
    ],
)
def test_a_wish_whose_start_never_came_is_not_granted_by_a_timer_days_later(
    host: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    later_ns: int,
    runs: bool,
) -> None:
    """As where systemd refused the start, or joined it to a run under way: the next timer may be a holiday's."""
    now = [OPEN_NS]
    monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: now[0])
    assert cli.run(["job", "now", "well"]) == 0
    now[0] += later_ns

    for run in (runs, False):
        assert cli.run(["job", "run", "well", "--if-due"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == ("well: ok" if run else "well is not due now.")


def test_the_list_has_each_job_with_its_newest_record(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timer = Unit(present=True, load="loaded", active="active", next_ns=OPEN_NS + HOUR_NS)
    monkeypatch.setattr(listing, "look_at_units", lambda names: {name: timer for name in names if "well" in name})
    for day in (20, 3):
        monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _, day=day: OPEN_NS - day * 24 * HOUR_NS)
        assert cli.run(["job", "run", "well"]) == 0
    Records(host / "jobs/bad").begin(Running(job="bad", began_ns=7))
    monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: OPEN_NS)
    capsys.readouterr()
    assert cli.run(["job", "list"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["jobs"]}

    assert list(rows) == ["close", "prune", "verify", "backfill", "well", "bad"], "there is no bucket to upload to"
    well = rows["well"]
    assert (well["when"], well["unit"], well["builtin"], well["next_ns"]) == (
        "close+30m", "harvester-job-well", False, OPEN_NS + HOUR_NS,
    )  # fmt: skip
    assert (well["last"]["result"], well["last"]["began_ns"]) == ("ok", OPEN_NS - 3 * 24 * HOUR_NS)
    assert (rows["bad"]["running_since_ns"], rows["bad"]["last"], rows["bad"]["next_ns"]) == (7, None, None)
    assert rows["close"]["builtin"] and well["why"] == ""
    assert (rows["backfill"]["when"], rows["backfill"]["unit"]) == ("", "harvester-backfill")
