"""What health says to the letter, and what it asks the host's programs."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.recorder.host_facts import MINUTE, make_facts, make_view, with_unit, write_installed
from tests.recorder.test_examine import health, host
from tests.recorder.test_health import DAY, NOW, OPEN_NS, SECOND, good_status, settings

from harvester.base.market import midnight_ns
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.health import gather
from harvester.health.candles import check_candles
from harvester.health.checks import BROKEN_CALENDAR, check_health
from harvester.health.deployment import judge_configuration
from harvester.health.installed import find_installed
from harvester.health.remedies import Check
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
