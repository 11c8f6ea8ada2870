"""Faults on purpose, injected from outside: packet loss, a cut cable, a partition, a slow line, a full disk."""

from lab import network
from lab.claims import HostClaim
from lab.command import run
from lab.errors import LabError, LabUsageError
from lab.hosts import leader
from lab.nspawn import disk_folder

FILLER = "filled-by-the-lab"
NO_QDISC = "Cannot delete qdisc with handle of zero"


def lose_packets(host: HostClaim, percent: int) -> None:
    """Drop this share of the packets that come from the host, at random."""
    if not 0 < percent <= 100:
        raise LabUsageError(f"--percent {percent} is not between 1 and 100.")
    _drop(host, f"numgen random mod 100 < {percent}")


def partition(host: HostClaim, address: str, port: int | None = None) -> None:
    """Drop what the host sends to `address`, or to one TCP port of it; everything else still passes."""
    _drop(host, f"ip daddr {address}" + (f" tcp dport {port}" if port else ""))


def slow_down(host: HostClaim, kilobits_per_second: int) -> None:
    """Let only so much through to the host; what waits longer than two seconds is lost."""
    shape = ("rate", f"{kilobits_per_second}kbit", "burst", "4kb", "latency", "2s")
    run(*network.in_hub("tc", "qdisc", "replace", "dev", network.hub_interface(host), "root", "tbf", *shape))


def cut(host: HostClaim) -> None:
    """Pull the host's cable."""
    run("ip", "-n", network.HUB, "link", "set", network.hub_interface(host), "down")


def fill_disk(host: HostClaim, leave_bytes: int = 0) -> None:
    """Fill the host's extra disk from outside, but for `leave_bytes`."""
    filler = f"{_disk(host)}/{FILLER}"
    if not leave_bytes:
        # Block by block to the last one; `gone` is the space.
        run(*_in_mounts(host, "dd", "if=/dev/zero", f"of={filler}", "bs=4k"), gone=["No space left on device"])
        return
    free, block = run(*_in_mounts(host, "stat", "--file-system", "--format=%a %S", _disk(host))).split()
    if int(free) * int(block) > leave_bytes:
        run(*_in_mounts(host, "fallocate", "--length", str(int(free) * int(block) - leave_bytes), filler))


def heal(host: HostClaim) -> None:
    """Undo every fault of this host; nothing happens when there is none."""
    interface = network.hub_interface(host)
    network.remove_filter(host.group)
    run(*network.in_hub("tc", "qdisc", "del", "dev", interface, "root"), gone=[NO_QDISC])
    run("ip", "-n", network.HUB, "link", "set", interface, "up")
    if host.disk_path:
        run(*_in_mounts(host, "rm", "-f", f"{_disk(host)}/{FILLER}"))


def _drop(host: HostClaim, what: str) -> None:
    interface = network.hub_interface(host)
    rules = f"""
        table netdev {host.group} {{
            chain faults {{ type filter hook ingress device {interface} priority 0; }}
        }}
        add rule netdev {host.group} faults {what} drop
    """
    run(*network.in_hub("nft", "--file", "-"), stdin=rules)


def _disk(host: HostClaim) -> str:
    if not host.disk_path:
        raise LabError(f"Host {host.name} has no disk of its own; start it with --disk PATH=BYTES.")
    return str(disk_folder(host))


def _in_mounts(host: HostClaim, *arguments: str) -> tuple[str, ...]:
    return "nsenter", f"--target={leader(host)}", "--mount", *arguments
