"""status and doctor: what hosts say of themselves, what is wrong with this machine, and each fix."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.calendar.model import packaged
from harvester.config.rules import IndexList
from runbook.doctor import Severity, aws, hosts, machine
from runbook.doctor.sessions import _outlook, check_sessions
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.fleet.status import ask, gather
from runbook.tasks.status_table import show_status

REPORT = {
    "healthy": False,
    "release": "r1",
    "token_version": "ssm:2",
    "checks": [
        {"name": "running", "ok": True, "detail": "pid 7", "fix": None},
        {"name": "disk", "ok": False, "detail": "3 MiB free", "fix": "Run ./inv cleanup."},
    ],
    "status": {"token": {"state": "ok"}},
}
SETTINGS = {"symbols": ["NSE:SBIN-EQ"], "broker": {"app_id": "ABCDE12345-100"}}
BANK = "NIFTY BANK"
FakeSsh = Callable[..., Host]


@pytest.fixture
def fake_ssh(tmp_path: Path, control: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSsh:
    """Put an `ssh` on PATH that runs a piece of Python with the remote command in `said`; a host to reach by it."""

    def make(code: str, **fields: object) -> Host:
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!{sys.executable}\nimport sys, time\nsaid = sys.argv[-1]\n{code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return Host("h1", "192.0.2.1", control_directory=control, **fields)  # type: ignore[arg-type]

    return make


def test_a_report_is_taken_as_it_is_also_from_an_unhealthy_host(fake_ssh: FakeSsh) -> None:
    host = fake_ssh(f"print({json.dumps(REPORT)!r}); sys.exit(3)")

    [answer] = gather([host])

    assert (answer.report, answer.healthy) == (REPORT, False)
    assert [check["name"] for check in answer.failed_checks] == ["disk"]


def test_sudo_is_used_where_the_login_user_may_not_ask(fake_ssh: FakeSsh) -> None:
    host = fake_ssh(f"print({json.dumps(REPORT)!r}) if said.startswith('sudo -n ') else sys.exit('not allowed')")

    assert gather([host])[0].report == REPORT


def test_a_host_without_the_harvester_says_what_to_do(fake_ssh: FakeSsh) -> None:
    host = fake_ssh("print('sh: 1: harvester: not found', file=sys.stderr); sys.exit(127)")

    [answer] = gather([host])

    assert "not found" in answer.error
    assert "./inv deploy" in answer.error


def test_a_host_out_of_reach_does_not_hide_the_others(fake_ssh: FakeSsh) -> None:
    code = (
        "if '192.0.2.9' in sys.argv: print('Connection refused', file=sys.stderr); sys.exit(255)\n"
        f"print({json.dumps(REPORT)!r})"
    )
    near = fake_ssh(code)

    far, answered = gather([replace(near, name="far", address="192.0.2.9"), near])

    assert "nothing listens" in far.error
    assert answered.report == REPORT


@pytest.mark.parametrize(
    ("ahead", "level"),
    [
        (0.0, Severity.OK),
        *((sign * 5.0, Severity.WARN) for sign in (1, -1)),
        *((sign * 600.0, Severity.FAIL) for sign in (1, -1)),
    ],
)
def test_a_clock_that_is_off_is_measured(fake_ssh: FakeSsh, ahead: float, level: Severity) -> None:
    host = fake_ssh(f"print(time.time() + {ahead})")

    finding = hosts.check_clock(host, SshConnection(host))

    assert finding.level == level
    assert bool(finding.fix) == (level != Severity.OK)


@pytest.mark.parametrize(
    ("ahead", "seconds", "level"),
    [
        *((sign * 0.4, 0.0, Severity.OK) for sign in (1, -1)),
        *((sign * 0.6, 0.0, Severity.WARN) for sign in (1, -1)),
        *((sign * ahead, 4.0, level) for sign in (1, -1) for ahead, level in (
            (0.1, Severity.OK), (2.4, Severity.OK), (2.6, Severity.WARN), (61.9, Severity.WARN), (62.1, Severity.FAIL),
        )),
    ],
)  # fmt: skip
def test_a_clock_is_compared_with_the_middle_of_the_question_to_within_half_of_it(
    monkeypatch: pytest.MonkeyPatch, ahead: float, seconds: float, level: Severity
) -> None:
    """A line that takes its time makes no clock wrong, on either side."""
    asked_at = 1_795_000_000.0
    monkeypatch.setattr(hosts, "time", SimpleNamespace(time=iter((asked_at, asked_at + seconds)).__next__))
    host = Host("h1", "192.0.2.1")
    said = f"{asked_at + seconds / 2 + ahead}\n".encode()
    line = SimpleNamespace(run=lambda *_, **__: subprocess.CompletedProcess([], 0, said, b""))

    finding = hosts.check_clock(host, line)  # type: ignore[arg-type]

    assert (finding.level, finding.detail.partition(" s ")[0]) == (level, f"{ahead:+.2f}")
    assert f"to within {seconds / 2:.2f} s" in finding.detail


def test_a_line_that_breaks_after_its_first_answer_is_a_finding_and_ends_no_other_hosts_checks(
    fake_ssh: FakeSsh,
) -> None:
    host = fake_ssh("sys.exit(0 if said == 'sudo -n true' else 255)")

    found = {each.name: each for each in hosts.check_host(host, [])}

    assert found["h1: connection"].level == Severity.OK
    assert found["h1: clock"].level == Severity.FAIL
    assert "h1" in found["h1: clock"].detail
    assert found["h1: harvester"].level == Severity.FAIL


@pytest.mark.parametrize("answers", product(("", "report"), (0, 1, 3), ("", "report"), (0, 3), ("report",), (0, 3)))
def test_of_the_ways_to_ask_a_host_the_first_that_answers_counts_whatever_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[Any, ...]
) -> None:
    """3 is the code of a host that is not well: its report is the one that is wanted."""
    told = [(said, code) for said, code in zip(answers[::2], answers[1::2], strict=True)]
    asked: list[int] = []

    def answer(self: SshConnection, command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        said, code = told[len(asked)]
        asked.append(len(asked))
        return subprocess.CompletedProcess(command, code, f'{{"way": {asked[-1]}}}'.encode() if said else b" \n", b"")

    monkeypatch.setattr(SshConnection, "run", answer)

    first = next(way for way, (said, _) in enumerate(told) if said)
    assert ask(Host("h1", "192.0.2.1"), ["health", "--json"]) == {"way": first}
    assert len(asked) == first + 1


HOST_CHECKS = [
    {"name": "services", "ok": False, "detail": "the agent does not run", "fix": "./inv start", "of_host": True},
    {"name": "login key", "ok": True, "detail": "a quarter old", "fix": "./inv rotate-ssh-key", "of_host": True},
    {"name": "timers", "ok": True, "detail": "all wait", "fix": "", "of_host": True},
]


def test_what_is_only_due_is_a_warning(fake_ssh: FakeSsh) -> None:
    host = fake_ssh(f"print({json.dumps(REPORT | {'checks': HOST_CHECKS})!r})")

    findings = list(hosts.check_health(gather([host])[0]))

    assert [(finding.level, finding.fix) for finding in findings] == [
        (Severity.FAIL, "./inv start"),
        (Severity.WARN, "./inv rotate-ssh-key"),
        (Severity.OK, ""),
    ]


def status_of(fake_ssh: FakeSsh, capsys: pytest.CaptureFixture[str], **changes: object) -> str:
    host = fake_ssh(f"print({json.dumps(REPORT | changes)!r})")
    show_status(gather([host]))
    return " ".join(capsys.readouterr().out.split())


def test_status_says_what_failed_and_what_is_due(fake_ssh: FakeSsh, capsys: pytest.CaptureFixture[str]) -> None:
    said = status_of(fake_ssh, capsys, checks=HOST_CHECKS)

    assert "h1: services: the agent does not run -> ./inv start" in said
    assert "h1: login key: a quarter old -> ./inv rotate-ssh-key" in said
    assert "all wait" not in said


@pytest.mark.parametrize(
    ("session", "said"),
    [
        ({"open": True, "recorded": False}, "not recorded"),
        ({"open": True, "recorded": True}, "open"),
        ({"open": False, "recorded": False}, "closed"),
        ({}, "closed"),
    ],
)
def test_a_session_that_is_open_is_called_open_also_where_nothing_records(
    fake_ssh: FakeSsh, capsys: pytest.CaptureFixture[str], session: dict[str, bool], said: str
) -> None:
    found = status_of(fake_ssh, capsys, session=session)

    assert said in found
    assert ("recorded" in found) is (said == "not recorded")


LOST = {"no_token": 120 * 10**9, "disconnect": 3 * 10**9}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"lost_today": LOST, "written_at_ns": 10**18}, "2 min"),
        (
            {
                "lost_today": LOST,
                "written_at_ns": 10**18,
                "open_gaps": [{"cause": "timeout", "from_ns": 10**18 - 7200 * 10**9}],
            },
            "2 h",
        ),
        *(
            (
                {
                    "lost_today": {"no_token": before * 10**9, "disconnect": 10**9},
                    "written_at_ns": 10**18,
                    "open_gaps": [{"cause": "no_token", "from_ns": 10**18 - 3600 * 10**9}] * gaps,
                },
                "2 h",
            )
            for before, gaps in ((3600, 1), (0, 2))
        ),
        ({"lost_today": {}, "written_at_ns": 10**18}, "nothing"),
        ({}, "not known"),
    ],
)
def test_what_is_lost_today_is_said(
    fake_ssh: FakeSsh, capsys: pytest.CaptureFixture[str], status: dict[str, object], said: str
) -> None:
    assert said in status_of(fake_ssh, capsys, status=status)


def test_each_failed_check_of_a_host_is_a_finding_with_its_fix(fake_ssh: FakeSsh) -> None:
    host = fake_ssh(f"print({json.dumps(REPORT)!r})")

    findings = list(hosts.check_health(gather([host])[0]))

    assert [(finding.level, finding.fix) for finding in findings] == [
        (Severity.OK, ""),
        (Severity.FAIL, "Run ./inv cleanup."),
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({**SETTINGS, "broker": {"app_id": "mine"}}, "broker.app_id"),
        ({**SETTINGS, "symbols": ["SBIN"]}, "symbols"),
        ({**SETTINGS, "pol": {}}, "did you mean 'poll'"),
        ({}, "required"),
        ({**SETTINGS, "symbols": [{"underlying": "NIFTY", "strikes": "atm +- 10"}]}, "42 for underlying: NIFTY"),
        ({**SETTINGS, "symbols": [{"index": "NIFTY 50"}]}, "no list of the members of NIFTY 50"),
    ],
)
def test_settings_of_the_inventory_are_checked_before_a_host_sees_them(settings: dict[str, object], said: str) -> None:
    finding = hosts.check_settings(Host("h1", "192.0.2.1", variables={"harvester_settings": settings}), [])

    assert finding.level == Severity.FAIL
    assert said in finding.detail
    assert finding.fix


def test_a_key_that_others_may_read_is_found_before_ssh_refuses_it(tmp_path: Path) -> None:
    key = tmp_path / "id"
    key.touch(mode=0o644)
    host = Host("h1", "192.0.2.1", key_file=key)

    open_key = hosts.check_key(host)
    key.chmod(stat.S_IRUSR | stat.S_IWUSR)

    assert (open_key.level, open_key.fix) == (Severity.FAIL, f"chmod 600 {key}")
    assert hosts.check_key(host).level == Severity.OK
    assert hosts.check_key(replace(host, key_file=tmp_path / "none")).level == Severity.FAIL


def test_a_calendar_that_ends_soon_or_has_ended_is_told() -> None:
    end = TradingCalendar.load().valid_until

    levels = [machine.check_calendar(end - timedelta(days=left)).level for left in (60, 17, 7, -1)]

    assert levels == [Severity.OK, Severity.OK, Severity.WARN, Severity.FAIL]


SUNDAY_NS = 1_795_935_600 * 1_000_000_000
"""2026-11-29, 12:30 in India."""


def sessions_of(*symbols: object, file: Path | None = None, **more: object) -> list[tuple[str, str]]:
    settings = {**SETTINGS, "symbols": list(symbols), **more}
    host = Host("h1", "192.0.2.1", variables={"harvester_settings": settings})
    found = list(check_sessions(host, file, SUNDAY_NS))
    hours = "With hours in a file: ./inv calendar-update --source FILE."
    assert all(each.name == "h1: sessions" and each.fix == hours * (each.level == "fail") for each in found)
    return [(str(each.level), each.detail) for each in found]


def test_the_doctor_tells_the_hours_of_what_is_recorded_and_of_nothing_else() -> None:
    [(level, detail)] = sessions_of("MCX:GOLD26DECFUT", "NSE:NIFTY26DECFUT")

    assert (level, detail) == ("ok", "nse_fo opens Mon 30 Nov 09:00 IST; mcx opens Mon 30 Nov 09:00 IST")
    [(level, detail)] = sessions_of({"underlying": "NIFTY"}, {"stocks": "with derivatives"})
    assert (level, detail) == ("ok", "nse_cash opens Mon 30 Nov 09:00 IST; nse_fo opens Mon 30 Nov 09:00 IST")


def test_the_doctor_tells_what_closes_next_and_of_a_calendar_that_ends_that_nothing_opens() -> None:
    opens_ns, phases = SUNDAY_NS + (20 * 60 + 30) * 60 * 10**9, ("pre_open", "continuous")

    def outlook(calendar: object, wall_ns: int) -> str:
        return _outlook(calendar, phases, wall_ns)  # type: ignore[arg-type]

    cash = TradingCalendar.load().of("nse_cash")
    assert outlook(cash, opens_ns - 1) == "nse_cash opens Mon 30 Nov 09:00 IST"
    assert outlook(cash, opens_ns).startswith("nse_cash closes Mon 30 Nov ")
    over = SimpleNamespace(segment="mcx", next_change=lambda *_: None)
    assert outlook(over, opens_ns) == "mcx has no session within a year"


def test_rules_count_as_what_they_can_stand_for_and_an_old_list_is_told() -> None:
    symbols = ["NSE:SBIN-EQ", {"underlying": "NIFTY", "expiry": "nearest 2"}, {"index": BANK}]
    host = Host("h1", "192.0.2.1", variables={"harvester_settings": {**SETTINGS, "symbols": symbols}})
    listed = {"index": BANK, "source": "https://a.b/c.csv", "members": {"INE062A01020": "SBIN-EQ"}}

    new, old = (
        hosts.check_settings(host, [validate(IndexList, {**listed, "date": day})])
        for day in ("2099-01-01", "2020-03-31")
    )

    assert (new.level, new.detail) == (Severity.OK, "at most 4 symbols by 2 rules among them every 5 s")
    assert old.level == Severity.WARN
    assert f"the members of {BANK} are of 2020-03-31, before NSE's last review" in old.detail
    assert old.fix == f"./inv index-update '{BANK}' brings the list of today"


def test_a_segment_without_hours_in_the_calendar_of_the_inventory_fails(tmp_path: Path) -> None:
    days = json.loads(packaged().read_bytes())
    del days["segments"]
    (tmp_path / "mine.json").write_text(json.dumps(days))

    [(level, detail)] = sessions_of("NSE:SBIN-EQ", "MCX:GOLD26DECFUT", file=tmp_path / "mine.json")

    assert level == "fail"
    assert "MCX:GOLD26DECFUT belong to the segment mcx, of which the trading calendar has no hours" in detail
    assert sessions_of("NSE:SBIN-EQ", file=tmp_path / "mine.json")[0][0] == "ok"
    assert sessions_of("sbin") == [], "settings that are refused are told by their own check"


def test_missing_packages_of_the_lab_come_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "apt.txt").write_text("bash\nno-such-package-anywhere  # why\n")

    finding = machine.check_packages(tmp_path)

    assert (finding.level, finding.fix) == (Severity.WARN, "apt-get install no-such-package-anywhere")


def test_another_python_than_the_checkouts_is_told(tmp_path: Path) -> None:
    assert machine.check_python(tmp_path).level == Severity.WARN


def test_a_disk_nearly_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LOW_DISK_BYTES", 1 << 62)

    finding = machine.check_disk(tmp_path / "not" / "yet" / "there")

    assert finding.level == Severity.WARN
    assert "--output" in finding.fix


def test_a_bucket_that_takes_a_write_without_a_condition_is_named_and_keeps_nothing_of_the_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the look left in the lake would be an object that no manifest names."""
    kept: set[str] = set()

    class Bucket:
        def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
            kept.add(Key)

        def delete_object(self, Bucket: str, Key: str) -> None:
            kept.remove(Key)

    here: Any = SimpleNamespace(
        account=SimpleNamespace(client=lambda _: Bucket()), names=SimpleNamespace(bucket=lambda _: "b")
    )
    monkeypatch.setattr(aws, "bucket_exists", lambda *_: True)
    monkeypatch.setattr(aws, "read_bucket", lambda *_: {"public_access": aws.BLOCKED, "versioning": "Enabled"})

    [found] = aws.check_bucket(here, "1")

    assert (found.level, found.detail) == (Severity.FAIL, "b took a write without a condition")
    assert kept == set()
