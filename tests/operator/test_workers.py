"""workers, worker: which hosts are asked, what is said to them, and what a person sees."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet import workers
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.tasks import workers as tasks
from runbook.tasks.workers_table import show_workers

BEAT = 1_795_405_500 * NS_PER_SECOND
ROW = {
    "name": "colab", "mailbox": "drive:box", "state": "alive", "cause": "", "seen_ns": BEAT, "beat_ns": BEAT,
    "step": 7.0, "misses": 0, "restarts": [BEAT], "paused": False,
}  # fmt: skip


def host(name: str, *watched: str) -> Host:
    settings = {"workers": [{"name": each, "mailbox": "/m"} for each in watched]}
    return Host(name, "192.0.2.1", variables={"overseer_settings": settings} if watched else {})


HOSTS = [host("h1"), host("h2", "colab", "both"), host("h3", "kaggle", "both")]


class Overseers:
    """Hosts behind SSH: what they were asked, and what they say."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.code, self.out, self.error = 0, json.dumps({"host": "h2", "workers": [ROW]}), ""

    def run(self, connection: SshConnection, command: Sequence[str], **_: Any) -> "subprocess.CompletedProcess[bytes]":
        self.asked.append((connection.host.name, " ".join(command)))
        return subprocess.CompletedProcess([*command], self.code, self.out.encode(), self.error.encode())


@pytest.fixture
def overseers(monkeypatch: pytest.MonkeyPatch) -> Overseers:
    made = Overseers()
    monkeypatch.setattr(SshConnection, "run", lambda connection, command, **how: made.run(connection, command, **how))
    monkeypatch.setattr(tasks, "hosts_of", lambda *_: HOSTS)
    return made


def test_hosts_that_watch_nobody_are_not_asked(overseers: Overseers) -> None:
    answers = workers.gather(workers.overseers(HOSTS))
    assert [(each.host, len(each.workers), each.error) for each in answers] == [("h2", 1, ""), ("h3", 1, "")]
    assert {name for name, _ in overseers.asked} == {"h2", "h3"}
    with pytest.raises(ConfigError, match="overseer_settings for none of them"):
        workers.overseers(HOSTS[:1])


def test_an_overseer_that_cannot_answer_has_its_reason_and_the_command_ends_with_1(
    overseers: Overseers, capsys: pytest.CaptureFixture[str]
) -> None:
    overseers.out, overseers.error = "", "harvester: no such command"
    with pytest.raises(Exit) as ended:
        tasks.workers(MockContext())
    assert ended.value.code == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "no worker is watched" in said and "h3: `" in said and "no such command" in said
    overseers.out = "{}"
    assert workers.gather(HOSTS[1:2])[0].error == "its answer has no 'workers': is it older?"


def test_the_table_has_a_row_for_each_worker(capsys: pytest.CaptureFixture[str]) -> None:
    late = ROW | {"state": "silent", "cause": "no [sign]", "step": None, "beat_ns": 0, "misses": 2, "paused": True}
    show_workers([workers.HostWorkers("h2", [ROW, late]), workers.HostWorkers("h3", asleep=True)])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any("h2 colab alive" in line and " 7 1" in line for line in lines), lines
    assert any("silent, paused none yet 1 2 no [sign]" in line for line in lines), lines
    assert "h3: asleep, so it is asked when it is awake" in lines


def test_as_json_it_is_what_the_overseers_said(overseers: Overseers, capsys: pytest.CaptureFixture[str]) -> None:
    tasks.workers(MockContext(), json=True)
    assert [each["workers"] for each in json.loads(capsys.readouterr().out)] == [[ROW], [ROW]]


@pytest.mark.parametrize("action", workers.ACTIONS)
def test_an_action_goes_to_the_overseer_of_that_worker_alone_as_its_user(
    action: str, overseers: Overseers, capsys: pytest.CaptureFixture[str]
) -> None:
    overseers.out = f"kaggle: {action} done\n"
    tasks.worker(MockContext(), "kaggle", **{action.replace("-", "_"): True})
    assert overseers.asked == [("h3", f"/usr/local/bin/harvester workers {action} kaggle")]
    assert capsys.readouterr().out == f"kaggle: {action} done\n"


def test_what_an_overseer_refuses_is_said_with_its_name(overseers: Overseers) -> None:
    overseers.code, overseers.error = 1, "harvester: colab: its mailbox took\n no signal\n"
    with pytest.raises(HarvesterError, match=r"^h2: colab: its mailbox took no signal$"):
        workers.act(HOSTS[1:], "colab", "restart")
    overseers.error = ""
    with pytest.raises(HarvesterError, match="h2: it gave no answer"):
        workers.act(HOSTS[1:], "colab", "restart")


def test_a_worker_that_nobody_or_two_hosts_watch_is_refused_before_anybody_is_asked(overseers: Overseers) -> None:
    with pytest.raises(ConfigError, match=r"Nobody watches a worker 'cloab'\. There are: both, colab, kaggle\."):
        workers.act(HOSTS[1:], "cloab", "pause")
    with pytest.raises(ConfigError, match="h2, h3 each watch a worker both"):
        workers.act(HOSTS[1:], "both", "pause")
    asleep = Host("h2", "", variables={**HOSTS[1].variables, "harvester_asleep": True})
    with pytest.raises(HarvesterError, match="h2"):
        workers.act([asleep], "colab", "pause")
    assert overseers.asked == []
