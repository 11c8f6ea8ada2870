"""The one list of what must be true on a host. `harvester health`, the doctor and the alerts all go by it.

Each entry looks at facts and the time alone; what is wrong is said in words, with a command that repairs it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.health import days, deployment, dues, reach, units
from harvester.health.facts import Facts
from harvester.health.remedies import Check
from harvester.health.view import Fault, Gravity, View

START = "./inv start"
UNSEEN_FIX = "./inv start; then ./inv logs --unit harvester-watch says what it cannot look at"
STALE_NS = 180 * NS_PER_SECOND
"""The watch looks every minute."""


class Must(NamedTuple):
    """`title`: what people are told first. `well`: what is said when it is true.

    `needs`: the fact without which nothing can be said; `unseen`: how grave it is that it is not there.
    """

    name: str
    title: str
    needs: str
    judge: Callable[[View], Fault | None]
    well: Callable[[Facts], str] | str
    unseen: Gravity = "warning"


def _judge_watch(view: View) -> Fault | None:
    if view.watched_ns is None:
        return Fault("nothing looks at this host: the watch has written nothing", START)
    age_ns = view.now_ns - view.watched_ns
    if -STALE_NS < age_ns < STALE_NS:
        return None
    return Fault(f"the watch looked {age_ns // NS_PER_SECOND} s ago, and should every minute", START)


WATCH, CHANNELS, DUES = "watch", "channels", "dues"
MUSTS = (
    Must(WATCH, "Nothing looks at this host", "at_ns", _judge_watch, "this host is looked at every minute"),
    Must(
        "release",
        "The deployed program is not whole",
        "release",
        deployment.judge_release,
        "the current deployment is whole",
    ),
    Must(
        "configuration",
        "The configuration cannot be used",
        "configuration",
        deployment.judge_configuration,
        "readable and valid",
    ),
    Must(
        "unit files",
        "Units of the harvester are missing or broken",
        "units",
        units.judge_files,
        lambda facts: f"{len(facts.units or ())} are loaded",
    ),
    Must(
        "enabled",
        "Units of the harvester would not run after a boot",
        "units",
        units.judge_enabled,
        "what runs now runs after a boot",
    ),
    Must(
        "services",
        "A service of the harvester does not run",
        "units",
        units.judge_services,
        "recorder and token agent run",
    ),
    Must(
        "timers", "A timer of the harvester does not run", "units", units.judge_timers, "all wait for their next time"
    ),
    Must(
        "jobs",
        "A job of the harvester did not do its work",
        "units",
        units.judge_jobs,
        "none failed, and each began when it was due",
    ),
    Must(
        "time sync",
        "Nothing keeps the clock of this host right",
        "time_sync",
        deployment.judge_time,
        deployment.describe_time,
    ),
    Must(
        "firewall",
        "The firewall is not loaded",
        "firewall",
        deployment.judge_firewall,
        "what is installed is loaded",
    ),
    Must("space", "A disk is nearly full", "disks", deployment.judge_space, deployment.describe_space),
    Must("inodes", "A disk can hold no more files", "disks", deployment.judge_inodes, deployment.describe_inodes),
    Must(
        "hand-over",
        "The token that was handed over is gone",
        "handed_over",
        deployment.judge_handover,
        "as the token agent left it",
    ),
    Must("closed days", "A day is not closed", "days", days.judge_closed, days.describe_closed),
    Must(
        "certificate",
        "The certificate of the last day is damaged",
        "days",
        days.judge_certificate,
        "that of the last closed day is as it was written",
    ),
    Must("bucket", "A day does not reach the bucket", "days", days.judge_uploads, days.describe_uploads),
    Must(
        DUES,
        "Something that was due did not come",
        "overdue",
        dues.judge_overdue,
        "nothing that was due is missing without a word",
    ),
    Must(
        "channels", "An alert channel takes no messages", "reach", reach.judge_channels, reach.describe_channels, "info"
    ),
    Must(
        "login key",
        "The login key is due to be changed",
        "keys",
        deployment.judge_keys,
        "made within the last quarter",
    ),
)
OF_RECORDING = {"services", "hand-over", "closed days", "certificate", "bucket"}
"""What is not asked of a host that records nothing."""
TITLES = {must.name: must.title for must in MUSTS}


def check_host(view: View) -> Iterator[Check]:
    """A finding for each entry of the list that concerns this host."""
    for must in MUSTS if view.installed.records else (must for must in MUSTS if must.name not in OF_RECORDING):
        fault = _judge(must, view)
        if fault:
            is_well = fault.gravity == "info"
            yield Check(must.name, is_well, fault.detail, fault.fix, of_host=True, gravity=fault.gravity)
        else:
            detail = must.well if isinstance(must.well, str) else must.well(view.facts)
            yield Check(must.name, True, detail, of_host=True)


def _judge(must: Must, view: View) -> Fault | None:
    if getattr(view.facts, must.needs) is None:
        why = view.facts.unseen.get(must.needs, "nothing has looked yet")
        return Fault(f"cannot be looked at: {why}", UNSEEN_FIX, must.unseen)
    return must.judge(view)
