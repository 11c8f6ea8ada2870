"""Journal segments into the lake's archive: compressed, read back, compared."""

import hashlib
import os
from contextlib import closing
from pathlib import Path

import zstandard

from harvester.errors import HarvesterError
from harvester.journal.files import make_directory, publish
from harvester.journal.reader import CHUNK_BYTES, COMPRESSED, open_segment
from harvester.journal.segment import SEALED
from harvester.lake.segments import Source

LEVEL = 9


def archive_path(directory: Path, name: str) -> Path:
    """Where the segment of that name lies in the archive folder of its day."""
    return directory / f"{name}{SEALED}{COMPRESSED}"


def archive_segment(source: Source, directory: Path) -> Path:
    """Have a verified compressed copy of a segment in `directory`; its path is returned.

    A copy that is there and unpacks to the same bytes is kept. Raises HarvesterError for one that does not, OSError.
    """
    target = archive_path(directory, source.name)
    if target == source.path:
        return target
    if not target.exists():
        make_directory(directory)
        temporary = directory / f".{target.name}"
        _compress(source.path, temporary)
        _compare(temporary, source)
        publish(temporary, target)
    _compare(target, source)
    return target


def _compress(source: Path, temporary: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with source.open("rb") as plain, temporary.open("wb") as packed:
        compressor.copy_stream(plain, packed, read_size=CHUNK_BYTES, write_size=CHUNK_BYTES)
        packed.flush()
        os.fsync(packed.fileno())


def _compare(path: Path, source: Source) -> None:
    if hash_unpacked(path) != source.sha256:
        raise HarvesterError(
            f"{path}: the archived copy does not unpack to the bytes of segment {source.name}. Both are kept, and the"
            " day is not closed. Move the copy away, check the disk, and run the command again."
        )


def hash_unpacked(path: Path) -> str:
    """SHA-256 of the uncompressed bytes of an archived segment; "" when it does not unpack. Raises OSError."""
    digest = hashlib.sha256()
    with closing(open_segment(path)) as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        except OSError:
            return ""
    return digest.hexdigest()
