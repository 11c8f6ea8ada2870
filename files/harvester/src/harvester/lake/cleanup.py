"""`harvester cleanup`: delete lake files of which a receipt shows a verified copy in another place.

Only data tables and archived segments are deleted, never a manifest, certificate, gap ledger, instruments or
sessions, and no file of the newest days. A record of the deletion is written first, beside the manifest.
"""

from datetime import date
from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import sync_directory
from harvester.journal.format import day_directory
from harvester.journal.segment import SEALED
from harvester.lake.layout import BACKFILL_JOURNAL, DATA_TABLES, RAW, Partition, find_partitions, table_of
from harvester.lake.manifest import FileEntry, Manifest, hash_file, load_manifest, read_removals, write_removals
from harvester.lake.publish.receipts import Receipt

KEEP_DAYS = 2
REMOVABLE = (*DATA_TABLES, RAW)


class FileFinding(NamedTuple):
    """A removable file; `keep_because` is why it must stay, None when it may be deleted."""

    partition: Partition
    entry: FileEntry
    keep_because: str | None


def judge_files(
    lake: Path, journal: Path, receipt: Receipt, keep_days: int = KEEP_DAYS, today: date | None = None
) -> list[FileFinding]:
    """A finding for each removable file on disk, hashes computed anew. Deletes nothing.

    Of `today` all stays, whatever `keep_days` is: a part of its journal does, too. Raises HarvesterError when a
    manifest cannot be trusted, ConfigError when `keep_days` is negative.
    """
    if keep_days < 0:
        raise ConfigError(f"--keep-days is {keep_days}, and must not be negative.")
    partitions = find_partitions(lake)
    newest = set(sorted({partition.date for partition in partitions})[-keep_days:] if keep_days else [])
    newest |= {today} if today else set()
    findings = []
    for partition in partitions:
        manifest = load_manifest(lake, partition)
        for entry in removable(manifest) if manifest else []:
            if (lake / entry.path).exists():
                findings.append(
                    FileFinding(partition, entry, _why_keep(lake, journal, partition, entry, receipt, newest))
                )
    return findings


def removable(manifest: Manifest) -> list[FileEntry]:
    """The files of a day that clean-up may delete: the tables of data and the archived segments."""
    return [entry for entry in manifest.files if is_removable(entry)]


def is_removable(entry: FileEntry) -> bool:
    """Whether it is a table of data or an archived segment, of any schema."""
    return table_of(entry.folder) in REMOVABLE


def _why_keep(
    lake: Path, journal: Path, partition: Partition, entry: FileEntry, receipt: Receipt, newest: set[date]
) -> str | None:
    if partition.date in newest:
        return "it is of the newest days"
    if entry.path not in receipt.files:
        return "the receipt does not name it"
    if receipt.files[entry.path] != entry.sha256:
        return "the receipt proves another content"
    name = f"{Path(entry.path).name.split('.', 1)[0]}{SEALED}"
    written_in = journal.parent / BACKFILL_JOURNAL if partition.is_history else journal
    if entry.path.startswith(f"{RAW}/") and (day_directory(written_in, partition.date) / name).exists():
        return "the journal still has its segment; run harvester prune-journal --apply first"
    try:
        unchanged = hash_file(lake / entry.path) == (entry.bytes, entry.sha256)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return None if unchanged else "it is not what its manifest says; run harvester verify"


def delete_files(lake: Path, findings: list[FileFinding], receipt: Receipt) -> int:
    """Record and delete the files that may go; returns the bytes freed. The caller holds the lake.

    Raises HarvesterError when the lake cannot be written.
    """
    freed = 0
    for partition in sorted({finding.partition for finding in findings}):
        going = [v.entry for v in findings if v.partition == partition and v.keep_because is None]
        noted = {entry.path for entry in read_removals(lake, partition)}
        try:
            if any(entry.path not in noted for entry in going):
                write_removals(lake, partition, [entry for entry in going if entry.path not in noted], receipt.sha256)
            for entry in going:
                (lake / entry.path).unlink()
                sync_directory((lake / entry.path).parent)
                freed += entry.bytes
        except OSError as error:
            raise HarvesterError(
                f"{error.filename or lake}: clean-up stopped at {partition.date} ({error.strerror}). Free some"
                " disk space for the note of what goes, or be the user that owns the lake, then run the command again."
            ) from error
    return freed
