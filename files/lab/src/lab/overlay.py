"""A host's writable layer, filled before the boot: its name and keys, the user's key, the exchange's authority."""

import os
import stat
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from exchange.hosts import SCHWAB_HOSTS
from lab.base.lookalike import USER
from lab.claims import HostClaim
from lab.errors import LabError
from lab.keys import make_key

BROKER_NAMES = ("api-t1.fyers.in", "socket.fyers.in", "rtsocket-api.fyers.in", "public.fyers.in", *SCHWAB_HOSTS)
EXCHANGE_CA = "usr/local/share/ca-certificates/alpha-harvester-lab.crt"


@dataclass(frozen=True)
class Layer:
    """The folders of one overlay: the shared `lower` tree is never written."""

    lower: Path
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def upper(self) -> Path:
        return self.folder / "upper"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def make(self) -> None:
        for path in (self.root, self.upper, self.work):
            path.mkdir(parents=True, exist_ok=True)
        self._copy_owner(Path())

    def write(self, name: str, content: str, mode: int = 0o644) -> None:
        """Write a file; it and any new folder belong to the owner of the nearest folder that the tree has."""
        target = self.upper / name
        owner = self._make_folder(target.parent)
        target.write_text(content, encoding="utf-8")
        target.chmod(mode)
        os.chown(target, *owner)

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link, in place of whatever the tree has there."""
        path = self.upper / name
        self._make_folder(path.parent)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def hide(self, name: str) -> None:
        """Let a file of the tree be missing: overlayfs takes a device 0/0 as a sign of that."""
        path = self.upper / name
        self._make_folder(path.parent)
        path.unlink(missing_ok=True)
        os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))

    def _make_folder(self, folder: Path) -> tuple[int, int]:
        if not folder.exists():
            owner = self._make_folder(folder.parent)
            folder.mkdir(mode=0o755)
            os.chown(folder, *owner)
            self._copy_owner(folder.relative_to(self.upper))
        status = folder.stat()
        return status.st_uid, status.st_gid

    def _copy_owner(self, name: Path) -> None:
        below = self.lower / name
        if below.is_symlink():
            raise LabError(f"/{name} is a link in the base tree {self.lower}, so nothing can be written below it.")
        if below.is_dir():
            status = below.stat()
            os.chown(self.upper / name, status.st_uid, status.st_gid)
            (self.upper / name).chmod(status.st_mode & 0o7777)


def layer_of(host: HostClaim) -> Layer:
    """The overlay of this host."""
    return Layer(host.base, host.folder)


def personalise(host: HostClaim, controller_address: str, user_key: str, exchange_ca: str | None) -> None:
    """Fill the writable layer of a new host.

    `user_key` is the public key that may log in; `controller_address` is where the stand-ins of the lab listen.
    """
    layer = layer_of(host)
    layer.make()
    make_key(host.folder / "host_key", host.name)
    host_key = host.folder / "host_key"
    layer.write("etc/hostname", f"{host.name}\n")
    layer.write("etc/machine-id", f"{uuid.uuid4().hex}\n", 0o444)
    layer.write("etc/hosts", _hosts_file(host, controller_address))
    layer.write("etc/ssh/ssh_host_ed25519_key", host_key.read_text(encoding="ascii"), 0o600)
    layer.write("etc/ssh/ssh_host_ed25519_key.pub", host_key.with_suffix(".pub").read_text(encoding="ascii"))
    layer.write(f"home/{USER}/.ssh/authorized_keys", user_key, 0o600)
    (layer.upper / f"home/{USER}/.ssh").chmod(0o700)
    # Without egress a package index can only be as fresh as the base tree; hosts call it fresh.
    layer.write("var/lib/apt/periodic/update-success-stamp", "")
    os.utime(layer.upper / "var/lib/apt/periodic/update-success-stamp", (time.time(), time.time()))
    if host.ssh_socket:
        # As Ubuntu has it since 22.10: systemd listens and starts the server for the first connection.
        layer.hide("etc/systemd/system/multi-user.target.wants/ssh.service")
        layer.hide("etc/systemd/system/sshd.service")
        layer.link("etc/systemd/system/sockets.target.wants/ssh.socket", "/usr/lib/systemd/system/ssh.socket")
    if exchange_ca:
        layer.write(EXCHANGE_CA, exchange_ca)


def _hosts_file(host: HostClaim, controller_address: str) -> str:
    return (
        f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost ip6-localhost ip6-loopback\n"
        f"{controller_address} {' '.join(BROKER_NAMES)}\n"
    )
