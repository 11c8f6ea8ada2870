"""`harvester prune-journal`: delete sealed segments of which the lake holds a verified copy."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import HarvesterError
from harvester.base.files import sync_directory
from harvester.journal.checkpoint import segments_since_checkpoint
from harvester.journal.segment import SEALED
from harvester.lake.layout import RAW, Partition, find_partitions
from harvester.lake.manifest import Manifest, hash_file, load_manifest
from harvester.lake.publish.archive import archive_path, hash_unpacked

NEEDED_TODAY = "a start of the recorder today reads it"


class SegmentFinding(NamedTuple):
    """A sealed segment; `keep_because` is why it must stay, None when it may be deleted."""

    path: Path
    bytes: int
    keep_because: str | None


def judge_segments(journal: Path, lake: Path, today: date | None = None) -> list[SegmentFinding]:
    """A finding for each sealed segment of a journal, hashes computed anew. Deletes nothing.

    Of `today` those stay from which a recorder that starts later on the day knows what is accounted for.
    """
    paths = [path for path in sorted(journal.glob(f"????-??-??/*{SEALED}")) if path.is_file() and not path.is_symlink()]
    needed = segments_since_checkpoint([path for path in paths if today and path.parent.name == today.isoformat()])
    return [
        SegmentFinding(path, path.stat().st_size, NEEDED_TODAY if path in needed else _why_keep(path, lake))
        for path in paths
    ]


def _why_keep(path: Path, lake: Path) -> str | None:
    partitions = [part for part in find_partitions(lake) if part.date.isoformat() == path.parent.name]
    reasons = [_why_keep_by(path, lake, partition) for partition in partitions]
    if None in reasons:
        return None
    return reasons[0] if reasons else "its day is not closed"


def _why_keep_by(path: Path, lake: Path, partition: Partition) -> str | None:
    """None when the manifest, the archived copy and the segment have the same hash."""
    try:
        manifest = load_manifest(lake, partition)
        size, digest = hash_file(path)
    except (HarvesterError, OSError) as error:
        return str(error)
    segments = {segment.name: segment for segment in manifest.segments} if manifest else {}
    known = segments.get(path.stem)
    if manifest is None or known is None:
        return "its day was closed without it"
    if (known.bytes, known.sha256) != (size, digest):
        return "it is not what it was when its day was closed"
    return _why_distrust(lake, archive_path(lake / partition.path(RAW), path.stem), manifest, digest)


def _why_distrust(lake: Path, copy: Path, manifest: Manifest, digest: str) -> str | None:
    listed = {entry.path: entry for entry in manifest.files}.get(copy.relative_to(lake).as_posix())
    try:
        if listed is None or hash_file(copy) != (listed.bytes, listed.sha256):
            return "its archived copy is not what the manifest says"
        return None if hash_unpacked(copy) == digest else "its archived copy does not unpack to it"
    except OSError as error:
        return f"its archived copy cannot be read ({error.strerror})"


def delete_segments(findings: list[SegmentFinding]) -> int:
    """Delete the segments that may go, durably; returns the bytes freed. Raises HarvesterError."""
    freed = 0
    for finding in findings:
        if finding.keep_because is None:
            try:
                finding.path.unlink()
                sync_directory(finding.path.parent)
            except OSError as error:
                raise HarvesterError(
                    f"{finding.path}: the segment cannot be deleted ({error.strerror}). Run the command as the user"
                    " that owns the journal."
                ) from error
            freed += finding.bytes
    return freed
