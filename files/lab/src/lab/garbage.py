"""Finds and removes what nobody uses any more: abandoned claims, folders without a claim, the empty network."""

import re
from pathlib import Path

from lab import cgroups, claims, hosts, network, stand_ins
from lab.base.cache import remove_unfinished_builds
from lab.claims import LabClaim, locked
from lab.command import run
from lab.inventory import control_folder
from lab.state import remove_folder, remove_tree

MASTER_GONE = ("No such file or directory", "Connection refused")
OUR_GROUP = re.compile(r"ah-(?:lab-)?(\d+)")


def collect_garbage() -> list[str]:
    """Remove everything abandoned on this machine; returns what it was, for people to read."""
    with locked():
        removed = sweep()
    remove_unfinished_builds()
    return removed


def sweep() -> list[str]:
    """Remove abandoned labs and hosts, and the hub after the last claim; the machine-wide lock must be held."""
    removed: list[str] = []
    for host in claims.find_hosts():
        if host.is_abandoned():
            hosts.remove(host)
            removed.append(f"host {host.name} of {host.state}")
    for lab in claims.find_labs():
        if lab.is_abandoned():
            remove_lab(lab)
            removed.append(f"lab {lab.state}")
    removed += _remove_unclaimed()
    if not claims.find_labs() and not claims.find_hosts():
        network.remove_hub()
    return removed


def remove_lab(lab: LabClaim) -> None:
    """End the lab's stand-ins and remove its address and its folder, its claim last; the lock must be held."""
    for master in control_folder(lab).glob("*"):
        run("ssh", "-O", "exit", "-o", f"ControlPath={master}", "lab", gone=MASTER_GONE)
    stand_ins.stop(lab)
    network.remove_lab_address(lab)
    remove_folder(lab.state, claimed=True)
    remove_tree(lab.folder, last=claims.CLAIM_FILE)


def _remove_unclaimed() -> list[str]:
    removed = []
    claimed_hosts = {host.number for host in claims.find_hosts()}
    for number in sorted(network.connected_numbers() - claimed_hosts):
        hosts.remove_kernel_objects(number)
        removed.append(f"what was left of host number {number}")
    claimed_groups = {host.group for host in claims.find_hosts()} | {lab.group for lab in claims.find_labs()}
    for group in _our_groups() - claimed_groups:
        cgroups.end_group(group)
        removed.append(f"control group {group}")
    for folder in claims.unclaimed_folders():
        remove_tree(folder)
    return removed


def _our_groups() -> set[str]:
    groups: set[Path] = set()
    for tree in cgroups.mounted_trees():
        groups |= {path for path in tree.glob("ah-*") if OUR_GROUP.fullmatch(path.name)}
    return {path.name for path in groups}
