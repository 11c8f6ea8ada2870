"""Judges what systemd says of our units: all are there, enabled, running, waiting, and their last runs went well."""

from collections.abc import Mapping

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.health.facts import Unit
from harvester.health.gather import BESIDE_OURS
from harvester.health.installed import SERVICE, TIMER
from harvester.health.view import Fault, Gravity, View

LATE_NS = 120 * NS_PER_SECOND
"""After its time a timer has this long until its service has begun."""
LOADED = {"loaded", "merged"}
RUNNING = {"active", "reloading"}
RECORDER = "harvester-recorder.service"


def judge_files(view: View) -> Fault | None:
    ours = _units(view, view.installed.units)
    wrong = [f"{name} is not there" for name, unit in ours.items() if not unit.present]
    wrong += [f"{name} is {unit.load}" for name, unit in ours.items() if unit.present and unit.load not in LOADED]
    stale = [name for name, unit in ours.items() if unit.present and unit.outdated]
    wrong += [f"{name} changed on disk, and systemd has not read it" for name in stale]
    return _fault(wrong, "./inv deploy")


def judge_enabled(view: View) -> Fault | None:
    wanted = _units(view, (*view.installed.services, *view.installed.timers))
    wrong = [name for name, unit in wanted.items() if unit.enabled != "enabled"]
    return Fault(f"{', '.join(wrong)} would not run after a boot", "./inv start") if wrong else None


def judge_services(view: View) -> Fault | None:
    wrong = {name: unit for name, unit in _units(view, view.installed.services).items() if unit.active not in RUNNING}
    if not wrong:
        return None
    gravity: Gravity = "critical" if RECORDER in wrong and view.in_session else "warning"
    return Fault("; ".join(f"{name} {_describe(unit)}" for name, unit in wrong.items()), "./inv start", gravity)


def judge_timers(view: View) -> Fault | None:
    wrong = []
    for name, unit in _units(view, view.installed.timers).items():
        if unit.active != "active":
            what = "run" if name.endswith(SERVICE) else "wait"
            wrong.append(f"{name} does not {what} ({unit.active})")
        elif name.endswith(TIMER) and unit.sub != "running" and not _is_ahead(unit, view.now_ns):
            wrong.append(f"{name} has no next time")
    return _fault(wrong, "./inv start")


def judge_jobs(view: View) -> Fault | None:
    """What does not run all the time: no run failed, and what was due has begun."""
    jobs = [name for name in view.installed.units if name.endswith(SERVICE) and name not in view.installed.services]
    found = _units(view, jobs)
    failed = [name for name, unit in found.items() if unit.active == "failed"]
    late = [name for name in view.installed.timers if _is_late(view, name, found)]
    wrong = [f"{name} failed ({found[name].result})" for name in failed]
    wrong += [f"{name} did not start {_service(name)} when it was due" for name in late]
    if not wrong:
        return None
    if not failed:
        return Fault("; ".join(wrong), "./inv start")
    return Fault("; ".join(wrong), how_to_run(*(name.removesuffix(SERVICE) for name in failed)))


def how_to_run(*jobs: str) -> str:
    """What to do about jobs that failed."""
    again = f"sudo systemctl start {' '.join(jobs)}"
    return f"See why: ./inv logs --unit {jobs[0]}; when that is cured, on the host: {again}"


def _is_late(view: View, timer: str, jobs: Mapping[str, Unit]) -> bool:
    """Whether the timer elapsed since the boot, and its service has not begun since.

    At its start a persistent timer reads the file of its stamp, which its first start has made (systemd.timer(5)): what
    is before its start is no time at which it elapsed.
    """
    elapsed, job = (view.facts.units or {}).get(timer), jobs.get(_service(timer))
    due_ns = elapsed.last_ns if elapsed else None
    if elapsed is None or due_ns is None or job is None or view.now_ns - due_ns < LATE_NS:
        return False
    if due_ns < max(view.facts.booted_ns, elapsed.began_ns or 0):
        return False
    return job.active not in (*RUNNING, "activating") and (job.began_ns or 0) < due_ns - 2 * NS_PER_SECOND


def _service(timer: str) -> str:
    return timer.rpartition(".")[0] + SERVICE


def _is_ahead(unit: Unit, now_ns: int) -> bool:
    return unit.next_ns is not None and unit.next_ns > now_ns - LATE_NS


def _units(view: View, names: tuple[str, ...] | list[str]) -> dict[str, Unit]:
    """The units of these names; one that was not looked at counts as one that is not there."""
    seen = view.facts.units or {}
    return {name: seen.get(name, Unit(False, load="not-found")) for name in names if name not in BESIDE_OURS}


def _describe(unit: Unit) -> str:
    since = f" since {to_local(unit.changed_ns):%a %d %b %H:%M:%S %Z}" if unit.changed_ns else ""
    state = "does not run" if unit.active in ("inactive", "") else f"is {unit.active} ({unit.sub}, {unit.result})"
    return f"{state}{since}"


def _fault(wrong: list[str], fix: str) -> Fault | None:
    if not wrong:
        return None
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return Fault("; ".join(wrong[:5]) + more, fix)
