"""The secrets of a demonstration, and one search for them: in files here, and in those of a booted host."""

import base64
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import harvester.lake.publish.archive  # noqa: F401 makes archived segments of every form readable
from exchange.state import StateDir
from harvester.base.redaction import Secret
from harvester.journal.reader import read_segment
from harvester.tokens.claims import read_hsm_key

Patterns = dict[str, str]
"""What is looked for: its name, and an extended regular expression that grep and `re` understand alike."""
SPECIAL = re.compile(r"[][\\.^$*+?(){}|]")
ANY_TOKEN = r"eyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}"
"""Any JSON Web Token, as access tokens and auth codes are; what was cut off behind its middle counts, too."""
HOST_ROOTS = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")  # noqa: S108
"""What not only the distribution's packages write to: theirs are most of a disk, and slow to read when it is cold."""
NOT_OURS = {".git", ".venv", "__pycache__", "root", "upper", "work"}
"""Folders that no demonstration writes to but what Python compiled of the checkout; and the disks of hosts, which are
searched from inside."""


def spellings(secret: str) -> str:
    """The secret as it is, and what base64 makes of it wherever in a text it lies."""
    forms = [secret]
    for before in range(3):
        encoded = base64.b64encode(b" " * before + secret.encode()).decode()
        forms.append(encoded[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6])
    return "|".join(SPECIAL.sub(r"\\\g<0>", form) for form in forms)


def secrets_of(state: Path, host_key: Path, ssm: Any) -> Patterns:
    """Every secret of the lab at `state` and of its account. The account's name is none: the inventory states it."""
    app = StateDir(state / "exchange").app()
    kept = {**_stored(ssm), "the SDK's token": (state / "observer-token").read_text("ascii").strip()}
    tokens = {name: Secret(value) for name, value in kept.items() if re.match(ANY_TOKEN, value)}
    found = {name: spellings(value) for name, value in kept.items()}
    found |= {f"hsm_key of {name}": spellings(read_hsm_key(token)) for name, token in tokens.items()}
    for name, path in {"the operator's SSH key": state / "id_ed25519", "the host's SSH key": host_key}.items():
        lines = path.read_text("ascii").splitlines()[2:-1]  # the first one of the body is the same in every key
        found[name] = "|".join(map(spellings, lines))
    pin = rf"[Pp][Ii][Nn][^A-Za-z0-9]{{1,8}}{app.pin}([^0-9]|$)"  # four digits alone are everywhere
    return {**found, "the app's secret": spellings(app.secret), "the PIN": pin}


def _stored(ssm: Any) -> dict[str, str]:
    """Each version of each secret in the account's parameters."""
    pages = ssm.get_paginator("describe_parameters").paginate()
    names = [row["Name"] for page in pages for row in page["Parameters"] if row["Type"] == "SecureString"]
    return {
        f"{name}, version {row['Version']}": row["Value"]
        for name in names
        for row in ssm.get_parameter_history(Name=name, WithDecryption=True)["Parameters"]
    }


class Host:
    """A host of the lab at `state`, asked as root; what it is given goes through standard input."""

    def __init__(self, state: Path, name: str) -> None:
        self._ssh = ["ssh", "-F", str(state / "ssh_config"), "-o", "BatchMode=yes", name]

    def run(self, *command: str, given: str = "", fine: Sequence[int] = (0,)) -> "subprocess.CompletedProcess[bytes]":
        """Run a command to its end, which is one of the exit codes in `fine`."""
        words = [*self._ssh, shlex.join(["sudo", *command])]
        done = subprocess.run(words, input=given.encode(), capture_output=True, check=False, timeout=300)
        assert done.returncode in fine, done.stderr.decode()
        return done

    def search(self, patterns: Patterns) -> dict[str, set[str]]:
        """The files of this host that hold one of the patterns, with the names of those that they hold."""
        return _read(patterns, self.run(*_grep(HOST_ROOTS), given="\n".join(patterns.values()), fine=(0, 1, 2)))

    def readers(self, path: str) -> set[str]:
        """The users of this host other than root that may read the file."""
        become = 'setpriv --reuid="$uid" --regid="$gid" --init-groups'
        ask = (
            "getent passwd | while IFS=: read -r user _ uid gid _; do\n"
            f'{become} test -r {shlex.quote(path)} && echo "$user"\n'
            "done\ntrue\n"
        )
        return set(self.run("sh", "-s", given=ask).stdout.decode().split()) - {"root"}


def search(patterns: Patterns, paths: Iterable[Path]) -> dict[str, set[str]]:
    """The files among `paths` and below them that hold one of the patterns, with the names of those that they hold."""
    names, given = [str(path) for path in paths], "\n".join(patterns.values()).encode()
    found: dict[str, set[str]] = {}
    for first in range(0, len(names), 1000):  # as many as fit into one command
        command = _grep(names[first : first + 1000])
        found |= _read(patterns, subprocess.run(command, input=given, capture_output=True, check=False, timeout=120))
    return found


def _grep(paths: Iterable[str]) -> list[str]:
    flags = ["--recursive", "--with-filename", "--null", "--only-matching", "--text", "--extended-regexp"]
    return ["env", "LC_ALL=C", "grep", *flags, "--devices=skip", "--file=-", "--", *paths]


def _read(patterns: Patterns, done: "subprocess.CompletedProcess[bytes]") -> dict[str, set[str]]:
    """What grep found. Whatever it says of a file that it could not read is an error, unless that one has gone."""
    complaints = [line for line in done.stderr.decode().splitlines() if "No such file or directory" not in line]
    assert complaints == []
    found: dict[str, set[str]] = {}
    for line in done.stdout.split(b"\n")[:-1]:
        path, _, match = line.partition(b"\0")
        names = {name for name, pattern in patterns.items() if re.search(pattern, match.decode("latin-1"))}
        found.setdefault(os.fsdecode(path), set()).update(names)
    return found


def written_since(folders: Iterable[Path], began: float) -> Iterator[Path]:
    """The files below the folders that were written, or moved there, since then."""
    for top in folders:
        for folder, names, files in os.walk(top):
            names[:] = [name for name in names if name not in NOT_OURS and not name.startswith("pytest-of-")]
            for path in (Path(folder, name) for name in files):
                try:
                    recent = path.lstat().st_ctime >= began
                except FileNotFoundError:
                    continue  # another program's, gone meanwhile
                if recent and path.is_file() and not path.is_symlink():
                    yield path


def unpack(lake: Path, target: Path) -> None:
    """What a pulled lake holds as plain text and plain frames, because a search cannot see into compressed files."""
    with target.open("wb") as file:
        for segment in sorted(lake.glob("raw/**/*.seg.*")):
            for record in read_segment(segment):
                file.write(record.payload + b"\n")
        for path in sorted(lake.rglob("*.parquet")):
            table = pq.read_table(path, partitioning=None)
            texts = [
                column.cast(pa.string()) if pa.types.is_timestamp(column.type) else column for column in table.columns
            ]
            rows = pa.table(texts, names=table.column_names).to_pylist()  # its own moments lose their ns
            file.write(json.dumps(rows, default=str).encode() + b"\n")
