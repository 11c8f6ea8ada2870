"""What is in a base tree: a cloud image's minimum, and on top what the roles would install.

The roles' lists are read from the roles' own defaults, so that a package has one home and a host needs no egress.
"""

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from lab.base.suites import Suite
from lab.errors import LabError
from lab.paths import REPOSITORY

CLOUD_IMAGE = (
    *("systemd", "systemd-sysv", "libpam-systemd", "libnss-systemd", "dbus", "rsyslog", "logrotate", "cron"),
    *("openssh-server", "sudo", "iproute2", "iputils-ping", "procps", "kmod", "curl"),
    *("ca-certificates", "python3", "python3-apt"),
)
ROLES = ("host_baseline", "host_hardening", "harvester")


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
