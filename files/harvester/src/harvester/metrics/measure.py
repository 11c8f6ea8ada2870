"""Measures disk and memory of the host, and takes the recorder's state from its status file."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError, UnhealthyError
from harvester.base.files import replace_file
from harvester.base.monitors import HALF_SECOND_NS, STALE_NS
from harvester.capture.status import read_status
from harvester.health.facts import Facts

MEMINFO = Path("/proc/meminfo")
START = "./inv start"
ALERTS_NS = 120 * NS_PER_SECOND
"""The alerts look every minute, which takes half of one where a channel hangs; so does the watch."""


class Metric(NamedTuple):
    """One value; `unit` is one of CloudWatch's."""

    name: str
    value: float
    unit: str


HEARTBEAT = Metric("Heartbeat", 1, "Count")
"""The recorder is at work, and people are told where it is not. The dead-man listens for it."""


class UpdateCount(NamedTuple):
    """Updates of all symbols that one run of the recorder has counted since its start."""

    run_id: str
    updates: int


def measure_disk(directory: Path) -> Metric:
    """Percent of the file system of `directory` that is used, as df counts it: of what is not reserved for root."""
    try:
        stat = os.statvfs(directory)
    except OSError as error:
        raise HarvesterError(
            f"{directory}: the disk cannot be measured ({error.strerror}). Correct data_dir in harvester_settings, or"
            " deploy anew, which makes the folder."
        ) from error
    used = stat.f_blocks - stat.f_bfree
    return Metric("DiskUsedPercent", 100 * used / max(1, used + stat.f_bavail), "Percent")


def measure_memory(meminfo: Path = MEMINFO) -> Metric:
    """Percent of the memory that programs cannot have without swapping: all but MemAvailable (proc_meminfo(5))."""
    try:
        fields = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines())
        total, available = (int(fields[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError) as error:
        raise HarvesterError(
            f"{meminfo}: the memory cannot be measured ({error}). Is /proc hidden from this service? Its unit needs"
            " ProcSubset=all."
        ) from error
    return Metric("MemoryUsedPercent", 100 * (total - available) / total, "Percent")


def read_fresh(path: Path, wall_ns: int) -> dict[str, Any]:
    """The recorder's state as of now. Raises UnhealthyError where there is none, or an old one."""
    status = read_status(path)
    age_ns = wall_ns - int(status.get("written_at_ns", 0))
    if not -STALE_NS < age_ns < STALE_NS:
        raise UnhealthyError(
            f"{path}: published {age_ns / NS_PER_SECOND:.0f} s ago, so the recorder hangs or has ended: ./inv logs."
        )
    return status


def count_updates(status: dict[str, Any]) -> UpdateCount:
    """What the recorder has counted so far."""
    return UpdateCount(
        str(status.get("run_id")), sum(symbol["updates"] for symbol in status.get("symbols", {}).values())
    )


def require_alerts(looked: Path, wall_ns: int) -> None:
    """Raises UnhealthyError where the alerts, which look every minute and write `looked`, do so no more."""
    try:
        age_ns = wall_ns - looked.stat().st_mtime_ns
    except OSError as error:
        raise UnhealthyError(f"{looked}: the alerts have not looked here yet ({error.strerror}): {START}.") from error
    if not -ALERTS_NS < age_ns < ALERTS_NS:
        raise UnhealthyError(f"the alerts looked {age_ns / NS_PER_SECOND:.0f} s ago, and should every minute: {START}.")


def measure_dues(facts: Facts | None, wall_ns: int) -> Iterator[Metric]:
    """How much was due and did not come, and how many deliveries are not made, by what the watch saw; none if long ago.

    AWS's alarm on the one tells people whom the host's own alerts do not reach; by the other its evening stops hosts.
    """
    if facts is None or not -ALERTS_NS < wall_ns - facts.at_ns < ALERTS_NS:
        return
    for name, found in (("DuesMissing", facts.overdue), ("DuesUndelivered", facts.undelivered)):
        if found is not None:
            yield Metric(name, len(found), "Count")


def measure_recorder(status: dict[str, Any], last: UpdateCount | None) -> Iterator[Metric]:
    """Metrics of a recorder at work. Updates are those since `last`; without it there is nothing to count from."""
    counted = count_updates(status)
    if last is not None:
        yield Metric("Updates", counted.updates - (last.updates if last.run_id == counted.run_id else 0), "Count")
    offset_ns = status.get("clock", {}).get("offset_ns")
    # The recorder compares its clock with the broker's answers, so only while it records.
    if offset_ns is not None and status.get("window", {}).get("open"):
        # The broker's header has whole seconds: half a second either way proves nothing.
        yield Metric("ClockOffsetSeconds", max(0, abs(offset_ns) - HALF_SECOND_NS) / NS_PER_SECOND, "Seconds")


def read_count(path: Path) -> UpdateCount | None:
    """What was counted when metrics were last published; None before the first time, or when the file is damaged."""
    try:
        return UpdateCount(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        print(f"{path}: not what this program wrote, so updates are counted anew.")
        return None
    except OSError as error:
        raise _unusable(path, error) from error


def keep_count(path: Path, count: UpdateCount) -> None:
    """Remember what was counted. Raises HarvesterError."""
    try:
        replace_file(path, json.dumps(count._asdict()), synced=False)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> HarvesterError:
    return HarvesterError(
        f"{path}: cannot be used ({error.strerror}), so updates cannot be counted. The unit harvester-metrics makes the"
        " folder: systemctl start harvester-metrics; or correct metrics.state_file in harvester_settings."
    )
