"""The journal's quarantine: bytes that are no record, and files without one, kept for a look and never read again."""

import filecmp
import os
from pathlib import Path

from harvester.base.files import make_directory, publish, sync_directory
from harvester.journal.reader import CHUNK_BYTES

QUARANTINE = "quarantine"


def keep_range(journal: Path, segment: Path, start: int, end: int) -> Path:
    """Copy bytes [start, end) of a segment, durably; the copy's path is returned. Raises OSError."""
    directory = _directory(journal)
    target = directory / f"{_label(segment)}_{start}-{end}"
    temporary = directory / f".{target.name}.tmp"
    with segment.open("rb") as source, temporary.open("wb") as copy:
        source.seek(start)
        left = end - start
        while left > 0 and (chunk := source.read(min(CHUNK_BYTES, left))):
            copy.write(chunk)
            left -= len(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return _settle(temporary, target)


def keep_whole(journal: Path, segment: Path) -> Path:
    """Move a file in which there is no record; its new path is returned. Raises OSError."""
    directory = _directory(journal)
    target = _free(directory / _label(segment))
    publish(segment, target)
    sync_directory(segment.parent)
    return target


def keep_link(journal: Path, segment: Path) -> Path:
    """Keep a second name of a file that is about to be replaced; the name is returned. Raises OSError."""
    target = _directory(journal) / (_label(segment) + ".suspect")
    if target.exists() and not target.samefile(segment):
        target = _free(target)
    if not target.exists():
        os.link(segment, target)
        sync_directory(target.parent)
    return target


def measure(journal: Path) -> tuple[int, int] | None:
    """How many files are in quarantine, and their bytes; None when that cannot be told."""
    try:
        sizes = [entry.stat(follow_symlinks=False).st_size for entry in os.scandir(journal / QUARANTINE)]
    except FileNotFoundError:
        return 0, 0
    except OSError:
        return None
    return len(sizes), sum(sizes)


def _directory(journal: Path) -> Path:
    directory = journal / QUARANTINE
    make_directory(directory)
    return directory


def _label(segment: Path) -> str:
    return f"{segment.parent.name}_{segment.stem}"


def _settle(temporary: Path, target: Path) -> Path:
    """Publish under the name, or the next free one; a copy already made by a recovery that was killed is enough."""
    if target.exists() and filecmp.cmp(temporary, target, shallow=False):
        temporary.unlink()
        return target
    target = _free(target)
    publish(temporary, target)
    return target


def _free(path: Path) -> Path:
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}.{number}")
    return candidate
