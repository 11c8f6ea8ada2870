"""Hosts of a lab, whatever their tier: claimed, started, waited for, removed."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

from lab import cgroups, claims, network, nspawn
from lab.claims import HostClaim
from lab.errors import LabError

SSH_PORT = 22
BOOTS_WITHIN_SECONDS = {"nspawn": 60, "uml": 180}


def start(host: HostClaim) -> "subprocess.Popen[bytes]":
    """Start a claimed and personalised host in the background."""
    return nspawn.start(host)


def wait_for_banner(host: HostClaim, launcher: "subprocess.Popen[bytes]") -> None:
    """Return when an SSH server answers; LabError with the console's last lines when it does not."""
    limit = BOOTS_WITHIN_SECONDS[host.tier]
    deadline = time.monotonic() + limit
    while not has_banner(host.address):
        if launcher.poll() is not None:
            raise LabError(f"Host {host.name} ended while booting. Its console said:\n{_console_tail(host)}")
        if time.monotonic() > deadline:
            raise LabError(f"Host {host.name} has no SSH after {limit} s. Its console said:\n{_console_tail(host)}")
        time.sleep(0.05)


def has_banner(address: str) -> bool:
    """Whether an SSH server answers at `address`."""
    try:
        with socket.create_connection((address, SSH_PORT), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def is_running(host: HostClaim) -> bool:
    """Whether the host's processes are there."""
    return cgroups.has_processes(host.group)


def leader(host: HostClaim) -> int:
    """The process that keeps the host's mounts: its launcher, found in its control group."""
    processes = (cgroups.mounted_trees()[0] / host.group).rglob("cgroup.procs")
    numbers = sorted(int(pid) for path in processes for pid in path.read_text(encoding="ascii").split())
    for pid in numbers:
        if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "systemd-nspawn":
            return pid
    raise LabError(f"Host {host.name} does not run. `lab up --name {host.name}` starts it anew.")


def remove(host: HostClaim) -> None:
    """End the host and remove everything it had, its claim last; the machine-wide lock must be held."""
    remove_kernel_objects(host.number)
    remove_folder(host.folder)


def remove_kernel_objects(number: int) -> None:
    """End the processes of host `number` and remove its groups and its network; nothing happens when all is gone."""
    group = f"ah-{number}"
    cgroups.end_group(group)
    network.remove_namespace(group)


def remove_folder(folder: Path) -> None:
    """Remove a scratch folder with its claim last, so that an interrupted removal is found and finished later."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name != claims.CLAIM_FILE:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    shutil.rmtree(folder)


def _console_tail(host: HostClaim) -> str:
    console = host.folder / "console.log"
    return "\n".join(console.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]) or "nothing"
