"""Journal segments into the lake's archive: made small, read back, compared."""

import hashlib
import os
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, publish
from harvester.journal.reader import ARCHIVED, CHUNK_BYTES, COMPRESSED, open_segment
from harvester.journal.segment import SEALED
from harvester.lake.day.segments import Source
from harvester.lake.publish.packed import Unpacker, pack_file

LEVEL = 3
"""Of zstd: level 9 makes a twelfth to a sixth less for five times the work; who wants it small takes PACKED."""


class Form(StrEnum):
    """How archived segments are made small; the value is the suffix."""

    ZSTD = COMPRESSED
    """Compressed as they are: quick, and any tool unpacks them."""
    PACKED = ".pack"
    """A third of that for order books, at some four times the work; a segment with damage stays ZSTD."""


ARCHIVED[Form.PACKED] = lambda file: cast(BinaryIO, Unpacker(file))


def archive_path(directory: Path, name: str) -> Path:
    """Where the archived segment of that name lies in the folder of its day, or will in the default form."""
    paths = [directory / f"{name}{SEALED}{form}" for form in Form]
    return next((path for path in paths if path.exists()), paths[0])


def archive_segment(
    source: Source, directory: Path, form: Form = Form.ZSTD, made: Path | None = None, *, is_proven: bool = False
) -> Path:
    """Have a verified small copy of a segment in `directory`; its path is returned.

    A copy that is there, in any form, and unpacks to the same bytes is kept; so is `made`, a copy that was made
    elsewhere on this disk, which is moved here, without unpacking it where that `is_proven`. Raises HarvesterError for
    one that does not, OSError.
    """
    target = archive_path(directory, source.name)
    if target == source.path:
        return target
    if target.exists():
        _compare(target, source)
    elif made and made.exists() and (is_proven or not _differs(made, source)):
        make_directory(directory)
        target = directory / made.name
        publish(made, target)
    else:
        form = Form.ZSTD if source.damaged else form
        target = directory / f"{source.name}{SEALED}{form}"
        make_directory(directory)
        temporary = directory / f".{target.name}"
        with source.path.open("rb") as plain, temporary.open("wb") as small:
            WRITERS[form](plain, small)
            small.flush()
            os.fsync(small.fileno())
        _compare(temporary, source)
        publish(temporary, target)
    return target


def _compress(plain: BinaryIO, small: BinaryIO) -> None:
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    compressor.copy_stream(plain, small, read_size=CHUNK_BYTES, write_size=CHUNK_BYTES)


WRITERS = {Form.ZSTD: _compress, Form.PACKED: pack_file}


def _differs(path: Path, source: Source) -> str:
    """Why a copy does not unpack to the segment; nothing when it does."""
    try:
        return "" if hash_unpacked(path) == source.sha256 else "its bytes are others"
    except OSError as error:
        return str(error.strerror)


def _compare(path: Path, source: Source) -> None:
    if reason := _differs(path, source):
        raise HarvesterError(
            f"{path}: the archived copy does not unpack to the bytes of segment {source.name} ({reason}). Both are"
            " kept, and the day is not closed. Move the copy away, check the disk, and run the command again."
        )


def hash_unpacked(path: Path) -> str:
    """SHA-256 of the uncompressed bytes of an archived segment. Raises OSError, also when it does not unpack."""
    digest = hashlib.sha256()
    with closing(open_segment(path)) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
