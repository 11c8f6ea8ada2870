"""What a fleet is asked or told, host by host: one that fails ends no other, and how it ended is said of each."""

import io
import os
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet import backfill as fleet_backfill
from runbook.fleet import deliveries, dues, jobs, logs, status
from runbook.fleet.inventory import Host
from runbook.tasks import backfill, data, monitoring

ORDERS = [*permutations(("h1", "h2", "h3"))]
FAILS = {"refused": "echo 'Connection refused' >&2; exit 255", "ended": "echo 'no such unit' >&2; exit 1"}


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> list[Host]:
    """The hosts that each command is about."""
    hosts: list[Host] = []
    for task in (backfill, data, monitoring):
        monkeypatch.setattr(task, "awake_hosts_of", lambda *_: hosts)
    monkeypatch.setattr(monitoring, "hosts_of", lambda *_: hosts)
    return hosts


def ending(task: Any, **options: Any) -> tuple[int, str]:
    """How a command ends: its code, and the error that it prints."""
    try:
        task(MockContext(), **options)
    except Exit as ended:
        return ended.code, str(ended.message)
    return 0, ""


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("unwell", [(), ("h1",), ("h2",), ("h1", "h2")])
def test_one_host_that_is_not_well_is_the_commands_end_whichever_it_is(
    unwell: tuple[str, ...], as_json: bool, fleet: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet += [Host("h1", "192.0.2.1"), Host("h2", "192.0.2.2")]

    def error(host: Host) -> str:
        return "no route" if host.name in unwell else ""

    monkeypatch.setattr(
        dues, "gather", lambda given, _: [dues.HostDues(each.name, error=error(each)) for each in given]
    )
    monkeypatch.setattr(jobs, "gather", lambda given: [jobs.HostJobs(each.name, error=error(each)) for each in given])
    monkeypatch.setattr(
        status,
        "gather",
        lambda given: [status.HostStatus(each.name, {"healthy": not error(each)}, error(each)) for each in given],
    )

    codes = [ending(task, json=as_json)[0] for task in (monitoring.due, monitoring.jobs, monitoring.status)]

    assert codes == ([3, 1, 3] if unwell else [0, 0, 0])


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_reaches_every_host_and_what_each_lacks_is_said(
    order: tuple[str, ...], fleet: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """h1 cannot be reached, h2 ends before it has all, h3 gets nothing of some days."""
    fleet += [Host(name, name) for name in order]
    begun: list[str] = []

    def give(host: Host, _: object) -> dict[str, Any]:
        if host.name == "h1":
            raise HarvesterError("h1: no route")
        return {}

    def follow(host: Host, _: object) -> dict[str, Any]:
        ended = host.name == "h2"
        return {"state": "ended" if ended else "done", "why": "no token", "refused": [] if ended else [1]}

    monkeypatch.setattr(fleet_backfill, "order", give)
    monkeypatch.setattr(fleet_backfill, "begin", lambda host: begun.append(host.name))
    monkeypatch.setattr(fleet_backfill, "follow", follow)
    shown: list[str] = []
    monkeypatch.setattr("runbook.tasks.backfill_table.show_plan", lambda *_: None)
    monkeypatch.setattr("runbook.tasks.backfill_table.show_result", lambda host, _: shown.append(host))

    code, said = ending(backfill.backfill, since="2026-11-16")

    assert begun == shown == [name for name in order if name != "h1"]
    lacking = {"h2": "h2: no token", "h3": "h3: the broker gave nothing of some days, see above."}
    expected = ["h1: no route", *(lacking[name] for name in begun)]
    assert (code, said) == (1, f"backfill: {' '.join(expected)}")


@pytest.mark.parametrize("order", ORDERS)
def test_a_job_is_run_on_each_host_that_has_it_and_those_where_it_failed_are_named(
    order: tuple[str, ...], fleet: list[Host], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """h1 cannot be reached, h2 has no such job, on h3 it fails; then on all of them it is well, or unknown."""
    fleet += [Host(name, name) for name in order]
    ran: list[str] = []
    trouble: dict[str, HarvesterError] = {"h1": HarvesterError("h1: no route"), "h2": ConfigError("h2 has no job.")}
    result = "failed"

    def run_now(host: Host, _: str) -> dict[str, Any]:
        if error := trouble.get(host.name):
            raise error
        ran.append(host.name)
        return {"result": result, "began_ns": 0, "ended_ns": 0, "proof": "", "cause": "", "job": "copy"}

    monkeypatch.setattr(jobs, "run_now", run_now)
    monkeypatch.setattr("runbook.tasks.jobs_table.show_record", lambda *_: None)

    code, said = ending(monitoring.run_job, name="copy")
    both = {"h1": "h1: no route", "h3": "h3: copy did not end well; see above."}
    assert (code, ran, said) == (1, ["h3"], f"run-job: {' '.join(both[name] for name in order if name in both)}")
    assert "h2 has no job." in capsys.readouterr().out

    trouble = {"h2": ConfigError("h2 has no job.")}
    result, ran[:] = "ok", []
    assert ending(monitoring.run_job, name="copy") == (0, "")
    assert ran == [name for name in order if name != "h2"]

    trouble = {name: ConfigError(f"{name} has no job.") for name in order}
    assert ending(monitoring.run_job, name="copy") == (
        2,
        f"run-job: {' '.join(f'{each} has no job.' for each in order)}",
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_hosts_delivered_is_shown_also_where_another_failed(
    as_json: bool,
    order: tuple[str, ...],
    fleet: list[Host],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """h1 cannot be reached, and on h2 something is lacking."""
    fleet += [Host(name, name) for name in order]

    def deliver(host: Host, *_: object) -> tuple[list[dict[str, Any]], str]:
        if host.name == "h1":
            raise HarvesterError("h1: no route")
        return [], "a place\n is full" if host.name == "h2" else ""

    monkeypatch.setattr(deliveries, "deliver", deliver)

    code, said = ending(data.deliver, json=as_json)

    wrong = {"h1": "h1: no route", "h2": "h2: a place is full"}
    assert (code, said) == (1, f"deliver: {' '.join(wrong[name] for name in order if name in wrong)}")
    shown = capsys.readouterr().out
    assert [name in shown for name in ("h1", "h2", "h3")] == [False, True, True]


def fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, of_h2: str, otherwise: str) -> None:
    """An `ssh` on PATH that does this for h2, and that for others."""
    program = folder / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$*" in *192.0.2.2*) {of_h2} ;; esac\n{otherwise}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


@pytest.mark.parametrize("fails", FAILS)
@pytest.mark.parametrize("order", ["12", "21"])
def test_the_journal_of_one_host_that_fails_leaves_the_others_and_is_the_one_named(
    order: str,
    fails: str,
    tmp_path: Path,
    control: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_ssh(tmp_path, monkeypatch, FAILS[fails], r"printf 'a \377 line\nand more\n'")
    hosts = [Host(f"h{each}", f"192.0.2.{each}", control_directory=control) for each in order]

    with pytest.raises(HarvesterError) as ended:
        logs.show(hosts, ["true"], follow=False)

    assert "h2" in str(ended.value)
    assert "h1" not in str(ended.value)
    assert capsys.readouterr().out == "h1: a \N{REPLACEMENT CHARACTER} line\nh1: and more\n", (
        "a line that is no text ends nothing"
    )


@pytest.mark.parametrize("lacking", [False, True], ids=["refused", "without its key"])
def test_a_host_that_cannot_be_followed_is_told_while_the_others_go_on(
    lacking: bool, tmp_path: Path, control: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """h1 goes on until it was told of h2, 20 s at most; then it would fail, too."""
    told = tmp_path / "told"

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if "Cannot reach h2" in text or "SSH key" in text:
                told.touch()
            return super().write(text)

    goes_on = f"for n in $(seq 200); do [ -e {told} ] && exit 0; sleep 0.1; done; exit 1"
    fake_ssh(tmp_path, monkeypatch, FAILS["refused"], goes_on)
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    keys = {"h1": None, "h2": tmp_path / "none" if lacking else None}
    hosts = [Host(name, f"192.0.2.{name[1]}", key_file=keys[name], control_directory=control) for name in keys]

    with pytest.raises(HarvesterError, match="not every journal could be followed; see above"):
        logs.show(hosts, ["true"], follow=True)

    assert told.exists()
    assert "h1" not in screen.getvalue()


@pytest.mark.parametrize("follow", [False, True])
def test_journals_that_nobody_reads_on_end_at_once_and_without_a_word(
    follow: bool, tmp_path: Path, control: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As `| head` leaves them. Where they are followed, the other host says nothing for 100 s."""
    waits = f"echo $$ > {tmp_path / 'waits'}; exec sleep 100" if follow else "echo a line"
    fake_ssh(
        tmp_path,
        monkeypatch,
        f"while [ ! -e {tmp_path / 'waits'} ] && {str(follow).lower()}; do :; done; echo a line; exit 0",
        waits,
    )
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(sys, "stdout", open(writing, "w", encoding="utf-8"))  # noqa: SIM115 - a flush at its end fails
    hosts = [Host(f"h{each}", f"192.0.2.{each}", control_directory=control) for each in (1, 2)]

    with pytest.raises(HarvesterError) as ended:
        logs.show(hosts, ["true"], follow=follow)

    assert str(ended.value) == ""
    assert capfd.readouterr().err == ""
    if follow:
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "waits").read_text()), 0)
