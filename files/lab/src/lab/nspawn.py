"""Tier A: a host as a systemd-nspawn container with its own namespaces, up in about a second.

systemd is PID 1 in it; units, timers, journald, cron, sshd and the firewall are real. Limits on memory and CPU, swap
and the clock are the machine's and need tier B.
"""

import os
import subprocess
from pathlib import Path

from lab import cgroups, network
from lab.claims import HostClaim
from lab.command import run
from lab.overlay import layer_of

LAUNCHER = Path(__file__).with_name("nspawn.sh")
CAPABILITIES = ("CAP_NET_ADMIN", "CAP_BPF", "CAP_PERFMON")
SYSTEM_CALLS = ("bpf", "perf_event_open", "@keyring")
"""The last for runc, which gives each container a session keyring of its own."""


def start(host: HostClaim) -> "subprocess.Popen[bytes]":
    """Start the host in the background; its console goes to `console.log` in its folder."""
    network.connect_host(host)
    entrances = cgroups.make_group(host.group)
    layer = layer_of(host)
    disk = _make_disk(host)
    folders = [layer.root, layer.lower, layer.upper, layer.work]
    command = [*folders, disk or "", len(entrances), *entrances, *_nspawn_arguments(host, disk)]
    with (host.folder / "console.log").open("ab") as console:
        return subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", LAUNCHER, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            cwd="/",
            # Only net.* may be set from inside: the other settings are the machine's.
            env={
                "PATH": os.environ["PATH"],
                "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
                "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
            },
        )


def disk_folder(host: HostClaim) -> Path:
    """Where the host's extra disk is mounted, inside the host's mount namespace."""
    return host.folder / "disk"


def _make_disk(host: HostClaim) -> Path | None:
    if not host.disk_path or not host.disk_bytes:
        return None
    folder = disk_folder(host)
    folder.mkdir(exist_ok=True)
    image = folder.with_suffix(".img")
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(host.disk_bytes)
        run("mke2fs", "-q", "-t", "ext4", "-m", "0", image)
    return folder


def _nspawn_arguments(host: HostClaim, disk: Path | None) -> list[str]:
    arguments = ["systemd-nspawn", "--quiet", "--boot", "--keep-unit", "--register=no", "--link-journal=no"]
    arguments += [f"--directory={layer_of(host).root}", f"--machine={host.group}", f"--hostname={host.name}"]
    arguments += [f"--network-namespace-path={network.NAMESPACES / host.group}"]
    arguments += ["--resolv-conf=off", "--timezone=off"]
    # A network namespace given by path takes CAP_NET_ADMIN away, and without it there is no firewall.
    arguments += [f"--capability={name}" for name in CAPABILITIES]
    arguments += [f"--system-call-filter={name}" for name in SYSTEM_CALLS]
    return arguments + ([f"--bind={disk}:{host.disk_path}"] if disk else [])
