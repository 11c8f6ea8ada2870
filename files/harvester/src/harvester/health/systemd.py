"""What systemd says of units, for whoever asks: `systemctl show` needs no right."""

import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from harvester.base.clock import NS_PER_SECOND
from harvester.health.facts import Unit

FOLDER = Path("/etc/systemd/system")
PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Result,UnitFileState,NeedDaemonReload,InactiveExitTimestamp,"
    "StateChangeTimestamp,NextElapseUSecRealtime,LastTriggerUSec,StatusText"
)
SECONDS = 20
FORM = "%a %Y-%m-%d %H:%M:%S %Z"


class SystemdError(Exception):
    """systemd cannot be asked; the message says why."""


def look_at_units(names: Iterable[str], folder: Path = FOLDER) -> dict[str, Unit]:
    """Each unit by its name. Of a template only its file is looked at. Raises SystemdError."""
    wanted = list(dict.fromkeys(names))
    asked = [name for name in wanted if "@." not in name]
    rows = parse(_show(asked))
    if len(rows) != len(asked):
        raise SystemdError(f"systemctl answered of {len(rows)} units, not of {len(asked)}")
    said = dict(zip(asked, rows, strict=True))
    return {name: describe(said.get(name, {}), present=(folder / name).exists()) for name in wanted}


def parse(output: str) -> list[dict[str, str]]:
    """The answer of `systemctl show`: a block for each unit, in the order of the question."""
    blocks = [block for block in output.split("\n\n") if block.strip()]
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]


def describe(row: Mapping[str, str], *, present: bool) -> Unit:
    """A unit of its properties; without any, of its file alone."""
    return Unit(
        present=present,
        load=row.get("LoadState", "loaded" if present else "not-found"),
        active=row.get("ActiveState", ""),
        sub=row.get("SubState", ""),
        result=row.get("Result", ""),
        enabled=row.get("UnitFileState", ""),
        outdated=row.get("NeedDaemonReload") == "yes",
        began_ns=read_time(row.get("InactiveExitTimestamp", "")),
        changed_ns=read_time(row.get("StateChangeTimestamp", "")),
        next_ns=read_time(row.get("NextElapseUSecRealtime", "")),
        last_ns=read_time(row.get("LastTriggerUSec", "")),
        says=row.get("StatusText", ""),
    )


def read_time(text: str) -> int | None:
    """Wall ns of a time as systemctl prints it in UTC, to the second; None for none."""
    try:
        return int(datetime.strptime(text, FORM).replace(tzinfo=UTC).timestamp()) * NS_PER_SECOND
    except ValueError:
        return None


def _show(names: list[str]) -> str:
    # Numbers of microseconds are printed as local times; of a unit's zone nothing is known here, so it is fixed.
    environment = {"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    command = ["systemctl", "show", f"--property={PROPERTIES}", "--", *names]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment)
    except (OSError, subprocess.SubprocessError) as error:
        raise SystemdError(f"systemctl cannot be run ({type(error).__name__})") from error
    if done.returncode:
        raise SystemdError(f"systemctl: {' '.join(done.stderr.split())[:200] or done.returncode}")
    return done.stdout
