"""Looks at this host, with the rights of whoever runs it. What it may not look at is left to the watch."""

import json
import os
import pwd
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.config.file import find_settings
from harvester.health.facts import Disk, Facts, Reach, TimeSync, reach_file, read_reach
from harvester.health.installed import Installed
from harvester.health.seen_days import look_at_days, recorded_days
from harvester.health.systemd import SystemdError, look_at_units

CLOCK_UNIT, FIREWALL_UNIT = "chrony.service", "nftables.service"
BESIDE_OURS = (CLOCK_UNIT, FIREWALL_UNIT)
SECONDS = 20
TABLE = ("inet", "host_hardening")
RULES = Path("/etc/nftables.conf")
ENABLED = Path("/etc/systemd/system/sysinit.target.wants") / FIREWALL_UNIT
LEAPS = {"Normal", "Insert second", "Delete second"}
KEY_COMMENT = "alpha-harvester "
"""`runbook.fleet.keys` writes it and the date into the comment of a key that it makes."""


class _CannotSeeError(Exception):
    """Why a fact is not known."""


def look(installed: Installed, now_ns: int, more: Mapping[str, Callable[[], Any]] | None = None) -> Facts:
    """Everything that can be seen now; `more`: facts that only the caller can look at."""
    alerts, data = installed.alerts, installed.data_dir
    looks: dict[str, Callable[[], Any]] = {
        **(more or {}),
        "units": lambda: look_at_units((*installed.units, *BESIDE_OURS)),
        "time_sync": look_at_clock,
        "firewall": look_at_firewall,
        "disks": lambda: [look_at_disk(path) for path in dict.fromkeys((Path("/"), data))],
        "release": lambda: _look_at_release(installed.root),
        "configuration": lambda: _look_at_configuration(installed.config),
        "days": lambda: look_at_days(data, installed.host_id, uploads=installed.uploads),
        "recorded": lambda: recorded_days(data),
        "handed_over": lambda: _is_there(installed.handover),
        "reach": lambda: _read_reach(reach_file(alerts.ports)),
        "keys": lambda: {user: made for user in installed.logins if (made := date_of_key(user)) is not None},
    }
    seen: dict[str, Any] = {}
    unseen: dict[str, str] = {}
    for name, see in looks.items():
        try:
            seen[name] = see()
        except (_CannotSeeError, SystemdError, HarvesterError) as error:
            unseen[name] = str(error)
        except OSError as error:
            unseen[name] = f"{error.filename or name}: {error.strerror}"
    booted_ns = now_ns - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return Facts(at_ns=now_ns, booted_ns=booted_ns, **seen, unseen=unseen)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise _CannotSeeError(f"{command[0]} cannot be run ({type(error).__name__})") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:200]
        raise _CannotSeeError(f"{command[0]}: {said or f'exit code {done.returncode}'}")
    return done.stdout


def look_at_clock() -> TimeSync:
    """By chronyd's own word; it answers any user of the host (chronyc(1), `tracking`, in its CSV form)."""
    try:
        fields = _run("chronyc", "-n", "-c", "tracking").strip().split(",")
    except _CannotSeeError as error:
        return TimeSync(False, str(error))
    return read_tracking(fields)


def read_tracking(fields: list[str]) -> TimeSync:
    """Of `chronyc -c tracking`: reference id and name, stratum, its time, offset, ..., leap status."""
    try:
        name, heard, offset, leap = fields[1] or fields[0], float(fields[3]), float(fields[4]), fields[-1]
    except (IndexError, ValueError):
        return TimeSync(False, f"chronyc gave {len(fields)} fields that are no tracking report")
    heard_ns = int(heard * NS_PER_SECOND) or None
    return TimeSync(leap in LEAPS, f"{leap}, {offset:+.6f} s against {name}", heard_ns)


def look_at_firewall() -> str:
    """Whether our rules are in the kernel, where they are meant to be: by the file, and by its service."""
    installed = RULES.exists() and TABLE[1] in RULES.read_text(errors="replace")
    if not installed and not ENABLED.is_symlink():
        return ""
    if not installed:
        return f"{RULES} is gone, or is not ours"
    listed = json.loads(_run("nft", "--json", "list", "ruleset")).get("nftables", [])
    chains = [each["chain"] for each in listed if "chain" in each]
    ours = {each["name"]: each.get("policy") for each in chains if (each["family"], each["table"]) == TABLE}
    if not ours:
        return "our rules are not loaded"
    if lax := [name for name in ("input", "output") if ours.get(name) != "drop"]:
        return f"the chain {' and '.join(lax)} does not drop what no rule lets through"
    return ""


def look_at_disk(path: Path) -> Disk:
    found = os.statvfs(path)
    return Disk(str(path), found.f_bavail * found.f_frsize, found.f_files, found.f_favail)


def _look_at_release(root: Path) -> str:
    current = root / "current"
    if not current.is_symlink():
        return f"{current} is not there"
    if not current.exists():
        return f"{current} leads to {current.readlink()}, which is not there"
    release = (current / "release").resolve()
    missing = _missing_files(release)
    if missing:
        return f"{len(missing)} files of {release} are gone, such as {missing[0]}"
    try:
        _run(str(current / "bin/harvester"), "--version")
    except _CannotSeeError as error:
        return f"the program of {release} does not run: {error}"
    return ""


def _missing_files(release: Path) -> list[str]:
    """Files that were installed into the release's own environment, by its packages' records, and are gone."""
    found = list(release.glob("lib/python3*/site-packages/*.dist-info/RECORD"))
    if not found:
        return ["every package"]
    missing = []
    for record in found:
        folder = record.parent.parent
        for line in record.read_text(errors="replace").splitlines():
            path = line.rsplit(",", 2)[0].strip('"')
            if path and not path.endswith(".pyc") and not (folder / path).exists():
                missing.append(path)
    return missing


def _look_at_configuration(path: Path) -> str:
    try:
        find_settings(path)
    except HarvesterError as error:
        _refuse_where_forbidden(path)
        return str(error)
    return _closed_to_services(path)


def _closed_to_services(path: Path) -> str:
    """Root may read any file; the services may where the group of its folder, which is theirs, may."""
    real = path.resolve()
    file, folder = real.stat(), real.parent.stat()
    if file.st_mode & stat.S_IROTH or (file.st_mode & stat.S_IRGRP and file.st_gid == folder.st_gid):
        return ""
    return f"{real}: the services may not read it (mode {stat.S_IMODE(file.st_mode):04o}, group {file.st_gid})"


def _refuse_where_forbidden(path: Path) -> None:
    """A file that this user may not read is no broken one. Raises _CannotSeeError."""
    try:
        path.open("rb").close()
    except PermissionError as error:
        raise _CannotSeeError(f"{path}: {error.strerror}") from error
    except OSError:
        return


def _is_there(path: Path) -> bool:
    """Whether a file is there. Raises OSError where that cannot be said."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _read_reach(path: Path) -> Reach:
    reach = read_reach(path)
    if reach is None:
        raise _CannotSeeError(f"{path}: the alerts have not looked at their channels yet")
    return reach


def date_of_key(user: str) -> int | None:
    """When the oldest key that lets a user in was made: by the comment of our own, else by the age of the file."""
    try:
        path = Path(pwd.getpwnam(user).pw_dir) / ".ssh/authorized_keys"
        lines, changed_ns = path.read_text(errors="replace").splitlines(), path.stat().st_mtime_ns
    except (FileNotFoundError, KeyError):
        return None
    return min((_date_of_comment(line) or changed_ns for line in lines if line and line[0] != "#"), default=None)


def _date_of_comment(line: str) -> int | None:
    _, mark, text = line.partition(KEY_COMMENT)
    try:
        made = datetime.fromisoformat(text.strip()).replace(tzinfo=UTC) if mark else None
    except ValueError:
        return None
    return int(made.timestamp()) * NS_PER_SECOND if made else None
