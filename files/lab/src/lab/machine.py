"""Whether this machine can run a lab, and which processes run on it."""

import os
import shutil
import sys
from pathlib import Path

from lab.errors import LabError

TOOLS = ("systemd-nspawn", "mmdebstrap", "ip", "nft", "unshare", "nsenter", "ssh", "ssh-keygen")
# For `sh -c`: enter the control groups up to `--`, then become the program, so that all it starts is in them, too.
# Ends where a group is gone: a process outside would outlive its lab.
ENTER_GROUPS = 'for group; do shift; [ "$group" = -- ] && break; echo $$ >"$group" || exit 1; done; exec "$@"'


def require_lab_machine() -> None:
    """LabError, in one paragraph, when hosts cannot be had here."""
    lacking = []
    if sys.platform != "linux":
        lacking.append("Linux")
    elif os.geteuid() != 0:
        lacking.append("root")
    elif not _may_make_namespaces():
        lacking.append("the right to make mount and network namespaces (CAP_SYS_ADMIN)")
    lacking += [f"the program {tool}" for tool in TOOLS if shutil.which(tool) is None]
    if not lacking:
        return
    raise LabError(
        f"The lab boots real hosts in namespaces of this machine, which needs {', '.join(lacking)}. Run it as root on "
        "Debian 12 or newer, or Ubuntu 22.04 or newer, after `./inv` has installed requirements/apt.txt; "
        "`./inv demo --here` shows the same data path as ordinary processes and needs none of this."
    )


def _may_make_namespaces() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return bool(effective >> 21 & 1)  # CAP_SYS_ADMIN, linux/capability.h


def boot_id() -> str:
    """Changes with every boot of this machine: what was made under another one is gone."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def process_name(pid: int) -> str | None:
    """The name of process `pid`, at most 15 characters; None when there is none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def process_start(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since boot: with the pid it names one process for good."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
