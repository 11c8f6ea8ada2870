"""A host as the watch saw it: units by an answer of systemd 257 that was recorded on a lab host, the rest well."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.health.facts import Day, Disk, Facts, Reach, TimeSync, Unit
from harvester.health.installed import Installed
from harvester.health.systemd import describe, parse
from harvester.health.view import View

NOW = int(datetime(2026, 11, 29, 10, 50, 25, tzinfo=UTC).timestamp()) * NS_PER_SECOND
"""A moment after the recording: a Sunday, 16:20 in India."""
MINUTE, HOUR, DAY_NS = 60 * NS_PER_SECOND, 3600 * NS_PER_SECOND, 86_400 * NS_PER_SECOND
RECORDED = Path(__file__).with_name("systemctl-show.txt")
SERVICES = ("harvester-token-agent.service", "harvester-recorder.service")
LAST = date(2026, 11, 27)
"""The last trading day, a Friday."""
PHASES = ("continuous",)


def recorded_units() -> dict[str, Unit]:
    return {row["Id"]: describe(row, present=True) for row in parse(RECORDED.read_text())}


def make_installed(folder: Path = Path("/nonexistent"), **changes: Any) -> Installed:
    """What the role of a host with a bucket wrote down; its paths are in `folder`."""
    names = [name for name in recorded_units() if name.startswith("harvester-")]
    off = {"harvester-renew.timer", "harvester-metrics.timer"}  # recorded before there was harvester-logs.timer
    timers = [name for name in names if name.endswith((".timer", ".path")) and name not in off]
    written = {
        "host_id": "h1",
        "root": f"{folder}/opt",
        "config": f"{folder}/config.json",
        "data_dir": f"{folder}/data",
        "status_file": f"{folder}/status.json",
        "handover": f"{folder}/access-token",
        "facts": f"{folder}/facts.json",
        "services": list(SERVICES),
        "timers": timers,
        "units": names,
        "logins": ["ubuntu"],
        "uploads": True,
        "alerts": {name: f"{folder}/{name}" for name in ("memory", "inbox", "log_dir", "ports")}
        | {"channels": f"file:{folder}/channels"},
    }
    return validate(Installed, written | changes)


def make_facts(**changes: Any) -> Facts:
    """A host that is well."""
    days = [
        Day(day, midnight_ns(date.fromisoformat(day)) + 16 * HOUR, uploaded=True)
        for day in ("2026-11-26", "2026-11-27")
    ]
    facts = Facts(
        at_ns=NOW,
        booted_ns=NOW - DAY_NS,
        units=recorded_units(),
        time_sync=TimeSync(True, "Normal, +0.000012 s against 192.0.2.7", NOW - 20 * MINUTE),
        firewall="",
        disks=[Disk("/", 8 << 30, 1_000_000, 900_000), Disk("/nonexistent/data", 8 << 30, 1_000_000, 900_000)],
        release="",
        configuration="",
        days=days,
        recorded=["2026-11-26", "2026-11-27"],
        handed_over=True,
        reach=Reach(NOW, 2),
        keys={"ubuntu": NOW - 30 * DAY_NS},
        overdue=[],
    )
    return msgspec.structs.replace(facts, **changes)


def make_view(facts: Facts | None = None, now_ns: int = NOW, **changes: Any) -> View:
    facts = facts or make_facts()
    view = View(make_installed(), facts, now_ns, facts.at_ns, 256 << 20, [TradingCalendar.load()], PHASES)
    return view._replace(**changes)


def with_unit(name: str, **changes: Any) -> Facts:
    """A well host but for one of its units."""
    units = recorded_units()
    units[name] = msgspec.structs.replace(units[name], **changes)
    return make_facts(units=units)


def write_installed(folder: Path, **changes: Any) -> Path:
    """The role's file, for a process that is told of it."""
    path = folder / "installed.json"
    path.write_text(json.dumps(msgspec.to_builtins(make_installed(folder, **changes), enc_hook=str)))
    return path
