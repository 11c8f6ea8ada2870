"""The one list of what must be true: each entry, broken, is named with its cause and a command; nothing else fails."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from tests.recorder.host_facts import (
    DAY_NS,
    HOUR,
    MINUTE,
    NOW,
    PHASES,
    SERVICES,
    make_facts,
    make_installed,
    make_view,
    recorded_units,
    with_unit,
)

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.calendar import TradingCalendar
from harvester.health.facts import Day, Disk, Facts, Reach, Refusal, TimeSync, complete
from harvester.health.gather import read_tracking
from harvester.health.musts import MUSTS, check_host
from harvester.health.remedies import Check
from harvester.health.systemd import describe, parse, read_time
from harvester.health.view import View

AGENT, RECORDER = SERVICES
MONDAY_NS = midnight_ns(date(2026, 11, 30))


def failing(view: View) -> dict[str, Check]:
    """What of the list is not true, by name."""
    checks = list(check_host(view))
    assert [check.name for check in checks] == [must.name for must in MUSTS]
    assert all(check.of_host and check.detail for check in checks)
    assert all(bool(check.fix) == bool(check.gravity) for check in checks)
    assert all(check.ok for check in checks if check.gravity in ("", "info"))
    return {check.name: check for check in checks if check.gravity}


def test_a_host_that_is_well_fails_nothing() -> None:
    assert failing(make_view()) == {}


def facts_of(**changes: Any) -> Callable[[], Facts]:
    return lambda: make_facts(**changes)


def unit_of(name: str, **changes: Any) -> Callable[[], Facts]:
    return lambda: with_unit(name, **changes)


def lost(name: str) -> Callable[[], Facts]:
    return unit_of(name, present=False)


def late_reminders() -> Facts:
    """A timer that elapsed, and a service that has not begun since."""
    facts = with_unit("harvester-remind.timer", last_ns=NOW - 3 * MINUTE)
    assert facts.units
    facts.units["harvester-remind.service"].began_ns = NOW - HOUR
    return facts


def reminders_begun(early_ns: int) -> Callable[[], Facts]:
    """A service that had begun so long before its timer elapsed: systemctl tells both to the second."""

    def facts() -> Facts:
        found = late_reminders()
        assert found.units
        found.units["harvester-remind.service"].began_ns = NOW - 3 * MINUTE - early_ns
        return found

    return facts


UNUPLOADED = [Day("2026-11-26", NOW - 20 * HOUR, uploaded=False), Day("2026-11-27", NOW - 3 * HOUR, uploaded=True)]
DAMAGED = [Day("2026-11-27", NOW - DAY_NS, uploaded=True, problem="certificate.json is not what its manifest says")]
SMALL = [Disk("/", 100 << 20, 1000, 900), Disk("/nonexistent/data", 8 << 30, 1000, 900)]
NEARLY = [Disk("/", 8 << 30, 1000, 900), Disk("/nonexistent/data", 511 << 20, 1000, 900)]
NO_INODES = [Disk("/", 8 << 30, 0, 0), Disk("/nonexistent/data", 8 << 30, 1000, 0)]
REFUSED = Reach(NOW, 2, refusals=[Refusal("tgram", "Unauthorized")])


@pytest.mark.parametrize(
    ("facts", "name", "said", "fix"),
    [
        (unit_of(AGENT, active="inactive", sub="dead"), "services", "agent.service does not run since Sun 29", "start"),
        (unit_of(RECORDER, active="activating", sub="auto-restart", result="exit-code"), "services",
         "is activating (auto-restart, exit-code)", "./inv start"),
        (lost("harvester-close.service"), "unit files", "harvester-close.service is not there", "deploy"),
        (lost("harvester-remind.timer"), "unit files", "harvester-remind.timer is not there", "deploy"),
        (unit_of("harvester-close.service", load="not-found"), "unit files", "is not-found", "./inv deploy"),
        (unit_of(RECORDER, load="error"), "unit files", "harvester-recorder.service is error", "./inv deploy"),
        (unit_of("harvester-upload.service", load="masked"), "unit files", "is masked", "./inv deploy"),
        (unit_of("harvester-verify.service", load="bad-setting"), "unit files", "is bad-setting", "./inv deploy"),
        (unit_of("harvester-verify.service", outdated=True), "unit files", "systemd has not read it", "./inv deploy"),
        (unit_of("harvester-remind.timer", enabled="disabled"), "enabled", "remind.timer would not run", "start"),
        (unit_of("harvester-alert.timer", active="inactive", next_ns=None), "timers", "alert.timer does not wait",
         "./inv start"),
        (unit_of("harvester-alert.path", active="failed"), "timers", "alert.path does not wait", "./inv start"),
        (unit_of("harvester-close.timer", next_ns=None), "timers", "close.timer has no next time", "./inv start"),
        (unit_of("harvester-close.timer", next_ns=NOW - HOUR), "timers", "has no next time", "./inv start"),
        (unit_of("harvester-upload.service", active="failed", sub="failed", result="exit-code"), "jobs",
         "harvester-upload.service failed (exit-code)", "./inv logs --unit harvester-upload"),
        (late_reminders, "jobs", "harvester-remind.timer did not start harvester-remind.service", "./inv start"),
        (facts_of(time_sync=TimeSync(False, "506 Cannot talk to daemon")), "time sync", "506", "restart chrony"),
        (facts_of(time_sync=TimeSync(True, "Normal", NOW - 2 * DAY_NS)), "time sync", "since Fri", "chronyc sources"),
        (facts_of(firewall="our rules are not loaded"), "firewall", "not loaded", "systemctl restart nftables"),
        (facts_of(disks=SMALL), "space", "100 MiB free on /, 200", "./inv cleanup"),
        (facts_of(disks=NEARLY), "space", "511 MiB free on /nonexistent/data, 512", "./inv cleanup"),
        (facts_of(disks=NO_INODES), "inodes", "0 of 1000 inodes are free on /nonexistent/data", "du --inodes"),
        (facts_of(release="/opt/harvester/current is not there"), "release", "is not there", "./inv deploy"),
        (facts_of(configuration="config.json: not valid JSON"), "configuration", "not valid JSON", "./inv deploy"),
        (facts_of(days=UNUPLOADED), "bucket", "2026-11-26 is not in the bucket", "harvester-upload"),
        (facts_of(days=UNUPLOADED[1:], recorded=["2026-11-26"]), "closed days", "2026-11-26 is not closed",
         "harvester-close@2026-11-26"),
        (facts_of(days=DAMAGED, recorded=[]), "certificate", "what its manifest", "harvester-close@2026-11-27"),
        (facts_of(reach=Reach(NOW, problem="the store cannot be asked")), "channels", "cannot be asked", "notify-test"),
        (facts_of(reach=REFUSED), "channels", "1 of 2 do not take messages: tgram: Unauthorized", "./inv notify-test"),
        (facts_of(reach=Reach(NOW - 3 * MINUTE, 2)), "channels", "looked 180 s ago", "--unit harvester-alert"),
        (facts_of(at_ns=NOW - 3 * MINUTE), "watch", "looked 180 s ago", "./inv start"),
        (facts_of(at_ns=NOW + 3 * MINUTE), "watch", "should every minute", "./inv start"),
    ],
)  # fmt: skip
def test_each_entry_that_is_broken_is_named_alone_with_its_cause_and_a_command(
    facts: Callable[[], Facts], name: str, said: str, fix: str
) -> None:
    found = failing(make_view(facts()))

    assert list(found) == [name]
    assert said in found[name].detail
    assert fix in found[name].fix
    assert not found[name].ok


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (facts_of(disks=[Disk("/", 8 << 30, 1000, 50), Disk("/nonexistent/data", 8 << 30, 1000, 49)]), "inodes"),
        (facts_of(disks=[Disk("/", (200 << 20) - 1, 0, 0)]), "space"),
        (facts_of(disks=[Disk("/nonexistent/data", (512 << 20) - 1, 0, 0)]), "space"),
        (facts_of(keys={"ubuntu": NOW - 92 * DAY_NS - 1}), "login key"),
        (facts_of(time_sync=TimeSync(True, "Normal", NOW - DAY_NS - 1)), "time sync"),
        (facts_of(days=[Day("2026-11-27", NOW - 2 * HOUR - 1, uploaded=False)], recorded=[]), "bucket"),
        (facts_of(reach=Reach(NOW + 3 * MINUTE, 2)), "channels"),
        (unit_of("harvester-close.timer", next_ns=NOW - 2 * MINUTE), "timers"),
        (reminders_begun(2 * NS_PER_SECOND + 1), "jobs"),
    ],
)
def test_each_limit_is_where_it_is_said_to_be(facts: Callable[[], Facts], name: str) -> None:
    assert list(failing(make_view(facts()))) == [name]


@pytest.mark.parametrize(
    "facts",
    [
        facts_of(disks=[Disk("/", 200 << 20, 1000, 50), Disk("/nonexistent/data", 512 << 20, 1000, 50)]),
        facts_of(time_sync=TimeSync(True, "Normal", NOW - DAY_NS)),
        facts_of(days=[Day("2026-11-27", NOW - 2 * HOUR, uploaded=False)], recorded=[]),
        facts_of(reach=Reach(NOW - 179 * NS_PER_SECOND, 2)),
        unit_of("harvester-close.timer", next_ns=NOW - 119 * NS_PER_SECOND),
        reminders_begun(2 * NS_PER_SECOND),
    ],
)
def test_up_to_each_limit_all_is_well(facts: Callable[[], Facts]) -> None:
    assert failing(make_view(facts())) == {}


def test_a_timer_that_started_after_its_stamp_has_missed_nothing() -> None:
    facts = late_reminders()
    assert facts.units
    facts.units["harvester-remind.timer"].began_ns = NOW - MINUTE

    assert failing(make_view(facts)) == {}


def test_all_that_was_green_once_is_red_at_once() -> None:
    """The report that said "25 ok": agent and chrony stopped, unit files deleted, an upload that failed, no channel."""
    units = recorded_units()
    units[AGENT].active = "inactive"
    units["harvester-upload.service"].active = "failed"
    for name in ("harvester-close.service", "harvester-remind.service"):
        units[name].present = False
    facts = make_facts(
        units=units, time_sync=TimeSync(False, "506 Cannot talk to daemon"), reach=Reach(NOW), days=UNUPLOADED
    )

    found = failing(make_view(facts))

    assert list(found) == ["unit files", "services", "jobs", "time sync", "bucket", "channels"]
    assert "harvester-close.service is not there; harvester-remind.service is not there" in found["unit files"].detail


@pytest.mark.parametrize(
    ("facts", "name", "fix"),
    [
        (facts_of(reach=Reach(NOW)), "channels", "/nonexistent/channels on the host; then ./inv notify-test"),
        (facts_of(keys={"ubuntu": NOW - 93 * DAY_NS}), "login key", "./inv rotate-ssh-key"),
    ],
)
def test_what_is_only_due_is_said_and_fails_nothing(facts: Callable[[], Facts], name: str, fix: str) -> None:
    found = failing(make_view(facts()))

    assert list(found) == [name]
    assert found[name].ok and fix in found[name].fix


@pytest.mark.parametrize(
    "facts",
    [
        facts_of(keys={"ubuntu": NOW - 92 * DAY_NS}),
        facts_of(keys={}),
        facts_of(disks=[Disk("/", 8 << 30, 0, 0), Disk("/nonexistent/data", 512 << 20, 1000, 50)]),
        facts_of(days=[Day("2026-11-27", NOW - HOUR, uploaded=False)], recorded=[]),
        facts_of(days=[Day("2026-11-27", NOW - 9 * HOUR, uploaded=False, left_out=True)], recorded=[]),
        facts_of(days=[], recorded=[]),
        facts_of(handed_over=False),
        unit_of("harvester-alert.timer", active="active", sub="running", next_ns=None),
        unit_of("harvester-alert.timer", last_ns=NOW - 100 * NS_PER_SECOND),
        unit_of("harvester-close.timer", last_ns=NOW - 2 * DAY_NS),
        unit_of("harvester-alert.service", active="activating"),
        unit_of("harvester-renew.timer", enabled="disabled", active="inactive"),
        unit_of("harvester-verify.service", result="exec-condition"),
        facts_of(at_ns=NOW - 179 * NS_PER_SECOND),
    ],
)
def test_what_is_as_it_should_be_is_not_named(facts: Callable[[], Facts]) -> None:
    assert failing(make_view(facts())) == {}


def test_a_token_that_was_handed_over_and_is_gone_is_named_as_that() -> None:
    facts = with_unit(AGENT, says="handed over ssm:7, good until 2026-11-30 06:30 IST")
    facts.handed_over = False

    [found] = failing(make_view(facts)).values()

    assert found.name == "hand-over"
    assert "handed over ssm:7" in found.detail and "/nonexistent/access-token is not there" in found.detail


@pytest.mark.parametrize(("seconds", "gravity"), [(9 * 3600 + 3600, "critical"), (7 * 3600, "warning")])
def test_a_recorder_that_is_down_is_graver_in_a_session(seconds: int, gravity: str) -> None:
    now_ns = MONDAY_NS + seconds * NS_PER_SECOND
    facts = with_unit(RECORDER, active="inactive")
    facts = msgspec.structs.replace(facts, at_ns=now_ns, booted_ns=now_ns, time_sync=TimeSync(True, "Normal"))

    assert failing(make_view(facts, now_ns))["services"].gravity == gravity
    assert make_view(facts, now_ns, calendars=None).in_session, "where nobody knows, it is one"


@pytest.mark.parametrize(("seconds", "missing"), [(0, False), (1, True)])
def test_a_day_must_be_closed_three_hours_after_its_last_window(seconds: int, missing: bool) -> None:
    closes_ns = TradingCalendar.load().windows(date(2026, 11, 30), PHASES)[-1][1]
    now_ns = closes_ns + 3 * HOUR + seconds * NS_PER_SECOND
    facts = make_facts(at_ns=now_ns)
    facts = msgspec.structs.replace(facts, booted_ns=now_ns, units=_timers_at(now_ns))

    assert ("closed days" in failing(make_view(facts, now_ns))) is missing


def _timers_at(now_ns: int) -> dict[str, Any]:
    units = recorded_units()
    for unit in units.values():
        unit.next_ns = now_ns + HOUR
    return units


def test_without_a_calendar_no_day_is_called_missing() -> None:
    assert failing(make_view(make_facts(days=[]), calendars=None)) == {}


def test_what_cannot_be_looked_at_is_no_green() -> None:
    lacking = {must.needs for must in MUSTS if must.needs != "at_ns"}
    facts = Facts(at_ns=NOW, booted_ns=NOW, unseen=dict.fromkeys(lacking, "Permission denied"))

    found = failing(make_view(facts))

    assert set(found) == {must.name for must in MUSTS} - {"watch"}
    assert all(check.detail == "cannot be looked at: Permission denied" for check in found.values())


def test_a_host_that_nothing_looks_at_says_so() -> None:
    assert "nothing looks" in failing(make_view(watched_ns=None))["watch"].detail


def test_what_one_user_cannot_see_comes_from_the_watch() -> None:
    live = make_facts(firewall=None, keys=None, release="broken", unseen={"firewall": "not permitted", "keys": "no"})
    kept = make_facts(at_ns=NOW - MINUTE, firewall="our rules are not loaded", keys=None, unseen={"keys": "gone"})

    both = complete(live, kept)

    assert (both.firewall, both.release, both.keys) == ("our rules are not loaded", "broken", None)
    assert both.unseen == {"keys": "gone"} and both.at_ns == NOW
    assert complete(live, None) == live


def test_only_the_first_units_of_many_are_named() -> None:
    units = recorded_units()
    for unit in units.values():
        unit.present = False

    detail = failing(make_view(make_facts(units=units)))["unit files"].detail

    assert detail.count("is not there") == 5 and detail.endswith(f"and {len(make_installed().units) - 5} more")


def test_a_unit_that_was_not_looked_at_counts_as_none() -> None:
    found = failing(make_view(make_facts(units={})))

    assert {"unit files", "enabled", "services", "timers"} <= set(found)


# --- what programs say


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("Sun 2026-11-29 10:49:58 UTC", 1_795_949_398), ("", None), ("n/a", None), ("infinity", None)],
)
def test_times_of_systemctl_are_read_in_utc(text: str, seconds: int | None) -> None:
    assert read_time(text) == (None if seconds is None else seconds * NS_PER_SECOND)


def test_a_unit_that_runs_without_its_file_is_seen_as_both() -> None:
    """Recorded: the recorder's file was moved away, and systemd read its files again."""
    said = (
        "StatusText=recording 5 symbols\nResult=success\nId=harvester-recorder.service\nLoadState=not-found\n"
        "ActiveState=active\nSubState=running\nUnitFileState=\nStateChangeTimestamp=Sun 2026-11-29 10:47:50 UTC\n"
        "InactiveExitTimestamp=Sun 2026-11-29 10:47:48 UTC\nNeedDaemonReload=no\n"
    )
    [row] = parse(said)
    unit = describe(row, present=False)

    assert (unit.active, unit.load, unit.present, unit.says) == ("active", "not-found", False, "recording 5 symbols")


SYNCED = "C0000207,192.0.2.7,3,1795948795.603478491,0.000012000,0.0,0.0,0.0,0.0,0.0,0.0,0.0,64.0,Normal"


@pytest.mark.parametrize(
    ("said", "synchronised", "words"),
    [
        (SYNCED, True, "Normal, +0.000012 s against 192.0.2.7"),
        (SYNCED.replace("Normal", "Insert second"), True, "Insert second"),
        ("00000000,,0,0.000000000,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised", False, "Not synchronised"),
        ("506 Cannot talk to daemon", False, "no tracking report"),
        ("", False, "no tracking report"),
    ],
)
def test_chronys_own_word_is_what_counts(said: str, synchronised: bool, words: str) -> None:
    found = read_tracking(said.split(","))

    assert found.synchronised is synchronised
    assert words in found.says
