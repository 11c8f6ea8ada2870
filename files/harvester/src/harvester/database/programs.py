"""PostgreSQL's own programs on this machine: which version there is, and which may be used for a server or a dump."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import ConfigError

FOLDERS = "/usr/lib/postgresql"
"""Debian and Ubuntu: a folder for each major version."""
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
SECONDS = 20


class Program(NamedTuple):
    """A program; `version` as it says it, such as 16.4."""

    path: Path
    major: int
    version: str


def find_programs(name: str) -> list[Program]:
    """Each version of it here, the oldest first."""
    paths = [*Path(FOLDERS).glob(f"*/bin/{name}")]
    paths += [Path(found)] if (found := shutil.which(name)) else []
    programs = {program.major: program for path in paths if (program := _ask(path))}
    return [programs[major] for major in sorted(programs)]


def choose(name: str, major: int, what: str) -> Program:
    """The program of that major version, else the next newer one. Raises ConfigError: an older one cannot do it."""
    found = find_programs(name)
    for program in found:
        if program.major >= major:
            return program
    here = f"{name} {found[-1].version} is older" if found else f"there is no {name}"
    raise ConfigError(
        f"{what} is of PostgreSQL {major}, and here {here}. Install that version's client (Debian, Ubuntu:"
        f" postgresql-client-{major}, else from apt.postgresql.org), and run it again."
    )


def _ask(path: Path) -> Program | None:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    match = VERSION.search(done.stdout)
    return Program(path, int(match[1]), f"{match[1]}{match[2]}") if match else None
