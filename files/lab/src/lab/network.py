"""The lab's network: a bridge in the namespace `ah-hub`, reached from this machine by one veth, leading nowhere else.

A host's interface lives in a namespace of its own that outlives a reboot of the host. No host has a default route and
forwarding is off on the machine's end, so nothing can leave the machine.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from lab.claims import NETWORK, HostClaim, LabClaim, find_lab
from lab.command import run
from lab.errors import LabError

HUB = "ah-hub"
BRIDGE = "br0"
UPLINK = "ahlab0"
NAMESPACES = Path("/run/netns")
OUR_NAME = re.compile(r"(?:ah-|v)(\d+)")
# How `ip` and `nsenter` say that what is to be removed, or the namespace that it was in, is not there.
NO_LINK = "Cannot find device"
NO_ADDRESS = ("Address not found", "Cannot assign requested address")
NO_NAMESPACE = ("No such file or directory", "setting the network namespace")


def ensure_hub() -> None:
    """Make the shared bridge and the machine's end of it; the machine-wide lock must be held."""
    _refuse_foreign_route()
    make_namespace(HUB)
    if BRIDGE not in _links("-n", HUB):
        run("ip", "-n", HUB, "link", "add", BRIDGE, "type", "bridge")
    run("ip", "-n", HUB, "link", "set", BRIDGE, "up")
    if UPLINK not in _links():
        run("ip", "link", "add", UPLINK, "type", "veth", "peer", "name", "uplink", "netns", HUB)
    _set_interface("ipv4", "forwarding", "0")
    _set_interface("ipv4", "promote_secondaries", "1")  # or the first lab's address takes the others' with it
    _set_interface("ipv6", "disable_ipv6", "1")
    run("ip", "-n", HUB, "link", "set", "uplink", "master", BRIDGE, "up")
    run("ip", "link", "set", UPLINK, "up")


def remove_hub() -> None:
    """Remove the shared bridge and its veth; for when no claim is left."""
    run("ip", "link", "del", UPLINK, gone=[NO_LINK])
    remove_namespace(HUB)


def add_lab_address(lab: LabClaim) -> None:
    """Give the controller side the address of this lab, where its stand-ins listen."""
    run("ip", "addr", "replace", f"{lab.address}/24", "dev", UPLINK)


def remove_lab_address(lab: LabClaim) -> None:
    """Take the lab's address back; nothing happens when it is gone."""
    run("ip", "addr", "del", f"{lab.address}/24", "dev", UPLINK, gone=[NO_LINK, *NO_ADDRESS])


def connect_host(host: HostClaim) -> None:
    """Make the host's namespace and plug it into the bridge.

    The hardware address is fixed: with a new one at a known address, neighbours would ask for it in vain for 30 s.
    """
    make_namespace(host.group)
    cable = hub_interface(host)
    if cable not in _links("-n", HUB):
        run(*f"ip -n {HUB} link add {cable} type veth peer name host0 netns {host.group}".split())
    run(*f"ip -n {host.group} link set host0 address {hardware_address(host)}".split())
    run(*f"ip -n {host.group} addr replace {host.address}/24 dev host0".split())
    run(*f"ip -n {host.group} link set lo up".split())
    run(*f"ip -n {host.group} link set host0 up".split())
    run(*f"ip -n {HUB} link set {cable} master {BRIDGE} up".split())
    _reach_from_own_lab(host)


def connect_tap(host: HostClaim) -> None:
    """Make the host's end in the hub for a kernel that brings its own network stack."""
    tap = hub_interface(host)
    if tap not in _links("-n", HUB):
        run("ip", "-n", HUB, "tuntap", "add", tap, "mode", "tap")
    run("ip", "-n", HUB, "link", "set", tap, "master", BRIDGE, "up")
    _reach_from_own_lab(host)


def _reach_from_own_lab(host: HostClaim) -> None:
    """Connections to a host come from its own lab's address: those from another's would end with that lab."""
    if lab := find_lab(host.state):
        run("ip", "route", "replace", f"{host.address}/32", "dev", UPLINK, "src", lab.address)


def disconnect_host(number: int) -> None:
    """Remove the network of host `number`; nothing happens when there is none.

    The end in the hub goes first and takes its peer along. The other way round the kernel would free it some time
    after the namespace.
    """
    remove_filter(f"ah-{number}")
    run("ip", "route", "del", f"{NETWORK}.{number}/32", "dev", UPLINK, gone=[NO_LINK, "No such process"])
    run("ip", "-n", HUB, "link", "del", f"v{number}", gone=[NO_LINK, *NO_NAMESPACE])
    remove_namespace(f"ah-{number}")


def remove_filter(table: str) -> None:
    """Remove a packet filter from the hub; nothing happens when there is none."""
    empty_and_remove = f"table netdev {table}\ndelete table netdev {table}\n"  # all nft knows before its version 1.0.7
    run(*in_hub("nft", "--file", "-"), stdin=empty_and_remove, gone=[f"nsenter: cannot open {NAMESPACES / HUB}:"])


def in_hub(*arguments: str) -> tuple[str, ...]:
    """The command that runs these arguments in the hub's namespace."""
    return "nsenter", f"--net={NAMESPACES / HUB}", *arguments


def connected_numbers() -> set[int]:
    """Numbers of the hosts that have a namespace or an end in the hub, claimed or not."""
    names = [path.name for path in NAMESPACES.glob("ah-*")]
    if os.path.ismount(NAMESPACES / HUB):
        names += _links("-n", HUB)
    return {int(match[1]) for name in names if (match := OUR_NAME.fullmatch(name))}


def hub_interface(host: HostClaim) -> str:
    """The host's end in the hub, where faults are injected."""
    return f"v{host.number}"


def hardware_address(host: HostClaim) -> str:
    """A locally administered address that belongs to the host's number."""
    return f"02:00:00:00:00:{host.number:02x}"


def make_namespace(name: str) -> None:
    """Make a network namespace unless it is there; a name without a namespace is a killed command's."""
    if os.path.ismount(NAMESPACES / name):
        return
    remove_namespace(name)
    run("ip", "netns", "add", name)


def remove_namespace(name: str) -> None:
    """Remove a network namespace and every interface in it; nothing happens when there is none."""
    run("ip", "netns", "del", name, gone=NO_NAMESPACE)


def _links(*where: str) -> set[str]:
    return {link["ifname"] for link in json.loads(run("ip", *where, "-json", "link", "show") or "[]")}


def _set_interface(family: str, setting: str, value: str) -> None:
    path = Path(f"/proc/sys/net/{family}/conf/{UPLINK}/{setting}")
    if path.exists():
        path.write_text(value, encoding="ascii")


def _refuse_foreign_route() -> None:
    routes: list[dict[str, Any]] = json.loads(run("ip", "-json", "route", "show", "root", f"{NETWORK}.0/24") or "[]")
    routes += json.loads(run("ip", "-json", "route", "show", "match", f"{NETWORK}.0/24") or "[]")
    foreign = [r for r in routes if r.get("dst") != "default" and r.get("dev") != UPLINK]
    if foreign:
        raise LabError(
            f"This machine already routes {foreign[0]['dst']} through {foreign[0].get('dev')}; the lab needs "
            f"{NETWORK}.0/24 (TEST-NET-2, meant for examples) for itself. Remove that route and try again."
        )
