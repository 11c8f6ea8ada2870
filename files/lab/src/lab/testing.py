"""What tests of several suites need of a lab: commands in its hosts, and an independent look for leftovers."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab import claims, labs
from lab.labs import Started
from lab.machine import process_start
from lab.paths import SCRATCH

LAB = Path(sys.executable).with_name("lab")


@dataclass
class RunningLab:
    """A lab that is up: its folder and how its hosts came up."""

    state: Path
    started: dict[str, Started]
    said: list[str] = field(default_factory=list)

    def ssh(self, name: str, command: str, *options: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command in a host with the lab's own SSH configuration."""
        arguments: list[str | Path] = [
            "ssh",
            "-F",
            self.state / "ssh_config",
            "-o",
            "BatchMode=yes",
            *options,
            name,
            command,
        ]
        return subprocess.run(arguments, capture_output=True, text=True, check=check, timeout=90)

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
    """What this machine has of hosts and labs that no claim of another lab explains; read from the kernel."""
    known = {host.group for host in claims.find_hosts()} | {lab.group for lab in claims.find_labs()}
    found = {f"namespace {path.name}" for path in Path("/run/netns").glob("ah-*") if path.name not in known}
    groups = [*Path("/sys/fs/cgroup").glob("ah-*"), *Path("/sys/fs/cgroup").glob("*/ah-*")]
    found |= {f"group {group}" for group in groups if group.name not in known}
    found |= {f"folder {folder}" for folder in SCRATCH.glob("*/*") if not (folder / "claim.json").exists()}
    found |= {f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if "harvester-lab" in line}
    found |= _processes_in_unknown_groups(known)
    if not known:
        found |= {f"interface {path.name}" for path in Path("/sys/class/net").glob("ahlab*")}
        found |= {"scratch"} if SCRATCH.exists() else set()
    else:
        found -= {"namespace ah-hub"}
    return found


def _processes_in_unknown_groups(known: set[str]) -> set[str]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            names = set(re.findall(r"/(ah-[a-z0-9-]+)", path.read_text()))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if process_start(int(path.parent.name)):  # a zombie is only waiting for its parent
            found |= {f"process {path.parent.name} in {name}" for name in names - known}
    return found
