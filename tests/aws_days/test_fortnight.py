"""Two weeks with two hosts: a muhurat on a Sunday, a holiday, a rehearsal on a Saturday; quiet, and full of trouble."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from tests.aws_days.alarms import MINUTE
from tests.aws_days.rendering import NAMES
from tests.aws_days.world import World, ist

from harvester.base.clock import to_ist
from harvester.calendar import TradingCalendar

BEGIN, END = "2026-11-01T12:00", "2026-11-15T12:00"
DAYS = [date(2026, 11, 1) + timedelta(days=number) for number in range(14)]
FIRST, SECOND = NAMES.host(1), NAMES.host(2)
SHORT = {FIRST: "h1", SECOND: "h2", f"{NAMES.stem}: ": ""}
Live = Callable[[datetime], World]
ORDINARY = {f"2026-11-{day:02d}": ("08:50", "16:27") for day in (2, 3, 4, 5, 6, 9, 11, 12, 13)}
HOURS = {**ORDINARY, "2026-11-08": ("18:05", "19:42"), "2026-11-14": ("09:05", "12:57")}
"""When hosts start and stop on each trading day; the 10th is a holiday."""


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
            length = (to_ist(ends) - to_ist(begins)) // MINUTE
            minutes |= {to_ist(begins) + number * MINUTE for number in range(1, length + 1)}
        missing = tuple(len(minutes - host.recorded) for host in world.hosts)
        if any(missing):
            found[day.isoformat()] = (missing[0], missing[1])
    return found


def test_a_quiet_fortnight_starts_and_stops_each_day_and_sends_no_mail(
    live: Live, calendar: TradingCalendar, figure: Any
) -> None:
    world = live(ist(BEGIN))
    world.run(ist(END))

    expected = sorted(
        f"{day} {time} {what} {host}"
        for day, hours in HOURS.items()
        for what, time in zip(("start", "stop"), hours, strict=True)
        for host in ("h1", "h2")
    )
    assert sorted(short(world.cloud.done)) == expected
    assert lost(world, calendar) == {}
    assert world.failures == []
    figure("mails_of_a_quiet_fortnight", len(world.cloud.told), bound="== 0", unit="mails", gate=True)
    assert len(world.cloud.snapshots) == 14, "seven of each host"


class Story:
    """What goes wrong, and when. A call of AWS is refused by `refuse` while its time lasts, or so often."""

    def __init__(self, world: World) -> None:
        self.world = world

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
        self.refuse("Publish", "2026-11-12T19:00", "2026-11-12T21:00", code=down, times=1)
        world.forgotten = {"2026-11-05"}
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
    "2026-11-09 13:05 ALARM silent-h2",
    "2026-11-11 11:23 ALARM idle-h1",
    "2026-11-12 20:13 ALARM errors-evening",
    "2026-11-12 20:13 2026-11-12 is not in the bucket",
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
    "2026-11-12 16:27 stop h2": "",
    "2026-11-13 08:50 start h2": "",
}


def test_a_fortnight_of_trouble_is_told_and_each_day_is_recorded_or_explained(
    live: Live, calendar: TradingCalendar, figure: Any
) -> None:
    world = live(ist(BEGIN))
    Story(world).tell()

    quiet = [
        f"{day} {time} {what} {host}"
        for day, hours in HOURS.items()
        for what, time in zip(("start", "stop"), hours, strict=True)
        for host in ("h1", "h2")
    ]
    expected = sorted(filter(None, (DIFFERENT.get(line, line) for line in quiet)))
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
