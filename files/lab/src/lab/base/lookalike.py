"""What turns a freshly unpacked distribution into a host like a cloud's Ubuntu 24.04 image.

On Debian this is a look-alike: the code paths that ask for Ubuntu run, Ubuntu itself is not tested. The marker file
keeps the truth.
"""

import json
from pathlib import Path

from lab.base.mirrors import Archive
from lab.base.suites import Suite
from lab.command import run

MARKER = "etc/alpha-harvester-lab.json"
USER = "ubuntu"

# Ansible takes the word "Debian" anywhere in this file as proof of Debian.
OS_RELEASE = """\
PRETTY_NAME="Ubuntu 24.04 LTS (look-alike)"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
"""

# A cloud image answers passwords until the hardening wins, which must sort before 50: the first match counts.
SSHD_CLOUD_INIT = "PasswordAuthentication yes\n"
SSHD_CLOUD_IMAGE = "PasswordAuthentication no\n"
SUDOERS = f"{USER} ALL=(ALL) NOPASSWD:ALL\n"

# A container may not set the clock: chrony runs without touching it, and calls the machine's clock right.
CHRONY_UNIT = """\
[Unit]
ConditionCapability=

[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd -F 0 -x
"""
CHRONY_SETTINGS = "local stratum 10\n"


def dress(tree: Path, suite: Suite, archive: Archive, variant: str) -> None:
    """Make the unpacked `tree` look like a cloud image, and note in its marker what it really is."""
    for name in ("etc/apt/sources.list", "etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        (tree / name).unlink(missing_ok=True)
    for host_key in (tree / "etc/ssh").glob("ssh_host_*"):
        host_key.unlink()
    _write(tree / MARKER, json.dumps({"suite": suite.name, "distribution": suite.distribution, "variant": variant}))
    _write(tree / "etc/apt/sources.list.d/ubuntu.sources", _sources(suite, archive))
    _write(tree / "etc/ssh/sshd_config.d/50-cloud-init.conf", SSHD_CLOUD_INIT, 0o600)
    _write(tree / "etc/ssh/sshd_config.d/60-cloudimg-settings.conf", SSHD_CLOUD_IMAGE)
    _write(tree / "etc/systemd/system/chrony.service.d/lab.conf", CHRONY_UNIT)
    _write(tree / "etc/chrony/conf.d/lab.conf", CHRONY_SETTINGS)
    if suite.distribution == "debian":
        _write(tree / "usr/lib/os-release", OS_RELEASE)
        # Debian 13 has /tmp in memory, Ubuntu 24.04 has not.
        (tree / "etc/systemd/system/tmp.mount").symlink_to("/dev/null")
    _add_user(tree)


def _add_user(tree: Path) -> None:
    if f"\n{USER}:" not in (tree / "etc/passwd").read_text(encoding="utf-8"):
        run("chroot", tree, "useradd", "--create-home", "--uid", "1000", "--shell", "/bin/bash", USER)
    run("chroot", tree, "usermod", "--append", "--groups", "adm,sudo", USER)
    _write(tree / "etc/sudoers.d/90-cloud-init-users", SUDOERS, 0o440)


def _sources(suite: Suite, archive: Archive) -> str:
    keyring = suite.keyring or "/usr/share/keyrings/debian-archive-keyring.gpg"
    rest = f"Components: {' '.join(suite.components)}\nSigned-By: {keyring}\n"
    rows = ((archive.main, f"{suite.name} {suite.name}-updates"), (archive.security, f"{suite.name}-security"))
    return "\n".join(f"Types: deb\nURIs: {address}\nSuites: {suites}\n{rest}" for address, suites in rows)


def _write(path: Path, content: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
