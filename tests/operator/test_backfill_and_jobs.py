"""backfill, jobs, run-job: what is said to a host over SSH, how its work is waited for, and what a person sees."""

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet import backfill, jobs, units
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.tasks import backfill as task
from runbook.tasks.jobs_table import show_jobs

HOST = Host("h1", "192.0.2.1")
BEGAN = 1_795_405_500 * NS_PER_SECOND
PLAN = {
    "since": "2026-11-16", "until": "2026-11-20", "resolution": "5", "symbols": 2, "requests": 2, "seconds": 61,
    "before_the_broker": None,
}  # fmt: skip
COUNTS = {
    "expected": 150, "recorded": 75, "revised": 0, "rejected": {"price_zero": 1}, "answered": 2, "to_ask": 0,
    "without": {"days": 1, "first": ["2026-11-16"], "last": ["2026-11-16"]},
}  # fmt: skip


def status(**changes: Any) -> dict[str, Any]:
    lake = {"symbols": {"NSE:SBIN-EQ": COUNTS}, "not_recorded": {"days": 2, "such_as": []}, "days": 2}
    plain = {"at_work": False, "waiting_segments": 0, "state": "done", "why": "", "asked": 2, "left": 0, "refused": []}
    return plain | {"lake": lake} | changes


class FakeHost:
    """A host behind SSH: says what it is told, word by word, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[], Any]] = {}
        self.invocation = 0
        self.states: dict[str, list[str]] = {}
        self.result = "success"
        self.refuses, self.begins = "", True

    def run(self, _: SshConnection, command: Sequence[str], **__: Any) -> "subprocess.CompletedProcess[bytes]":
        said = " ".join(command)
        self.asked.append(said)
        code, out, error = 0, "", ""
        if "systemctl start" in said:
            self.invocation += self.begins and not self.refuses
            code, error = (1, self.refuses) if self.refuses else (0, "")
        elif "--property=InvocationID" in said:
            out = str(self.invocation)
        elif "--property=ActiveState" in said:
            states = self.states.get(command[-1], ["inactive"])
            out = states.pop(0) if len(states) > 1 else states[0]
        elif "--property=Result" in said:
            out = self.result
        else:
            answer = next((make() for words, make in self.answers.items() if words in said), None)
            if isinstance(answer, str):
                code, error = 2, f"harvester: {answer}"
            elif answer is not None:
                out = json.dumps(answer)
        return subprocess.CompletedProcess([], code, out.encode(), error.encode())


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost()
    monkeypatch.setattr(SshConnection, "run", lambda self, command, **options: fake.run(self, command, **options))
    monkeypatch.setattr(units, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(task, "awake_hosts_of", lambda *_: [HOST])
    return fake


def begun(host: FakeHost, *words: dict[str, Any]) -> None:
    """The order is taken, and the host says these things one after the other, the last one from then on."""
    left = list(words)
    host.answers = {
        "backfill --status": lambda: left.pop(0) if len(left) > 1 else left[0],
        "backfill --since": lambda: PLAN,
    }


def test_an_order_is_given_begun_and_looked_at_until_its_tables_are_made(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(host, status(at_work=True, left=1, state="asking"), status(waiting_segments=1), status())
    host.states = {
        backfill.ASKING: ["activating", "inactive"],
        backfill.BUILDING: ["inactive", "activating", "inactive"],
    }
    task.backfill(MockContext(), since="2026-11-16", until="2026-11-20", symbols="NSE:SBIN-EQ", resolution="1d")
    said = " ".join(capsys.readouterr().out.split())

    assert host.asked[0] == (
        "/usr/local/bin/harvester backfill --since 2026-11-16 --resolution D --until 2026-11-20 --symbols NSE:SBIN-EQ"
    )
    assert "sudo -n systemctl start --no-block harvester-backfill.service" in host.asked
    assert sum("--status" in each for each in host.asked) >= 3
    assert "h1: 2026-11-16 to 2026-11-20, resolution 5, 2 symbols: 2 requests, some 2 min" in said
    assert "NSE:SBIN-EQ 75 150 2 1 0 0 1 price_zero" in said
    assert "h1: NSE:SBIN-EQ: the broker has nothing of 1 days (2026-11-16)" in said
    assert "2 of 2 days were not recorded here: they have prices now; their depth" in said


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (status(state="ended", why="No token. Log in."), "h1: No token. Log in."),
        (status(refused=[["NSE:X-EQ", "a", "b", "not_listed: no"]]), "h1: the broker gave nothing of some days, see"),
    ],
)
def test_what_did_not_come_ends_the_command_with_1(host: FakeHost, last: dict[str, Any], says: str) -> None:
    begun(host, last)

    with pytest.raises(Exit, match=says) as ended:
        task.backfill(MockContext(), since="2026-11-16")
    assert ended.value.code == 1


def test_tables_that_could_not_be_made_are_said(host: FakeHost) -> None:
    begun(host, status(waiting_segments=2))
    host.result = "exit-code"

    with pytest.raises(HarvesterError, match=r"no tables could be made of them\. The log of harvester-build-history"):
        backfill.follow(HOST, lambda _: None)


def test_an_order_that_the_host_refuses_is_told_in_its_words(host: FakeHost) -> None:
    host.answers = {"backfill --since": lambda: "--until 2031-01-01: that day is not over"}

    with pytest.raises(HarvesterError, match=r"^h1: --until 2031-01-01: that day is not over$"):
        backfill.order(HOST, ["--since", "2026-11-16"])
    assert not any("start" in each for each in host.asked)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("16-11-2026", None, "5"), "--since '16-11-2026' is not a date"),
        (("2026-11-16", "soon", "5"), "--until 'soon' is not a date"),
        (("2026-11-16", None, "7"), "'7' is no resolution that the broker has"),
    ],
)
def test_dates_and_resolutions_that_are_none_reach_no_host(words: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        backfill.words_of(*words, None)


def test_a_unit_that_cannot_be_started_or_does_not_begin_is_said(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.refuses = "Unit x.service not found."
    with pytest.raises(HarvesterError, match=r"h1: x\.service cannot be started: Unit x\.service not found\. Is this"):
        units.start(SshConnection(HOST), "x.service")
    monkeypatch.setattr(units, "SECONDS", -1.0)
    host.refuses, host.begins = "", False
    with pytest.raises(HarvesterError, match="has not begun within"):
        units.start(SshConnection(HOST), "x.service")


def record(result: str = "ok", began: int = 0, **words: str) -> dict[str, Any]:
    at_ns = BEGAN + began * NS_PER_SECOND
    plain = {"job": "copy", "began_ns": at_ns, "ended_ns": at_ns + 1_500_000_000, "result": result}
    return plain | {"proof": "", "cause": "", "invocation": ""} | words


def row(name: str = "copy", last: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    plain = {
        "name": name, "builtin": False, "when": "close+30m", "unit": f"harvester-job-{name}", "why": "", "last": last,
        "running_since_ns": None, "next_ns": BEGAN + 86_400 * NS_PER_SECOND,
    }  # fmt: skip
    return plain | changes


def test_the_list_shows_last_run_and_next_start(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        row(last=record(proof="3 rows")),
        row("push", record("failed", cause="[Errno 28] full")),
        row("backfill", builtin=True, when="", next_ns=None),
        row("long", record(), running_since_ns=BEGAN),
    ]
    show_jobs([jobs.HostJobs("h1", rows), jobs.HostJobs("h2", asleep=True), jobs.HostJobs("h3", error="no route")])
    said = " ".join(capsys.readouterr().out.split())

    assert "h1 copy close+30m 23 Nov 09:15:00 1.5 s ok 24 Nov 09:15:00 3 rows" in said
    assert "[Errno 28] full" in said
    assert "h1 backfill when asked for" in said
    assert "h1 long close+30m 23 Nov 09:15:00 running" in said
    assert said.endswith("h2: asleep, so it is asked when it is awake h3: no route")


def test_a_host_that_cannot_answer_has_its_reason(host: FakeHost) -> None:
    host.answers = {"job list": lambda: {"jobs": [row()]}}
    assert jobs.gather([HOST])[0].jobs == [row()]
    host.answers = {"job list": lambda: {"host": "h1"}}
    (answer,) = jobs.gather([HOST])

    assert "its answer has no 'jobs'" in answer.error
    assert jobs.gather([Host("h2", "192.0.2.2", variables={"harvester_asleep": True})])[0].asleep


def test_a_job_is_asked_for_started_and_waited_for(host: FakeHost) -> None:
    lists = [{"jobs": [row(last=record())]}, {"jobs": [row(last=record(began=60, proof="4 rows"))]}]
    host.answers = {"job list": lambda: lists.pop(0), "job now": lambda: {}}
    host.states = {"harvester-job-copy.service": ["activating", "activating", "inactive"]}

    assert jobs.run_now(HOST, "copy")["proof"] == "4 rows"
    asked = [each for each in host.asked if "job now" in each or "systemctl start" in each]
    assert asked == [
        "sudo -n /opt/harvester/current/bin/harvester job now copy",
        "sudo -n systemctl start --no-block harvester-job-copy.service",
    ]


def test_a_built_in_job_needs_no_asking_and_one_without_a_record_is_told(host: FakeHost) -> None:
    host.answers = {"job list": lambda: {"jobs": [row("close", record(), builtin=True, unit="harvester-close")]}}
    host.result = "timeout"

    with pytest.raises(HarvesterError, match=r"the run of close left no record \(systemd says: timeout\)\. The log of"):
        jobs.run_now(HOST, "close")
    assert not any("job now" in each for each in host.asked)


def test_a_job_of_another_name_is_answered_with_those_there_are(host: FakeHost) -> None:
    host.answers = {"job list": lambda: {"jobs": [row(), row("push")]}}

    with pytest.raises(ConfigError, match=r"h1 has no job 'clse'\. It has: copy, push\."):
        jobs.run_now(HOST, "clse")
    host.answers |= {"job now": lambda: "copy: no such file"}
    with pytest.raises(HarvesterError, match="h1: copy: no such file"):
        jobs.run_now(HOST, "copy")
