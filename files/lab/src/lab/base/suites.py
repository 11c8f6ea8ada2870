"""The userlands that a host can have, and the packages in the base tree of each.

The roles' lists are read from the roles' own defaults, so that a package has one home and a host needs no egress."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from lab.errors import LabError, LabUsageError
from lab.state import REPOSITORY
from lab.variants import Variant


@dataclass(frozen=True)
class Suite:
    """A release of a distribution: its archive code name and what its base tree is made of."""

    name: str
    distribution: str
    components: tuple[str, ...]
    extra_packages: tuple[str, ...] = ()
    keyring: str | None = None


SUITES = {
    "trixie": Suite("trixie", "debian", ("main",)),
    "bookworm": Suite("bookworm", "debian", ("main",)),
    "noble": Suite(
        "noble",
        "ubuntu",
        ("main", "universe"),
        ("netplan.io", "systemd-resolved", "ubuntu-minimal"),
        "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    ),
}
DEFAULT_SUITE = "trixie"


def find_suite(name: str) -> Suite:
    """The suite called `name`; LabUsageError names those that exist."""
    if name not in SUITES:
        raise LabUsageError(f"There is no suite {name!r}. The lab knows {', '.join(SUITES)}.")
    return SUITES[name]


CLOUD_IMAGE = (
    *("systemd", "systemd-sysv", "libpam-systemd", "libnss-systemd", "dbus", "rsyslog", "logrotate", "cron"),
    *("openssh-server", "sudo", "iproute2", "iputils-ping", "procps", "kmod", "curl"),
    *("ca-certificates", "python3", "python3-apt"),
)
ROLES = ("host_baseline", "host_hardening", "harvester")


def tree_packages(suite: Suite, variant: Variant) -> tuple[list[str], list[str]]:
    """What a tree has installed, and what it has downloaded beside that; LabError as `role_packages`."""
    packages = cloud_image_packages(suite)
    if variant == "bare":
        return packages, role_packages()
    engine = engine_packages(suite) + application_packages() if variant == "containers" else []
    return sorted({*packages, *role_packages(), *engine}), []


def cloud_image_packages(suite: Suite) -> list[str]:
    """What a bare tree has: enough to boot, be logged in to, and be managed."""
    return sorted({*CLOUD_IMAGE, *suite.extra_packages})


def role_packages(repository: Path = REPOSITORY) -> list[str]:
    """What the roles install, from `<role>_packages` in each role's defaults; LabError when one is not a plain list."""
    return sorted({package for role in ROLES for package in _packages_of(repository / "roles" / role, role)})


def _packages_of(role: Path, name: str) -> list[str]:
    defaults = role / "defaults" / "main.yml"
    try:
        variables: dict[str, Any] = yaml.safe_load(defaults.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise LabError(f"The lab bakes the packages of role {name} into its base trees, but {error}.") from error
    packages = variables.get(f"{name}_packages")
    if not isinstance(packages, list) or not all(isinstance(package, str) for package in packages):
        raise LabError(f"{defaults} must set {name}_packages to a plain list of package names: the lab reads it.")
    return packages


def application_packages(repository: Path = REPOSITORY) -> list[str]:
    """What the role application installs beside an application."""
    return _packages_of(repository / "roles/application", "application")


def engine_packages(suite: Suite, repository: Path = REPOSITORY) -> list[str]:
    """What the role container_engine installs on this distribution, by its own list; LabError when it has none."""
    source = repository / "roles/container_engine/vars/main.yml"
    lists = (yaml.safe_load(source.read_text(encoding="utf-8")) or {}).get("__container_engine_by_distribution", {})
    found: list[str] = lists.get(suite.distribution.title(), [])
    if not found:
        raise LabError(
            f"{source} lists no packages for {suite.distribution}; __container_engine_by_distribution has them."
        )
    return found
