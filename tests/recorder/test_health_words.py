"""What health says to the letter, and what it asks the host's programs."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from tests.recorder.host_facts import MINUTE, make_facts, make_view, with_unit, write_installed
from tests.recorder.test_examine import health, host
from tests.recorder.test_health import DAY, NOW, OPEN_NS, SECOND, good_status, settings

from harvester.base.market import midnight_ns
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.health import gather
from harvester.health.candles import check_candles
from harvester.health.checks import BROKEN_CALENDAR, CONTRADICTED, check_health
from harvester.health.deployment import judge_configuration
from harvester.health.installed import find_installed
from harvester.health.remedies import BLOCKED, Check
from harvester.health.streams import check_streams
from harvester.health.units import judge_timers
from harvester.health.view import Fault

__all__ = ["host", "settings"]
UNTIL = "2026-08-05 11:01:40 IST"


def told(settings: Settings, **status: Any) -> dict[str, Check]:
    """The checks of a recorder that works, but for these parts of its status."""
    assert settings.calendar.file is not None
    calendar = TradingCalendar.load(settings.calendar.file)
    found = check_health(settings, good_status() | status, file_hash="abc", calendar=calendar, wall_ns=NOW)
    assert len({check.name for check in found}) == len(found)
    return {check.name: check for check in found}


def test_of_a_recorder_that_works_each_check_says_what_was_looked_at(settings: Settings) -> None:
    found = told(settings)

    del found["calendar"], found["disk"]
    assert [*found.values()] == [
        Check("running", True, "release r1, state published 1 s ago"),
        Check("config", True, "running with configuration abc"),
        Check("data", True, "all 2 symbols deliver"),
        Check("token", True, f"ok, version file:1, good until {UNTIL}"),
        Check("journal", True, "300 records, 1 not yet durable"),
        Check("clock", True, "+0.2 s against the broker, 0 steps"),
        Check("symbols", True, "2 symbols"),
    ]


def test_a_login_that_is_renewed_has_an_end_of_its_own(settings: Settings) -> None:
    token = good_status()["token"] | {"login_ends_ns": NOW + 7260 * SECOND}

    assert told(settings, token=token)["token"].detail.endswith(
        f"good until {UNTIL}, renewed until the login ends 2026-08-05 12:02:40 IST"
    )


def test_the_agents_problem_is_told_in_its_own_words(settings: Settings) -> None:
    found = told(settings, token=good_status()["token"] | {"problem": "access-token: cannot be read"})["token"]

    assert found == Check("token", False, "access-token: cannot be read", "Restart the token agent: ./inv restart.")


def test_a_clock_that_was_not_compared_yet_fails_nothing_and_its_steps_are_told(settings: Settings) -> None:
    assert told(settings, clock={"steps": 2})["clock"] == Check(
        "clock", True, "not compared with the broker yet, 2 steps"
    )


@pytest.mark.parametrize(("count", "names"), [(5, "A, B, C, D, E"), (6, "A, B, C, D, E ...")])
def test_five_silent_symbols_are_named_and_more_are_hinted_at(settings: Settings, count: int, names: str) -> None:
    silent = {"fyers-rest": {"updates": 0, "last_recv_ns": OPEN_NS - SECOND}}
    symbols = {name: {"feeds": dict(silent)} for name in "ABCDEF"[:count]}

    assert told(settings, symbols=symbols)["data"].detail == (
        f"no data of {count} symbols ({names}); no gap is open for them"
    )


REFUSED = (
    "NSE:GOLD26DEC belong to the segment MCX, of which the trading calendar has no hours, so they are not recorded: add"
    " its hours with their source to the calendar file, or leave them out."
)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"calendar_contradictions": ["NSE closes at 15:40", "BSE too"]},
            Check("calendar", False, "NSE closes at 15:40; BSE too", CONTRADICTED),
        ),
        (
            {"refused_symbols": {"NSE:GOLD26DEC": "MCX"}, "unknown_symbols": {"A": []}},
            Check("symbols", False, REFUSED, "Correct the calendar or the symbols, and deploy."),
        ),
        (
            {"blocked_until_ns": NOW + 1},
            Check("account", False, f"blocked by the broker for the day, until {DAY} 10:01:40 IST", BLOCKED),
        ),
        ({"blocked_until_ns": NOW}, None),
    ],
)
def test_what_the_broker_or_the_calendar_refuses_is_told_with_its_remedy(
    settings: Settings, part: dict[str, Any], expected: Check | None
) -> None:
    found = told(settings, **part)

    assert found.get(expected.name if expected else "account") == expected


@pytest.mark.parametrize(("polling", "words"), [(False, ""), (True, ", polls stand in for a socket")])
def test_where_sockets_record_polls_that_are_old_are_no_finding(settings: Settings, polling: bool, words: str) -> None:
    sockets = replace(settings, poll=replace(settings.poll, when="fallback"), feeds=("fyers-rest", "fyers-hsm"))
    old = {name: {"feeds": {"fyers-rest": {"updates": 0, "last_recv_ns": None}}} for name in "AB"}

    assert told(sockets, polling=polling, symbols=old)["data"] == Check("data", True, f"recorded by sockets{words}")


@pytest.mark.parametrize(("runs", "words"), [(True, "1 of 1 connections up"), (False, "closed until the next session")])
def test_a_stream_outside_of_hours_is_well_and_says_whether_it_runs(runs: bool, words: str) -> None:
    feed = {"running": runs, "connections": [{"state": "open"}, {"state": "idle"}]}
    gap = {"feed": "fyers-hsm", "symbol": "A", "from_ns": 0, "cause": "timeout", "detail": ""}
    status = {"feeds": {"fyers-hsm": feed}, "window": {"open": False}, "open_gaps": [gap]}

    assert [*check_streams(status, NOW)] == [Check("fyers-hsm", True, words)]


def test_a_calendar_that_ends_soon_is_said_under_its_name_and_fails_nothing(tmp_path: Path, settings: Settings) -> None:
    calendar = TradingCalendar.load()
    near_end = midnight_ns(calendar.valid_until) - 86_400 * SECOND

    found = check_health(settings, good_status(), file_hash="abc", calendar=calendar, wall_ns=near_end)

    [check] = [each for each in found if each.name == "calendar"]
    assert check.ok and check.detail.endswith("1 days left: the coming year's list is due to be added")


def test_candles_that_came_are_counted() -> None:
    status = {"candles": {"answered": 3, "bars": 4, "overdue": []}}

    assert [*check_candles(status)] == [Check("candles", True, "3 of 4 bars of today answered")]
    assert [*check_candles({})] == []


def test_a_remedy_is_a_command_to_copy() -> None:
    broken = make_view(make_facts(configuration="config.json:\n  not valid JSON"))
    waiting = make_view(with_unit("harvester-alert.path", active="failed"))

    assert judge_configuration(broken) == Fault("config.json: not valid JSON", "./inv deploy", "critical")
    assert judge_timers(waiting) == Fault("harvester-alert.path does not wait (failed)", "./inv start")


def test_units_of_roles_beside_ours_are_installed_too(host: Path) -> None:
    (host / "installed.d").mkdir()
    (host / "installed.d/jobs.json").write_text('{"timers": ["job.timer"], "units": ["job.timer", "job.service"]}')

    found = find_installed()

    assert found
    assert found.timers[-1] == "job.timer" and "harvester-close.timer" in found.timers
    assert found.units[-2:] == ("job.timer", "job.service") and found.host_id == "h1"


def test_systemd_is_asked_of_our_units_and_of_those_that_we_need(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(gather, "look_at_units", lambda names: asked.append(tuple(names)) or {})
    installed = find_installed()
    assert installed

    gather.look(installed, NOW)

    assert asked == [(*installed.units, "chrony.service", "nftables.service")]


RULESET = {
    "nftables": [
        {"metainfo": {}},
        *(
            {"chain": {"family": "inet", "table": "host_hardening", "name": name, "policy": "drop"}}
            for name in ("input", "output")
        ),
    ]
}


def test_nft_is_asked_for_the_rules_in_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nft(command: list[str], *, capture_output: bool = False, **_: object) -> "subprocess.CompletedProcess[str]":
        known = [*command] == ["nft", "--json", "list", "ruleset"]
        said = json.dumps(RULESET) if capture_output and known else ""
        return subprocess.CompletedProcess(command, 0 if known else 1, said, "Error: syntax error")

    monkeypatch.setattr(gather, "RULES", tmp_path / "nftables.conf")
    monkeypatch.setattr(subprocess, "run", nft)
    (tmp_path / "nftables.conf").write_text("table inet host_hardening {}\n")

    assert gather.look_at_firewall() == ""


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ({}, "our rules are not loaded"),
        ({"input": "drop", "output": "accept"}, "the chain output does not drop what no rule lets through"),
        ({"input": "accept"}, "the chain input and output does not drop what no rule lets through"),
    ],
)
def test_rules_that_let_through_what_they_should_drop_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policies: dict[str, str], said: str
) -> None:
    table, others = dict(zip(("family", "table"), gather.TABLE, strict=True)), {"family": "ip", "table": "filter"}
    chains = [{"chain": {**table, "name": name, "policy": policy}} for name, policy in policies.items()]
    chains += [{"chain": {**others, "name": name, "policy": "drop"}} for name in ("input", "output")]
    monkeypatch.setattr(gather, "RULES", tmp_path / "nftables.conf")
    (tmp_path / "nftables.conf").write_text("table inet host_hardening {}\n")
    monkeypatch.setattr(gather, "_run", lambda *_: json.dumps({"nftables": chains}))

    assert gather.look_at_firewall() == said


def test_rules_that_should_be_there_and_are_gone_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, enabled = tmp_path / "nftables.conf", tmp_path / "enabled"
    monkeypatch.setattr(gather, "RULES", rules)
    monkeypatch.setattr(gather, "ENABLED", enabled)

    assert gather.look_at_firewall() == "", "a host without our rules"
    enabled.symlink_to("anywhere")
    assert gather.look_at_firewall() == f"{rules} is gone, or is not ours"
    rules.write_text("table inet filter {}\n")
    assert gather.look_at_firewall() == f"{rules} is gone, or is not ours"


def test_a_remark_among_the_keys_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/authorized_keys").write_text(
        "# ssh-ed25519 AAAA alpha-harvester 2020-01-01\n\nssh-ed25519 BBBB alpha-harvester 2026-08-05\n"
    )
    monkeypatch.setattr(gather.pwd, "getpwnam", lambda _: SimpleNamespace(pw_dir=str(tmp_path)))

    assert gather.date_of_key("ubuntu") == midnight_ns(DAY) + 330 * MINUTE


def test_a_host_that_records_nothing_tells_its_release_and_its_own_state(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_installed(host, records=False)

    answer = health(host, capsys)

    assert answer["release"] == Path(sys.prefix).name and answer["config_hash"] and answer["session"] == {}
    assert {"configuration", "firewall", "inodes"} <= {check["name"] for check in answer["checks"]}


def test_a_calendar_that_cannot_be_read_fails_its_check_beside_all_others(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (host / "calendar.json").write_text("{")

    found = {check["name"]: check for check in health(host, capsys)["checks"]}

    assert not found["calendar"]["ok"] and found["calendar"]["fix"] == BROKEN_CALENDAR
    assert "calendar.json" in found["calendar"]["detail"] and "services" in found
