"""What the role put on this host, as it wrote it down: the one source of which units, paths and users there must be.

It needs no configuration and no release that is whole, so what watches reads it when all else is broken.
"""

import json
import os
import sys
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from harvester.base.errors import ConfigError
from harvester.base.validation import Model, Refused, validate
from harvester.config.alerting import AlertSettings

Read = TypeVar("Read", bound=Model)
VARIABLE = "HARVESTER_INSTALLED"
NAME, BESIDE = "installed.json", "installed.d"
RELEASES = "releases"
TIMER, SERVICE = ".timer", ".service"


class Installed(Model, frozen=True, kw_only=True):
    """`installed.json` in the folder of the deployments."""

    host_id: str
    root: Path
    """The folder of releases, deployments and the link `current`."""
    config: Path
    data_dir: Path
    status_file: Path
    handover: Path
    facts: Path
    """Where the watch puts what it saw."""
    services: tuple[str, ...]
    """Units that are enabled and run all the time."""
    timers: tuple[str, ...]
    """Timers and paths that are enabled and wait, and services that, like them, run where they are chosen."""
    units: tuple[str, ...]
    """Every unit file of ours."""
    records: bool = True
    """False: this host watches others, and records nothing."""
    logins: tuple[str, ...] = ()
    """Users that people log in as."""
    uploads: bool = False
    """Whether closed days go into a bucket."""
    alerts: AlertSettings = AlertSettings()
    """How people are told where the configuration cannot be read."""


class InstalledBeside(Model, frozen=True):
    """A file of `installed.d` beside it: units that another role put here."""

    timers: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


def find_installed() -> Installed | None:
    """What is installed here, by all roles; None for a release that is none of a host's. Raises ConfigError."""
    path = _path()
    if path is None:
        return None
    found = _read(Installed, path)
    for beside in sorted(path.with_name(BESIDE).glob("*.json")):
        more = _read(InstalledBeside, beside)
        found = replace(found, timers=(*found.timers, *more.timers), units=(*found.units, *more.units))
    return found


def _read(kind: type[Read], path: Path) -> Read:
    try:
        return validate(kind, json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:  # Refused is a ValueError
        why = error.strerror if isinstance(error, OSError) else error
        what = f"\n{why}" if isinstance(error, Refused) else f" ({why})"
        raise ConfigError(f"{path}: what must be on this host cannot be read{what}. ./inv deploy writes it.") from None


def _path() -> Path | None:
    if stated := os.environ.get(VARIABLE):
        return Path(stated)
    releases = Path(sys.prefix).parent
    return releases.with_name(NAME) if releases.name == RELEASES else None
