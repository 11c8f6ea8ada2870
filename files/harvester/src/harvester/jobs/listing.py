"""The jobs of a host as a list: what each is, when it is due, its last record, and its next start."""

from typing import Any

import msgspec

from harvester.base.market import to_local
from harvester.health.facts import Unit
from harvester.health.installed import Installed
from harvester.health.systemd import SystemdError, look_at_units
from harvester.jobs.builtin import BUILT_IN, ON_DEMAND
from harvester.jobs.model import JobsFile
from harvester.jobs.records import JOBS, KEPT_DAYS, Records


def list_jobs(installed: Installed, jobs: JobsFile, now_ns: int) -> dict[str, Any]:
    """{`host`, `jobs`: [{`name`, `builtin`, `when`, `unit`, `running_since_ns`, `next_ns`, `last`, `why`}]}.

    `last` is the newest record, `why` what kept it from being read. `when` is empty of what runs on demand alone.
    """
    rows = [(each.name, True, each.when, each.unit) for each in BUILT_IN if _is_here(installed, each.only_with_bucket)]
    rows += [(name, True, "", f"harvester-{name}") for name in ON_DEMAND]
    rows += [(job.name, False, str(job.when), job.unit) for job in jobs.jobs]
    timers = _timers([f"{unit}.timer" for _, _, when, unit in rows if when])
    return {"host": installed.host_id, "jobs": [_row(installed, now_ns, timers, *row) for row in rows]}


def _is_here(installed: Installed, only_with_bucket: bool) -> bool:
    return installed.uploads or not only_with_bucket


def _timers(names: list[str]) -> dict[str, Unit]:
    try:
        return look_at_units(names)
    except SystemdError:
        return {}  # the next starts are unknown then


def _row(
    installed: Installed, now_ns: int, timers: dict[str, Unit], name: str, builtin: bool, when: str, unit: str
) -> dict[str, Any]:
    records, timer, why = Records(installed.data_dir / JOBS / name), timers.get(f"{unit}.timer"), ""
    last = running = None
    try:
        last, running = records.newest(to_local(now_ns).date(), KEPT_DAYS), records.running()
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
    return {
        "name": name,
        "builtin": builtin,
        "when": when,
        "unit": unit,
        "running_since_ns": running.began_ns if running else None,
        "next_ns": timer.next_ns if timer else None,
        "last": msgspec.to_builtins(last) if last else None,
        "why": why,
    }
