"""Judges the host around our units: deployment, configuration, clock, firewall, disks, hand-over, login key."""

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.health.facts import Disk, Facts
from harvester.health.remedies import free_space
from harvester.health.view import Fault, View

LOW_BYTES = 200 << 20
"""Of a filesystem that holds no data of ours."""
LOW_FILES = 0.05
"""Of its inodes, those that must be free."""
HANDED_OVER = "handed over"
"""How the status of a token agent begins that has done so."""
QUARTER_NS = 92 * 86_400 * NS_PER_SECOND
UNHEARD_NS = 86_400 * NS_PER_SECOND


def judge_release(view: View) -> Fault | None:
    fault = view.facts.release
    return Fault(fault, "./inv deploy", "critical") if fault else None


def judge_configuration(view: View) -> Fault | None:
    fault = view.facts.configuration
    return Fault(" ".join(fault.split()), "./inv deploy", "critical") if fault else None


def judge_time(view: View) -> Fault | None:
    fix = "On the host: sudo systemctl restart chrony; then chronyc sources shows which time servers it hears"
    sync = view.facts.time_sync
    if sync is None or not sync.synchronised:
        return Fault(f"nothing keeps the clock right: {sync.says if sync else ''}", fix)
    if sync.heard_ns and view.now_ns - sync.heard_ns > UNHEARD_NS:
        return Fault(f"no time server was heard since {to_local(sync.heard_ns):%a %d %b %H:%M %Z}", fix)
    return None


def judge_firewall(view: View) -> Fault | None:
    fault = view.facts.firewall
    fix = "On the host: sudo systemctl restart nftables; where that fails: ansible-playbook site.yml"
    return Fault(fault, fix) if fault else None


def judge_space(view: View) -> Fault | None:
    """The disk of the data is told of before recording stops."""
    recorded_on = str(view.installed.data_dir) if view.installed.records else ""
    for disk in view.facts.disks or ():
        least = 2 * view.reserve_bytes if disk.path == recorded_on else LOW_BYTES
        if disk.free_bytes < least:
            detail = f"{disk.free_bytes >> 20} MiB free on {disk.path}, {least >> 20} are needed"
            return Fault(detail, free_space(disk.path))
    return None


def judge_inodes(view: View) -> Fault | None:
    """A disk without inodes takes no new file, whatever space it has. A filesystem without a number of them says 0."""
    for disk in view.facts.disks or ():
        if disk.files and disk.free_files < LOW_FILES * disk.files:
            detail = f"{disk.free_files} of {disk.files} inodes are free on {disk.path}"
            fix = f"On the host: sudo du --inodes -x {disk.path} | sort -n | tail; remove what made so many files"
            return Fault(f"{detail}: soon no file can be made", fix, "critical")
    return None


def judge_handover(view: View) -> Fault | None:
    agent = (view.facts.units or {}).get("harvester-token-agent.service")
    if view.facts.handed_over or agent is None or not agent.says.startswith(HANDED_OVER):
        return None
    detail = f"the agent {agent.says}, and {view.installed.handover} is not there: a recorder that starts has no token"
    return Fault(detail, "./inv start")


def judge_keys(view: View) -> Fault | None:
    """Keys that let a person in are made anew each quarter."""
    old = {user: made for user, made in (view.facts.keys or {}).items() if view.now_ns - made > QUARTER_NS}
    if not old:
        return None
    named = ", ".join(f"{user}'s of {to_local(made):%d %b %Y}" for user, made in old.items())
    return Fault(f"a quarter old, so a new one is due: {named}", "./inv rotate-ssh-key", "info")


def describe_time(facts: Facts) -> str:
    return facts.time_sync.says if facts.time_sync else ""


def describe_space(facts: Facts) -> str:
    return ", ".join(f"{disk.free_bytes >> 20} MiB free on {disk.path}" for disk in facts.disks or ())


def describe_inodes(facts: Facts) -> str:
    return ", ".join(f"{_share(disk)} free on {disk.path}" for disk in facts.disks or ())


def _share(disk: Disk) -> str:
    return f"{100 * disk.free_files // disk.files} %" if disk.files else "as many as wanted"
