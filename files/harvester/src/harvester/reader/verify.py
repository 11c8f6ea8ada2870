"""`harvester verify`: compare a lake, on the host or where it was pulled to, with its manifests.

Four stages a day: every file is there with its size; its hash is right; tables and archived segments have the rows
listed; data and gap ledger together are exactly what was expected.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.backfill.check import check_history
from harvester.base.errors import HarvesterError
from harvester.journal.format import JournalError
from harvester.journal.reader import scan
from harvester.lake.certificate.balance import check_day
from harvester.lake.certificate.damage import tell_damage
from harvester.lake.layout import (
    BUILT,
    CERTIFICATE,
    DEPTH,
    GAPS,
    MANIFEST,
    RAW,
    SUPERSEDED,
    find_partitions,
    recorder_of,
    table_of,
)
from harvester.lake.manifest import (
    DamagedManifestError,
    FileEntry,
    Manifest,
    former_paths,
    hash_file,
    load_manifest,
    read_removals,
)
from harvester.lake.publish.archive import hash_unpacked

KINDS = (*BUILT, RAW)


@dataclass
class DayReport:
    """What verify found about one day of one host."""

    date: str
    host: str
    files: int = 0
    bytes: int = 0
    removed: int = 0
    """Files that clean-up deleted, with the receipt of another copy."""
    damage: list[str] = field(default_factory=list)
    """What is wrong with the day's journal, by its certificate; the files are as they should be."""
    problems: list[str] = field(default_factory=list)


@dataclass
class LakeReport:
    """Findings of all days. Unlisted files are reported and are no fault: a day that is being closed has some."""

    days: list[DayReport]
    unlisted: list[str]
    """Files in the folders of the tables that no manifest has ever named."""
    superseded: list[str]
    """Files of former generations: there, or set aside."""

    @property
    def ok(self) -> bool:
        return not any(day.problems for day in self.days)


def verify_lake(lake: Path, explain: Callable[[DamagedManifestError], str] = str) -> LakeReport:
    """Check every day of a lake; `explain` says what to do about a damaged manifest where the lake is no host's.

    Raises HarvesterError when `lake` is none.
    """
    partitions = find_partitions(lake) if lake.is_dir() else []
    if not partitions:
        raise HarvesterError(
            f"{lake}: no manifest under {MANIFEST}/ here, so this is not a lake with a closed day. Name the directory"
            " that holds manifest/ and the folders of the tables."
        )
    listed: set[str] = set()
    former: set[str] = set()
    days = []
    for partition in partitions:
        report = DayReport(partition.date.isoformat(), partition.host)
        days.append(report)
        try:
            manifest = load_manifest(lake, partition)
            removed = {entry.path for entry in read_removals(lake, partition)}
        except HarvesterError as error:
            report.problems.append(explain(error) if isinstance(error, DamagedManifestError) else str(error))
            continue
        if manifest:
            listed |= {entry.path for entry in manifest.files}
            former |= former_paths(lake, partition)
            _verify_day(lake, manifest, removed, report)
    others = [path for kind in KINDS for path in _files(lake, kind) if path not in listed]
    beside = [path for path in others if path in former]
    aside = [path for kind in KINDS for path in _files(lake, f"{SUPERSEDED}/{kind}")]
    return LakeReport(days, sorted({*others} - {*beside}), sorted([*beside, *aside]))


def _files(lake: Path, folder: str) -> list[str]:
    return [path.relative_to(lake).as_posix() for path in lake.glob(f"{folder}/date=*/host=*/*")]


def _verify_day(lake: Path, manifest: Manifest, removed: set[str], report: DayReport) -> None:
    for entry in manifest.files:
        path = lake / entry.path
        if entry.path in removed and not path.exists():
            report.removed += 1
            continue
        report.files += 1
        report.bytes += entry.bytes
        problem = _check_file(path, entry) or _check_rows(path, entry, manifest)
        if problem:
            report.problems.append(f"{entry.path}: {problem}")
    report.damage = _damage(lake, manifest)
    if not report.problems:
        report.problems += _check_accounts(lake, manifest)


def _damage(lake: Path, manifest: Manifest) -> list[str]:
    """Nothing where there is no readable certificate: that is among the problems."""
    for entry in manifest.find(CERTIFICATE):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            return tell_damage(json.loads((lake / entry.path).read_bytes()))
    return []


def _check_file(path: Path, entry: FileEntry) -> str | None:
    """Presence, size and hash."""
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            return f"it has {size} bytes, the manifest says {entry.bytes}"
        return None if hash_file(path)[1] == entry.sha256 else "its content is not what the manifest says (SHA-256)"
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def _check_rows(path: Path, entry: FileEntry, manifest: Manifest) -> str | None:
    """Rows of a table, records of an archived segment."""
    kind = entry.folder
    if kind == CERTIFICATE:
        return None
    try:
        rows = _count_records(path, manifest) if kind == RAW else pq.read_metadata(path).num_rows
    except (OSError, pa.ArrowException, JournalError) as error:
        return f"it cannot be read ({str(error).splitlines()[0][:120]})"
    return None if rows == entry.rows else f"it has {rows} rows, the manifest says {entry.rows}"


def _count_records(path: Path, manifest: Manifest) -> int:
    name = path.name.split(".", 1)[0]
    hashes = {segment.name: segment.sha256 for segment in manifest.segments}
    if hash_unpacked(path) != hashes.get(name):
        raise JournalError("it does not unpack to the segment that the manifest names")
    return scan(path).records


def _check_accounts(lake: Path, manifest: Manifest) -> list[str]:
    """Whether data and gaps balance; a day of which clean-up deleted tables is not checked."""
    kinds = {table_of(entry.folder) for entry in manifest.built}
    brought = recorder_of(manifest.host) != manifest.host
    needed = {CERTIFICATE} if brought else {DEPTH, GAPS, CERTIFICATE}
    if not needed <= kinds or not all((lake / entry.path).exists() for entry in manifest.built):
        return []
    path = lake / manifest.find(CERTIFICATE)[0].path
    check = check_history if brought else check_day
    try:
        return check(lake, json.loads(path.read_bytes()), manifest.files)
    except (KeyError, TypeError, ValueError, HarvesterError, pa.ArrowException) as error:
        return [f"{path.name}: the accounts cannot be checked ({error})"]


def describe(report: LakeReport) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "ok": report.ok,
        "days": [asdict(day) for day in report.days],
        "unlisted": report.unlisted,
        "superseded": report.superseded,
    }
