"""A host's lake of a few bytes, a store to pull it into, and an `ssh` that ends on this machine."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from harvester.lake.layout import MANIFEST, Partition
from harvester.lake.manifest import FileEntry, Manifest, describe_file, load_manifest, write_manifest
from runbook.pull.cleanup import Plan, make_plan
from runbook.pull.manifests import DayManifest, parse
from runbook.pull.plan import Selection
from runbook.pull.pull import HostResult, pull
from runbook.pull.store import LocalStore
from runbook.pull.transport import LocalTransport

DAYS = tuple(date(2026, 11, day) for day in (17, 18, 19, 20))
NAMES = {"depth": "depth.parquet", "gaps": "gaps.parquet", "certificate": "certificate.json", "raw": "1-1.seg.zst"}
ALL = Selection(raw=True)


@dataclass
class Lake:
    """A lake with a few small files each day; `reseal` writes a manifest over what is there."""

    root: Path
    host: str = "lab1"

    def partition(self, day: date) -> Partition:
        return Partition(day, self.host)

    def path(self, kind: str, day: date = DAYS[0]) -> str:
        """A file, relative to the lake."""
        return (self.partition(day).path(kind) / NAMES[kind]).as_posix()

    def manifest_path(self, day: date = DAYS[0]) -> str:
        return self.partition(day).manifest.as_posix()

    def add(self, day: date, kinds: tuple[str, ...] = tuple(NAMES)) -> None:
        for kind in kinds:
            file = self.root / self.path(kind, day)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(f"{kind} of {day} of {self.host}".encode())
        self.reseal(day)

    def change(self, kind: str, content: bytes, day: date = DAYS[0]) -> None:
        """Another content without a word to the manifest."""
        (self.root / self.path(kind, day)).write_bytes(content)

    def reseal(self, day: date = DAYS[0]) -> None:
        partition = self.partition(day)
        before = load_manifest(self.root, partition) or Manifest(day.isoformat(), self.host, 0, "r1", (), ())
        here = sorted(file for kind in NAMES for file in (self.root / partition.path(kind)).glob("*"))
        files = tuple(describe_file(self.root, file, 1) for file in here)
        (self.root / partition.path(MANIFEST)).mkdir(parents=True, exist_ok=True)
        write_manifest(self.root, partition, replace(before, generation=before.generation + 1, files=files))

    def read(self, day: date = DAYS[0]) -> DayManifest:
        """The day's manifest as a pull has it."""
        return parse((self.root / self.manifest_path(day)).read_bytes(), self.manifest_path(day))

    def entry(self, kind: str, day: date = DAYS[0]) -> FileEntry:
        """What the manifest says of a file."""
        [entry] = [file for file in self.read(day).files if file.path == self.path(kind, day)]
        return entry

    def connect(self) -> LocalTransport:
        return LocalTransport(self.host, self.root)

    def pull(self, store: LocalStore, selection: Selection = ALL) -> HostResult:
        [result] = pull([self.connect], store, selection)
        return result

    def plan(self, store: LocalStore, keep_days: int = 2) -> Plan:
        return make_plan(self.connect, store, keep_days=keep_days)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Of four days."""
    found = Lake(tmp_path / "host" / "lake")
    for day in DAYS:
        found.add(day)
    return found


@pytest.fixture
def day(tmp_path: Path) -> Lake:
    """Of one day."""
    found = Lake(tmp_path / "host" / "lake")
    found.add(DAYS[0])
    return found


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "pulled")


def contents(root: Path) -> dict[str, bytes]:
    """Every file below `root` but locks and temporary ones."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


class Steps:
    """What a pull says of its progress."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int, int]] = []
        self.files: list[str] = []
        self.count = 0

    def look(self, host: str) -> None: ...

    def begin(self, host: str, files: int, total_bytes: int) -> None:
        self.begun.append((host, files, total_bytes))

    def file(self, path: str) -> None:
        self.files.append(path)

    def advance(self, count: int) -> None:
        self.count += count


@pytest.fixture
def steps() -> Steps:
    return Steps()


SSH = """#!/bin/sh
printf '%s\\n' "$*" >>"$0.log"
while :; do
  case "$1" in
    -[oipl]) shift 2 ;;
    -O) exit 0 ;;
    -*) shift ;;
    *) break ;;
  esac
done
shift
[ "$1" = -- ] && shift
eval "$SSH_FAULT"
exec sh -c "$*"
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An `ssh` that runs everything here, after what SSH_FAULT says, and writes its words to a log beside it.

    What OpenSSH itself does is the matter of tests/operator/test_pull_over_ssh.py.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("ssh", SSH), ("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift && SUDO=1 exec "$@"\n')):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/local/bin:/usr/bin:/bin")
    monkeypatch.setenv("SSH_FAULT", "")
    yield folder / "ssh"
