"""Tier B: a host with a kernel of its own, User-Mode Linux, for what tier A cannot show.

Memory and CPU limits bite, swap and the clock are the host's, and a power cut loses what was not synced. It boots in
about fifteen seconds and has one slow processor; its kernel lacks nft's `table inet`, so firewalls stay in tier A.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from lab import cgroups, network
from lab.claims import HostClaim
from lab.command import run
from lab.errors import LabError
from lab.machine import ENTER_GROUPS
from lab.overlay import layer_of

PROGRAM = "linux.uml"
PACKAGE = "user-mode-linux"
MODULES = Path("/usr/lib/uml/modules")
MAKE_DISK = Path(__file__).with_name("uml_disk.sh")
DISK_SIZE = "3G"
MEMORY_MIB = 1024  # that of the smallest server the harvester is meant for
UNWANTED_UNITS = (
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
    "systemd-networkd.service",
    "getty@tty1.service",
)
NETWORK_UNIT = """\
[Unit]
Description=Network of the lab
DefaultDependencies=no
Before=network-pre.target ssh.service
Wants=network-pre.target

[Service]
Type=oneshot
ExecStart=/usr/sbin/ip link set lo up
ExecStart=/usr/sbin/ip address add {address}/24 dev vec0
ExecStart=/usr/sbin/ip link set vec0 up

[Install]
WantedBy=sysinit.target
"""


def provide_kernel(progress: Callable[[str], None]) -> None:
    """Install User-Mode Linux if it is not there: few tests want it, so `./inv` leaves it out."""
    if not Path("/dev/net/tun").exists():
        raise LabError("Hosts with a kernel of their own need /dev/net/tun, which this machine does not have.")
    if shutil.which(PROGRAM) and MODULES.is_dir():
        return
    progress(f"installing {PACKAGE}, which hosts with a kernel of their own need")
    run("apt-get", "-qq", "update", timeout_seconds=300)
    run(*f"apt-get -qq -y --no-install-recommends install {PACKAGE}".split(), timeout_seconds=600)


def start(host: HostClaim) -> "subprocess.Popen[bytes]":
    """Start the host in the background, from its disk if it has run before."""
    network.connect_tap(host)
    image = disk(host)
    if not image.exists():
        _make_disk(host, image)
    entrances = map(str, cgroups.make_group(host.group))
    inside_hub = ["nsenter", f"--net={network.NAMESPACES / network.HUB}", PROGRAM, *_kernel_arguments(host, image)]
    with (host.folder / "console.log").open("ab") as console:
        return subprocess.Popen(
            ["sh", "-c", ENTER_GROUPS, host.group, *entrances, "--", *inside_hub],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ["PATH"]},
        )


def disk(host: HostClaim) -> Path:
    """The image with the host's root file system."""
    return host.folder / "root.img"


def _make_disk(host: HostClaim, image: Path) -> None:
    layer = layer_of(host)
    layer.write("etc/fstab", "")
    layer.write("etc/systemd/system/lab-network.service", NETWORK_UNIT.format(address=host.address))
    layer.link("etc/systemd/system/sysinit.target.wants/lab-network.service", "../lab-network.service")
    for unit in UNWANTED_UNITS:
        layer.link(f"etc/systemd/system/{unit}", "/dev/null")
    folders = [layer.root, layer.lower, layer.upper, layer.work]
    run("unshare", "--mount", "--propagation", "private", "sh", MAKE_DISK, *folders, MODULES, image, DISK_SIZE)


def _kernel_arguments(host: HostClaim, image: Path) -> list[str]:
    tap = f"transport=tap,ifname={network.hub_interface(host)},depth=64,gro=1,mac={network.hardware_address(host)}"
    arguments = [f"mem={MEMORY_MIB}M", f"ubd0={image}", "root=/dev/ubda", "rw", "quiet", f"vec0:{tap}"]
    # The console goes to this program's standard error; its control socket stays in the host's folder.
    return [*arguments, "con=null", "con0=null,fd:2", "ssl=null", f"umid={host.group}", f"uml_dir={host.folder}/"]
