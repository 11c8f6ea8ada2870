"""Two weeks with two hosts: a muhurat on a Sunday, a holiday, a rehearsal on a Saturday; quiet, and full of trouble."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.aws_days.alarms import MINUTE
from tests.aws_days.rendering import NAMES
from tests.aws_days.timers import TIMERS, elapses, latest_delay, settings
from tests.aws_days.world import World, ist

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import MarketName, entered, to_local
from harvester.calendar import TradingCalendar
from runbook.aws.cost import HOURS_A_SUNDAY
from runbook.aws.trading_days import WATCHED

BEGIN, END = "2026-11-01T12:00", "2026-11-15T12:00"
DAYS = [date(2026, 11, 1) + timedelta(days=number) for number in range(14)]
FIRST, SECOND = NAMES.host(1), NAMES.host(2)
SHORT = {FIRST: "h1", SECOND: "h2", f"{NAMES.stem}: ": ""}
Live = Callable[[datetime], World]
ORDINARY = {f"2026-11-{day:02d}": ("08:50", "16:27") for day in (2, 3, 4, 5, 6, 9, 11, 12, 13)}
HOURS = {**ORDINARY, "2026-11-08": ("18:05", "19:42"), "2026-11-14": ("09:05", "12:57")}
"""When hosts start and stop on each trading day; the 10th is a holiday."""
SUNDAYS = ("2026-11-08", "2026-11-15")
"""Of the fortnight, which begins at noon of one."""
QUIET = sorted(
    [
        f"{day} {time} {what} {host}"
        for day, hours in [*HOURS.items(), *((day, ("02:50", "05:02")) for day in SUNDAYS)]
        for what, time in zip(("start", "stop"), hours, strict=True)
        for host in ("h1", "h2")
    ]
)


def short(lines: list[str]) -> list[str]:
    """Lines with the hosts called h1 and h2."""
    for name, instead in SHORT.items():
        lines = [line.replace(name, instead) for line in lines]
    return lines


def lost(world: World, calendar: TradingCalendar) -> dict[str, tuple[int, int]]:
    """Minutes of trading that each host did not record, by day; days without any are left out."""
    found = {}
    for day in DAYS:
        minutes = set()
        for begins, ends in calendar.windows(day, ("continuous",)):
            length = (to_local(ends) - to_local(begins)) // MINUTE
            minutes |= {to_local(begins) + number * MINUTE for number in range(1, length + 1)}
        missing = tuple(len(minutes - host.recorded) for host in world.hosts)
        if any(missing):
            found[day.isoformat()] = (missing[0], missing[1])
    return found


def upgraded(world: World) -> dict[str, list[str]]:
    """Days on which each host fetched lists of packages, and installed from them afterwards."""
    days: dict[str, list[str]] = {}
    for host in world.hosts:
        lists, upgrades = (host.timed.get(timer, []) for timer in TIMERS)
        both = {late.date() for early in lists for late in upgrades if early < late and early.date() == late.date()}
        days[SHORT[host.name]] = sorted(map(str, both))
    return days


@pytest.fixture(scope="module")
def timers() -> dict[str, frozenset[datetime]]:
    """When the timers for packages are due in the fortnight."""
    return {timer: frozenset(elapses(timer, ist(BEGIN), ist(END))) for timer in TIMERS}


@pytest.mark.parametrize("timer", TIMERS)
def test_packages_are_never_touched_in_a_session_nor_made_up_for_at_a_boot(
    timer: str, calendar: TradingCalendar, timers: dict[str, frozenset[datetime]]
) -> None:
    assert settings(timer)["Persistent"] == "false", "or a host that boots for the session would begin with it"
    windows = [window for day in DAYS for window in calendar.windows(day, WATCHED)]
    assert len(timers[timer]) == 4 * len(SUNDAYS)
    for due in timers[timer]:
        last = due + latest_delay(timer) + timedelta(minutes=30)
        assert not any(to_local(begins) < last and due < to_local(ends) for begins, ends in windows)
    assert latest_delay("apt-daily") < timedelta(minutes=10), "or lists could come after what is installed from them"


@pytest.mark.parametrize(
    ("market", "day", "expected"),
    [
        ("nse", "2026-11-07", ["Sun 03:10", "Sun 04:40"]),
        ("us", "2026-11-08", ["Sun 03:10", "Sun 03:40"]), ("us", "2026-07-05", ["Sun 04:10", "Sun 04:40"]),
    ],
)  # fmt: skip
def test_snaps_are_refreshed_while_hosts_run_for_their_maintenance(
    root: Path, market: MarketName, day: str, expected: list[str]
) -> None:
    """snapd's own words, in the host's clock, which is UTC; New York sets its clock, and snapd does not follow."""
    defaults = yaml.safe_load((root / "roles/host_baseline/defaults/main.yml").read_text("utf-8"))
    stated = dict(re.findall(r"'(\w+)': '([^']+)'", defaults["host_baseline_snap_refresh"]))
    weekday, _, hours = stated[market].partition(",")
    moments = [datetime.fromisoformat(f"{day}T{hour}Z") for hour in hours.split("-")]

    assert {f"{moment:%a}".lower() for moment in moments} == {weekday}
    with entered(market):
        times = [to_local(int(moment.timestamp()) * NS_PER_SECOND) for moment in moments]
    assert [f"{time:%a %H:%M}" for time in times] == expected


def test_a_quiet_fortnight_starts_and_stops_each_day_and_sends_no_mail(
    live: Live, calendar: TradingCalendar, timers: dict[str, frozenset[datetime]], figure: Any
) -> None:
    world = live(ist(BEGIN))
    world.timers = timers
    world.run(ist(END))

    assert sorted(short(world.cloud.done)) == QUIET
    assert lost(world, calendar) == {}
    assert world.failures == []
    figure("mails_of_a_quiet_fortnight", len(world.cloud.told), bound="== 0", unit="mails", gate=True)
    assert len(world.cloud.snapshots) == 14, "seven of each host"
    assert upgraded(world) == {"h1": [*SUNDAYS], "h2": [*SUNDAYS]}
    awake = ist(f"{SUNDAYS[0]}T05:02") - ist(f"{SUNDAYS[0]}T02:50")
    assert awake / timedelta(hours=1) == pytest.approx(HOURS_A_SUNDAY), "which ./inv cost counts"


class Story:
    """What goes wrong, and when. A call of AWS is refused by `refuse` while its time lasts, or so often."""

    def __init__(self, world: World, timers: dict[str, frozenset[datetime]]) -> None:
        self.world, self.timers = world, timers

    def refuse(self, operation: str, since: str, until: str, *, code: str, times: int = 10_000, host: str = "") -> None:
        left = [times]
        identity = next((one.identity for one in self.world.cloud.instances if one.tags["Name"] == host), "")

        def refusal(asked_for: str, asked: dict[str, Any]) -> str:
            mine = asked_for == operation and (not host or identity in asked["InstanceIds"])
            if not mine or not left[0] or not ist(since) <= self.world.now < ist(until):
                return ""
            left[0] -= 1
            return code

        self.world.cloud.refusals.append(refusal)

    def tell(self) -> None:
        world, (first, second) = self.world, self.world.hosts
        no_room, down = "InsufficientInstanceCapacity", "InternalError"
        self.refuse("StartInstances", "2026-11-04T08:00", "2026-11-04T10:40", code=no_room, host=SECOND)
        self.refuse("Publish", "2026-11-05T08:25", "2026-11-05T08:35", code=down, times=1)
        self.refuse("StopInstances", "2026-11-06T16:00", "2026-11-06T20:00", code=down, times=1, host=FIRST)
        self.refuse("StartInstances", "2026-11-08T02:40", "2026-11-08T04:20", code=no_room, host=SECOND)
        self.refuse("StopInstances", "2026-11-08T05:00", "2026-11-08T06:00", code=down, times=1, host=FIRST)
        self.refuse("StopInstances", "2026-11-15T05:00", "2026-11-15T06:00", code=down, host=SECOND)
        self.refuse("Publish", "2026-11-12T19:00", "2026-11-12T21:00", code=down, times=1)
        world.forgotten, world.timers = {"2026-11-05"}, self.timers
        world.run(ist("2026-11-05T09:40"))
        world.push_token()
        world.run(ist("2026-11-09T13:00"))
        second.dead = True
        world.run(ist("2026-11-09T13:30"))
        second.dead = False
        world.run(ist("2026-11-11T11:20"))
        first.deaf = True
        world.run(ist("2026-11-11T12:00"))
        first.deaf = False
        world.run(ist("2026-11-12T16:00"))
        second.stuck = True
        world.run(ist("2026-11-12T21:00"))
        second.stuck = False
        world.run(ist(END))


SAID = [
    "2026-11-04 08:55 not every host runs",
    "2026-11-04 09:05 ALARM silent-h2",
    "2026-11-04 09:50 not every host runs",
    "2026-11-05 08:00 Log in for today's session",
    "2026-11-05 08:31 ALARM errors-reminder",
    "2026-11-05 08:31 Still no login for today",
    "2026-11-05 08:50 The session opens in minutes, without a token",
    "2026-11-05 09:05 Nothing is recorded: no valid token",
    "2026-11-05 09:20 ALARM idle-h1",
    "2026-11-05 09:20 ALARM idle-h2",
    "2026-11-05 09:40 The token is in place",
    "2026-11-08 03:50 not every host runs",
    "2026-11-09 13:05 ALARM silent-h2",
    "2026-11-11 11:23 ALARM idle-h1",
    "2026-11-12 20:13 ALARM errors-evening",
    "2026-11-12 20:13 2026-11-12 is not in the bucket",
    "2026-11-15 05:57 a host was not stopped",
]
LOST = {
    "2026-11-04": (0, 86),
    "2026-11-05": (24, 24),
    "2026-11-09": (0, 30),
    "2026-11-11": (40, 0),
}
"""Minutes by host: no machine until 10:40, no token until 09:40, a dead host, a deaf recorder."""
DIFFERENT = {
    "2026-11-04 08:50 start h2": "2026-11-04 10:40 start h2",
    "2026-11-06 16:27 stop h1": "2026-11-06 16:32 stop h1",
    "2026-11-08 02:50 start h2": "2026-11-08 04:20 start h2",
    "2026-11-08 05:02 stop h1": "2026-11-08 05:07 stop h1",
    "2026-11-15 05:02 stop h2": "",
    "2026-11-12 16:27 stop h2": "",
    "2026-11-13 08:50 start h2": "",
}


def test_a_fortnight_of_trouble_is_told_and_each_day_is_recorded_or_explained(
    live: Live, calendar: TradingCalendar, timers: dict[str, frozenset[datetime]], figure: Any
) -> None:
    world = live(ist(BEGIN))
    Story(world, timers).tell()

    expected = sorted(filter(None, (DIFFERENT.get(line, line) for line in QUIET)))
    done, told = sorted(short(world.cloud.done)), short(world.cloud.told)
    figure("fortnight_starts_and_stops_out_of_place", len(set(done) ^ set(expected)), bound="== 0", unit="calls")
    figure("fortnight_messages_out_of_place", len(set(told) ^ set(SAID)), bound="== 0", unit="messages")
    assert done == expected
    assert told == SAID
    assert lost(world, calendar) == LOST
    days_told = {line[:10] for line in told}
    untold = [day for day in LOST if day not in days_told]
    figure("days_lost_in_silence", len(untold), bound="== 0", unit="days", gate=True)
    assert len(world.failures) == 2, world.failures
    assert upgraded(world) == {"h1": [*SUNDAYS], "h2": [*SUNDAYS]}
