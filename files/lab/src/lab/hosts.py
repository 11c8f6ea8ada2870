"""Hosts of a lab, whatever their tier: claimed, started, waited for, removed."""

import socket
import subprocess
import time
from collections.abc import Mapping

from lab import cgroups, claims, machine, network, nspawn, uml
from lab.claims import HostClaim
from lab.command import run
from lab.errors import LabError
from lab.keys import SSH_CONFIG
from lab.state import remove_tree

SSH_PORT = 22
BOOTS_WITHIN_SECONDS = {"nspawn": 60, "uml": 180}
SETTLES_WITHIN_SECONDS = 120


def start(host: HostClaim) -> "subprocess.Popen[bytes]":
    """Start a claimed and personalised host in the background."""
    return uml.start(host) if host.tier == "uml" else nspawn.start(host)


def cut_power(host: HostClaim) -> None:
    """End the host without a warning, boot it again from its disk and return when it answers.

    Only in tier B does it lose what was not synced: the page cache of tier A is the machine's.
    """
    cgroups.end_group(host.group)
    wait_for_banners({host.number: (host, start(host))})


def wait_for_banners(launched: "Mapping[int, tuple[HostClaim, subprocess.Popen[bytes]]]") -> dict[int, float]:
    """Seconds from now until the SSH server of each host answered, by number.

    LabError with the console's last lines when a host ends or does not answer in time.
    """
    started = time.monotonic()
    answered: dict[int, float] = {}
    while len(answered) < len(launched):
        for number in launched.keys() - answered.keys():
            host, launcher = launched[number]
            waited = time.monotonic() - started
            if has_banner(host.address):
                answered[number] = waited
            elif launcher.poll() is not None:
                raise LabError(f"Host {host.name} ended while booting. {_console_tail(host)}")
            elif waited > BOOTS_WITHIN_SECONDS[host.tier]:
                raise LabError(
                    f"Host {host.name} has no SSH after {waited:.0f} s. Its console said:\n{_console_tail(host)}"
                )
        time.sleep(0.05)
    return answered


def has_banner(address: str) -> bool:
    """Whether an SSH server answers at `address`."""
    try:
        with socket.create_connection((address, SSH_PORT), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def settle(host: HostClaim, *, trust_exchange: bool) -> str:
    """Wait until systemd in the host has started what it wants to start; its word for that, such as `running`.

    `trust_exchange`: have the host trust the certificate authority of the lab's exchange first.
    """
    trust = "sudo update-ca-certificates >/dev/null 2>&1 && " if trust_exchange else ""
    # Its exit code is 1 for every state but `running`; the caller judges the word.
    command = f"{trust}{{ systemctl is-system-running --wait || true; }}"
    ssh = ("ssh", "-F", host.state / SSH_CONFIG, "-o", "BatchMode=yes")
    return run(*ssh, host.name, command, timeout_seconds=SETTLES_WITHIN_SECONDS).strip()


def is_running(host: HostClaim) -> bool:
    """Whether the host's processes are there."""
    return cgroups.has_processes(host.group)


def leader(host: HostClaim) -> int:
    """The process that keeps the host's mounts: its launcher, found in its control group."""
    for pid in cgroups.processes(host.group):
        if machine.process_name(pid) == "systemd-nspawn":
            return pid
    raise LabError(f"Host {host.name} does not run. `lab up --name {host.name}` starts it anew.")


def remove(host: HostClaim) -> None:
    """End the host and remove everything it had, its claim last; the machine-wide lock must be held."""
    remove_kernel_objects(host.number)
    remove_tree(host.folder, last=claims.CLAIM_FILE)


def remove_kernel_objects(number: int) -> None:
    """End the processes of host `number` and remove its groups and its network; nothing happens when all is gone."""
    cgroups.end_group(f"ah-{number}")
    network.disconnect_host(number)


def _console_tail(host: HostClaim) -> str:
    console = host.folder / "console.log"
    lines = console.read_text(encoding="utf-8", errors="replace").splitlines()
    return "Its console said:\n" + ("\n".join(lines[-15:]) or "nothing")
