"""Where packages come from: the archives that this machine's own apt already uses."""

import os
from dataclasses import dataclass
from pathlib import Path

from lab.base.suites import Suite
from lab.command import run
from lab.errors import LabError

CODENAMES = ("bullseye", "bookworm", "trixie", "forky", "sid", "focal", "jammy", "noble", "oracular", "plucky")
UBUNTU_MIRROR = "LAB_UBUNTU_MIRROR"
Entries = set[tuple[str, str, str]]


@dataclass(frozen=True)
class Archive:
    """The addresses of one distribution's packages and of its security updates."""

    main: str
    security: str


def find_archive(suite: Suite) -> Archive:
    """The archive to build `suite` from; LabError tells what to set when this machine's apt knows none."""
    if suite.keyring and not Path(suite.keyring).exists():
        raise LabError(f"{suite.name} is checked against {suite.keyring}: install ubuntu-keyring, then try again.")
    ubuntu = os.environ.get(UBUNTU_MIRROR)
    if suite.distribution == "ubuntu" and ubuntu:
        return Archive(ubuntu, ubuntu)
    archive = match_archive(read_apt_entries(), suite.distribution)
    if archive is None:
        advice = f"Set {UBUNTU_MIRROR} to an Ubuntu mirror" if suite.distribution == "ubuntu" else "Add one to apt"
        raise LabError(
            f"This machine's apt has no {suite.distribution.title()} archive with a main component and updates, so "
            f"{suite.name} cannot be built. {advice} and try again; `./inv demo --here` works without a lab."
        )
    return archive


def read_apt_entries() -> Entries:
    """Every (address, release, component) that apt is configured with, one-line and deb822 sources alike."""
    listing = run("apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages")
    lines = (line.split("|") for line in listing.splitlines() if line.count("|") == 2)
    return {(address.rstrip("/"), release, component) for address, release, component in lines}


def match_archive(entries: Entries, distribution: str) -> Archive | None:
    """Find the distribution's own archive: the one that carries a release's main component and its updates.

    Third-party archives reuse code names (`bookworm main`), but none carries `bookworm-updates`.
    """
    for codename in CODENAMES:
        if ("ubuntu" if codename in CODENAMES[5:] else "debian") != distribution:
            continue
        with_main = {address for address, release, part in entries if release == codename and part == "main"}
        with_updates = {address for address, release, _ in entries if release == f"{codename}-updates"}
        security = {address for address, release, _ in entries if release.startswith(f"{codename}-security")}
        own = sorted(with_main & with_updates)
        if own and security:
            return Archive(own[0], sorted(security)[0])
    return None


def source_lines(archive: Archive, suite: Suite) -> list[str]:
    """One-line apt sources of the suite, for the build."""
    parts = " ".join(suite.components)
    return [
        f"deb {archive.main} {suite.name} {parts}",
        f"deb {archive.main} {suite.name}-updates {parts}",
        f"deb {archive.security} {suite.name}-security {parts}",
    ]
