"""Control groups: all processes of a host, or of a lab's stand-ins, are in one group and are ended together."""

import errno
import time
from pathlib import Path

from lab.errors import LabError

ENDS_WITHIN_SECONDS = 20
GONE = (errno.ENOENT, errno.ENODEV)
"""What the kernel answers for a group that was removed before, or while it was looked at."""


def mounted_trees() -> list[Path]:
    """The hierarchies a host's processes must leave: the unified one first, then v1's name=systemd and memory.

    Two containers started from a shared group would both use its sub-groups and tangle.
    """
    unified: list[Path] = []
    version_1: list[Path] = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup2":
            unified.append(Path(target))
        elif kind == "cgroup" and {"name=systemd", "memory"} & set(options.split(",")):
            version_1.append(Path(target))
    if not unified:
        raise LabError("This machine has no cgroup v2 tree mounted, and systemd in a host needs one. Mount cgroup2.")
    return unified[:1] + version_1


def make_group(name: str) -> list[Path]:
    """Make the group `name` in every hierarchy; returns the `cgroup.procs` files to enter it by."""
    groups = [tree / name for tree in mounted_trees()]
    for group in groups:
        group.mkdir(exist_ok=True)
    return [group / "cgroup.procs" for group in groups]


def has_processes(name: str) -> bool:
    """Whether anything still runs in the group."""
    return "populated 1" in _read(mounted_trees()[0] / name / "cgroup.events")


def processes(name: str) -> list[int]:
    """Ids of the processes in the group and in the groups below it, in ascending order."""
    files = (mounted_trees()[0] / name).rglob("cgroup.procs")
    return sorted(int(pid) for path in files for pid in _read(path).split())


def end_group(name: str) -> None:
    """Kill whatever runs in the group and remove it; nothing happens when there is none."""
    trees = mounted_trees()
    deadline = time.monotonic() + ENDS_WITHIN_SECONDS
    for tree in reversed(trees):
        _remove(tree / name, trees[0] / name / "cgroup.kill", deadline)


def _remove(group: Path, kill: Path, deadline: float) -> None:
    while group.is_dir():
        try:
            if kill.exists():
                kill.write_text("1", encoding="ascii")  # in each round: a process may have been on its way in
            below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
            for path in [*below, group]:
                path.rmdir()
        except OSError as error:
            if error.errno in GONE:
                continue
            if time.monotonic() > deadline:
                raise LabError(f"The control group {group} cannot be removed: {error}.") from error
            time.sleep(0.02)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        if error.errno in GONE:
            return ""
        raise
