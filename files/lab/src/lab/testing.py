"""What tests of several suites need of a lab: commands in its hosts, and an independent look for leftovers."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab import claims, labs
from lab.command import run
from lab.labs import Started
from lab.machine import process_start
from lab.state import SCRATCH

OURS = re.compile(r"ah-(hub|lab-\d+|\d+)")
"""Names of a lab's namespaces and control groups. Others that begin so are somebody else's."""
LAB = Path(sys.executable).with_name("lab")


@dataclass
class RunningLab:
    """A lab that is up: its folder and how its hosts came up."""

    state: Path
    started: dict[str, Started]
    said: list[str] = field(default_factory=list)

    def ssh(self, name: str, command: str, *options: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command in a host with the lab's own SSH configuration."""
        ssh = ["ssh", "-F", str(self.state / "ssh_config"), "-o", "BatchMode=yes", *options]
        return subprocess.run([*ssh, name, command], capture_output=True, text=True, check=check, timeout=90)

    def succeeds(self, name: str, command: str) -> bool:
        """Whether a command in a host ends with exit code 0."""
        return self.ssh(name, command, check=False).returncode == 0

    def host(self, name: str) -> claims.HostClaim:
        """The claim of a host: its number, address and folder."""
        return labs.find_host(self.state, name)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask until the condition holds; False when it did not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def leftovers() -> set[str]:
    """What this machine has of hosts and labs that no claim explains; read from the kernel.

    Other labs may come and go beside it: all that they have is under a claim whenever the machine-wide lock is free.
    """
    with claims.locked():
        known = {host.group for host in claims.find_hosts()} | {lab.group for lab in claims.find_labs()}
        if known:
            known.add("ah-hub")
        groups = [*Path("/sys/fs/cgroup").glob("ah-*"), *Path("/sys/fs/cgroup").glob("*/ah-*")]
        paths = [path for path in (*Path("/run/netns").glob("ah-*"), *groups) if OURS.fullmatch(path.name)]
        found = {f"namespace or group {path}" for path in paths if path.name not in known}
        found |= {f"folder {folder}" for folder in SCRATCH.glob("*/*") if not (folder / "claim.json").exists()}
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        found |= {f"mount {line}" for line in mounts if "harvester-lab" in line}
        found |= _of_unknown_groups("process", _processes(), known)
        found |= _of_unknown_groups("loop device", _loop_devices(), known)
        if known:
            return found | _of_unknown_groups("in the hub", _things_in_the_hub(), known)
        return found | {f"interface {path.name}" for path in Path("/sys/class/net").glob("ahlab*")}


def _of_unknown_groups(kind: str, things: Iterator[tuple[str, str]], known: set[str]) -> set[str]:
    return {f"{kind} {name} of {group}" for name, group in things if group not in known}


def _processes() -> Iterator[tuple[str, str]]:
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            groups = {name for name in re.split(r"[/\n]", path.read_text()) if OURS.fullmatch(name)}
        except (FileNotFoundError, ProcessLookupError):
            continue
        if groups and process_start(int(path.parent.name)):  # a zombie is only waiting for its parent
            yield from ((path.parent.name, group) for group in groups)


def _loop_devices() -> Iterator[tuple[str, str]]:
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(FileNotFoundError):  # detached since it was listed
            if match := re.match(rf"{SCRATCH}/hosts/(\d+)/", path.read_text()):
                yield path.parts[3], f"ah-{match[1]}"


def _things_in_the_hub() -> Iterator[tuple[str, str]]:
    links = run("ip", "-n", "ah-hub", "-brief", "link", "show")
    tables = run("nsenter", "--net=/run/netns/ah-hub", "nft", "list", "tables")
    for number in re.findall(r"^v(\d+)@?", links, re.MULTILINE):
        yield "interface", f"ah-{number}"
    for table in re.findall(r"^table netdev (\S+)$", tables, re.MULTILINE):
        yield "table", table
