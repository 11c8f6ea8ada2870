"""A fortnight of a host's jobs on a moved clock: real runs, scripted failures; the ledger of each day and each message.

The host records nothing, so what is due are its jobs alone. The days are from Sunday 29 November 2026 on; Monday to
Friday are trading days, and from 7 December on the close is five minutes later.
"""

import json
import os
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvester import cli
from harvester.alerts import teller as telling
from harvester.alerts.channels import Channel
from harvester.alerts.message import Message
from harvester.alerts.teller import Teller
from harvester.alerts.watch import HostLook, tell_overdue
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local, zone
from harvester.calendar import TradingCalendar
from harvester.commands import due as due_command
from harvester.config.segments import hours_of
from harvester.config.settings import CalendarSettings
from harvester.dues import host as dues_host
from harvester.dues.host import Seen
from harvester.health.facts import Unit
from harvester.health.installed import find_installed
from harvester.jobs.schedule import read_schedule

FIRST, DAYS = date(2026, 11, 29), 14
CALENDAR = TradingCalendar.load()
MINUTE_NS = 60 * NS_PER_SECOND
JOBS = {"sync": "every 6h", "report": "close+30m", "backup": "16:30"}
SHELL = (
    'case $(cat outcome) in ok) ;; slow) sleep 600 ;; dies) kill -9 $$ ;; *) echo "No route to host"; exit 7 ;; esac'
)
SCRIPT = {
    "29 12:00 sync": "fails",
    "30 16:05 report": "never",
    "02 16:30 backup": "slow",
    "03 16:30 backup": "fails",
    "05 06:00 sync": "never",
    "05 12:00 sync": "never",
    "08 16:10 report": "late",
    "09 00:00 sync": "dies",
}
"""Day, time and job, and what becomes of it; all others are well."""
NOT_MET = {
    "29": ["12:00 sync missing failed: it ended with 7: No route to host"],
    "30": ["16:05 report missing it did not start, although harvester-job-report.timer waits"],
    "02": ["16:30 backup missing timeout: it did not end within 1 s"],
    "03": ["16:30 backup missing failed: it ended with 7: No route to host"],
    "05": [f"{at}:00 sync missing it did not start, although harvester-job-sync.timer waits" for at in ("06", "12")],
    "08": ["16:10 report late "],
    "09": ["00:00 sync missing failed: it was ended by signal 9"],
    "10": ["16:30 backup late ", "18:00 sync excused the host was off"],
    "11": [f"{at}:00 sync excused the host was off" for at in ("00", "06")],
}
MESSAGES = """\
29 12:01 WARNING h1: The job sync failed
29 18:01 CLEAR h1: clear: The job sync failed
30 00:51 INFO h1: 2026-11-29: 5 due: 4 met, 1 missing
30 16:31 WARNING h1: The job report was due 30 Nov 16:05 IST and did not come
01 00:51 INFO h1: 2026-11-30: 6 due: 5 met, 1 missing
01 16:06 CLEAR h1: clear: The job report was due 30 Nov 16:05 IST and did not come
02 00:51 INFO h1: 2026-12-01: 6 due: 6 met
02 16:31 WARNING h1: The job backup failed
03 00:51 INFO h1: 2026-12-02: 6 due: 5 met, 1 missing
03 16:31 WARNING h1: The job backup failed
04 00:51 INFO h1: 2026-12-03: 6 due: 5 met, 1 missing
04 16:31 CLEAR h1: clear: The job backup failed
05 00:51 INFO h1: 2026-12-04: 6 due: 6 met
05 08:10 WARNING h1: The job sync was due 05 Dec 06:00 IST and did not come
05 18:01 CLEAR h1: clear: The job sync was due 05 Dec 12:00 IST and did not come
06 00:51 INFO h1: 2026-12-05: 5 due: 3 met, 2 missing
07 00:51 INFO h1: 2026-12-06: 5 due: 5 met
08 00:51 INFO h1: 2026-12-07: 6 due: 6 met
08 16:34 WARNING h1: The job report was due 08 Dec 16:10 IST and did not come
08 17:41 CLEAR h1: clear: The job report was due 08 Dec 16:10 IST and did not come
09 00:01 WARNING h1: The job sync failed
09 00:51 INFO h1: 2026-12-08: 6 due: 5 met, 1 late
09 06:01 CLEAR h1: clear: The job sync failed
10 00:51 INFO h1: 2026-12-09: 6 due: 5 met, 1 missing
12 00:51 INFO h1: 2026-12-10: 6 due: 4 met, 1 excused, 1 late
12 02:10 INFO h1: 2026-12-11: 6 due: 4 met, 2 excused
13 00:51 INFO h1: 2026-12-12: 5 due: 5 met
""".splitlines()


class World:
    """The host, its clock, and what people were told."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.now_ns, self.told = root, 0, list[str]()
        self.well: dict[str, bool] = {}
        monkeypatch.setattr("harvester.base.clock.SystemClock.wall_ns", lambda _: self.now_ns)
        monkeypatch.setattr(telling, "open_channels", lambda _: [self.channel()])
        monkeypatch.setattr(telling, "find_channels", lambda _: ["people"])
        monkeypatch.setattr("harvester.jobs.process.GRACE_SECONDS", 0.2)
        timers = {f"harvester-job-{name}.timer": Unit(present=True, active="active") for name in JOBS}
        for module in (dues_host, due_command):
            monkeypatch.setattr(module, "ask_systemd", lambda _: Seen(timers, [(0, OFF_NS[0]), (OFF_NS[1], 2**63)]))

    def channel(self) -> Channel:
        world = self

        class People:
            kind, name, ports = "people", "people", ()

            def send(self, message: Message) -> str:
                title = f"{message.severity.name} {message.title}"
                world.told.append(f"{to_local(world.now_ns):%d %H:%M} {title}")
                return ""

        return People()

    def run(self, name: str, outcome: str) -> None:
        """One start of its unit, by systemd's rules."""
        (self.root / "outcome").write_text(outcome)
        self.well[f"harvester-job-{name}.service"] = cli.run(["job", "run", name]) == 0
        os.environ["SERVICE_RESULT"] = "success" if outcome == "ok" else "exit-code"
        assert cli.run(["job", "ended", name]) == 0

    def look(self) -> None:
        """What the watch and the alerts do each minute."""
        installed = find_installed()
        assert installed
        for path in (self.root / "inbox").iterdir():
            os.utime(path, ns=(self.now_ns, self.now_ns))
        overdue = dues_host.find_overdue(self.root, None, CALENDAR, self.now_ns)
        teller = Teller(None, self.now_ns, self.well.get, installed.alerts)
        teller.look(None, HostLook(tell_overdue(overdue, "h1"), complete=True, in_session=False))
        teller.send()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    place = {name: str(tmp_path / name) for name in ("root", "config", "status_file", "handover", "facts")}
    alerts = {
        name: f"{tmp_path}/{where}" for name, where in {"inbox": "inbox", "memory": "m", "log_dir": "log"}.items()
    }
    alerts |= {"channels": f"file:{tmp_path}/channels", "ports": f"{tmp_path}/ports", "daily": True}  # type: ignore[dict-item]
    facts = {"host_id": "h1", "data_dir": str(tmp_path), "services": [], "timers": [], "units": [], "alerts": alerts}
    (tmp_path / "installed.json").write_text(json.dumps(place | facts))
    command = ["sh", "-c", SHELL]
    jobs = [{"name": name, "when": when, "command": command, "limit": "1s"} for name, when in JOBS.items()]
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": jobs}))
    for name in ("inbox", "log_dir", "dues", *(f"jobs/{name}" for name in JOBS)):
        (tmp_path / name).mkdir(parents=True)
    for name in JOBS:
        (tmp_path / f"jobs/{name}/since").touch()
        os.utime(tmp_path / f"jobs/{name}/since", ns=(at(FIRST, 0), at(FIRST, 0)))
    for name, value in {"INSTALLED": "installed.json", "JOBS": "jobs.json"}.items():
        monkeypatch.setenv(f"HARVESTER_{name}", str(tmp_path / value))
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power is cut here
    monkeypatch.setenv("HARVESTER_CONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SERVICE_RESULT", "")
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    yield World(tmp_path, monkeypatch)


def at(day: date, minutes: int) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone())
    return (int(midnight.timestamp()) + minutes * 60) * NS_PER_SECOND


OFF_NS = (at(date(2026, 12, 10), 16 * 60 + 20), at(date(2026, 12, 11), 8 * 60 + 30))
"""The host was off from Thursday afternoon to Friday morning."""


def days() -> list[date]:
    return [FIRST + timedelta(days=number) for number in range(DAYS)]


def timetable() -> Iterator[tuple[int, str, str]]:
    """Each start of a job: when, which, what becomes of it."""
    for day in days():
        hours = hours_of([CALENDAR], day, CalendarSettings().phases)
        for name, when in JOBS.items():
            schedule = read_schedule(when)
            if schedule.needs_market and hours is None:
                continue
            for due_ns in schedule.moments(day, hours):
                if OFF_NS[0] < due_ns < OFF_NS[1]:
                    if schedule.persistent:
                        yield OFF_NS[1] + MINUTE_NS, name, "ok"
                    continue
                outcome = SCRIPT.get(f"{to_local(due_ns):%d %H:%M} {name}", "ok")
                if outcome == "late":
                    yield due_ns + 90 * MINUTE_NS, name, "ok"
                elif outcome != "never":
                    yield due_ns, name, outcome


def test_a_fortnight(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    starts = sorted(timetable())
    looks = {at(day, minutes) for day in days() for minutes in range(10, 1440, 120)}
    looks |= {start + more * MINUTE_NS for start, _, _ in starts for more in (1, 4)}
    settles = {at(day, 50) for day in days()} | {at(days()[-1] + timedelta(days=1), 50)}
    events: list[tuple[int, int, Any]] = [(start, 0, (name, outcome)) for start, name, outcome in starts]
    events += [(look, 1, None) for look in looks | {each + MINUTE_NS for each in settles}]
    events += [(settle, 2, None) for settle in settles]
    events = [event for event in events if not OFF_NS[0] < event[0] < OFF_NS[1]]
    ledgers: dict[str, list[str]] = {}
    for when, kind, what in sorted(events, key=lambda event: event[:2]):
        world.now_ns = when
        if kind == 0:
            world.run(*what)
        elif kind == 1:
            world.look()
        else:
            assert cli.run(["due", "--settle"]) == 0
    capsys.readouterr()
    for day in days():
        assert cli.run(["due", "--date", str(day), "--json"]) in (0, 3)
        answer = json.loads(capsys.readouterr().out)
        assert answer["settled"]
        rows = [
            f"{to_local(each['due_ns']):%H:%M} {each['name']} {each['state']} {each['cause']}"
            for each in answer["entries"]
        ]
        assert len(rows) == 5 + (day.weekday() < 5)
        if odd := [row for row in rows if " met " not in row]:
            ledgers[f"{day:%d}"] = odd

    assert ledgers == NOT_MET
    assert world.told == MESSAGES
