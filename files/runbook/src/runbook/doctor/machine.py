"""Checks of the operator's own machine."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.calendar import TradingCalendar
from runbook.doctor.database import check_backups
from runbook.doctor.finding import Finding, fail, ok, warn
from runbook.fleet.playbook import MITOGEN, mitogen_strategies

OLDEST_PYTHON = (3, 11)
LOW_DISK_BYTES = 1 << 30


def check_machine(root: Path, store_root: Path) -> Iterator[Finding]:
    """Python, its venv, programs, what the lab needs, disk and calendar."""
    yield check_python(root)
    yield check_ansible()
    yield check_program("ssh", "-V", "openssh-client")
    yield check_program("rsync", "--version", "rsync")
    yield check_lab_rights()
    yield check_packages(root)
    yield check_disk(store_root)
    yield from check_backups(store_root)
    yield check_calendar(datetime.now(UTC).date())


def check_python(root: Path) -> Finding:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return fail("python", f"this is Python {version}", "Install Python 3.11 or newer and run ./inv again.")
    if Path(sys.prefix).resolve() != (root / ".venv").resolve():
        return warn(
            "python",
            f"Python {version} from {sys.prefix}, not from this checkout's .venv",
            "Run ./inv instead of an invoke from elsewhere, so that the locked versions are used.",
        )
    return ok("python", f"Python {version} in .venv")


def check_ansible() -> Finding:
    try:
        version = importlib.metadata.version("ansible-core")
    except importlib.metadata.PackageNotFoundError:
        return fail("ansible", "ansible-core is not installed here", "Remove .venv and run ./inv: it makes it anew.")
    speed = f"mitogen speeds it up ({MITOGEN}=0 turns that off)" if mitogen_strategies() else "without mitogen"
    return ok("ansible", f"ansible-core {version}, {speed}")


def check_program(name: str, option: str, package: str) -> Finding:
    """Whether a program is installed, with the first words that it says of its version."""
    if not shutil.which(name):
        return fail(name, f"there is no {name} program", f"Install it: apt-get install {package}.")
    said = subprocess.run([name, option], capture_output=True, text=True, check=False)
    return ok(name, (said.stdout or said.stderr).partition("  protocol")[0].strip())


def check_lab_rights() -> Finding:
    if os.geteuid() != 0:
        return warn(
            "lab", "not root, so no lab host can be made", "Run ./inv as root, or use ./inv demo --here without a host."
        )
    probe = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return warn("lab", f"unshare cannot be run ({error})", "Install it: apt-get install util-linux.")
    if done.returncode:
        return warn(
            "lab",
            f"namespaces are refused: {done.stderr.strip()}",
            "Run in a virtual machine or a privileged container, or use ./inv demo --here.",
        )
    return ok("lab", "root, and namespaces can be made")


def check_packages(root: Path) -> Finding:
    wanted = [line.split("#")[0].strip() for line in (root / "requirements" / "apt.txt").read_text().splitlines()]
    if not shutil.which("dpkg-query"):
        return warn("packages", "not a Debian or Ubuntu machine", "The lab needs one; ./inv demo --here does not.")
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Status}\\n"], capture_output=True, text=True, check=False
    ).stdout
    installed = {line.split()[0] for line in said.splitlines() if line.endswith(" installed")}
    missing = [name for name in wanted if name and name not in installed]
    if missing:
        return warn("packages", f"the lab misses {', '.join(missing)}", f"apt-get install {' '.join(missing)}")
    return ok("packages", "all that the lab needs is installed")


def check_disk(store_root: Path) -> Finding:
    place = store_root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < LOW_DISK_BYTES:
        return warn(
            "disk", f"{free >> 20} MiB free for {store_root}", "Free some space, or pull to another disk with --output."
        )
    return ok("disk", f"{free >> 30} GiB free for {store_root}")


def check_calendar(today: date) -> Finding:
    try:
        calendar = TradingCalendar.load()
        left = calendar.days_left(today)
    except HarvesterError as error:
        return fail("calendar", str(error), "Restore the file from the repository.")
    fix = "./inv calendar-update brings the exchange's list of the coming year, once it is published."
    outlook = calendar.outlook(today)
    if outlook == "over":
        return fail("calendar", f"its data ended on {calendar.valid_until}", fix)
    if outlook == "ending":
        return warn("calendar", f"its data ends in {left} days", fix)
    return ok("calendar", f"known for {left} more days")
