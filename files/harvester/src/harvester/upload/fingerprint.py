"""The checksum that S3 states for an object that was put with SHA-256, computed here from the file.

An object of one part has the SHA-256 of its content; one of several parts the SHA-256 of the parts' digests, with
the number of parts behind a dash (Amazon S3 user guide, "Checking object integrity").
"""

import hashlib
import io
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SINGLE_BYTES = 64 << 20
PART_BYTES = 32 << 20
CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Sizes:
    """Up to `single` bytes go as one part, more in parts of `part` bytes. S3 asks for at least 5 MiB a part."""

    single: int = SINGLE_BYTES
    part: int = PART_BYTES

    def cut(self, size: int) -> list[int]:
        """The sizes of the parts of a file."""
        if size <= self.single:
            return [size]
        whole, rest = divmod(size, self.part)
        return [self.part] * whole + ([rest] if rest else [])


SIZES = Sizes()


@dataclass(frozen=True)
class Fingerprint:
    """Size in bytes, SHA-256 in hex, and the digest of each part that S3 is sent."""

    size: int
    sha256: str
    parts: tuple[bytes, ...]

    @property
    def checksum(self) -> str:
        """As S3 states it, in base64."""
        if len(self.parts) == 1:
            return encode(self.parts[0])
        return f"{encode(hashlib.sha256(b''.join(self.parts)).digest())}-{len(self.parts)}"


def encode(digest: bytes) -> str:
    """A digest in the base64 of S3's headers."""
    return b64encode(digest).decode()


def take(source: IO[bytes], sizes: Sizes = SIZES) -> Fingerprint:
    """Read a file once, from its start, in bounded memory. Raises OSError."""
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    whole = hashlib.sha256()
    cuts = sizes.cut(size)
    parts = []
    for length in cuts:
        part = hashlib.sha256() if len(cuts) > 1 else whole
        for chunk in _chunks(source, length):
            whole.update(chunk)
            if part is not whole:
                part.update(chunk)
        parts.append(part.digest())
    return Fingerprint(source.tell(), whole.hexdigest(), tuple(parts))


def take_file(path: Path, sizes: Sizes = SIZES) -> Fingerprint:
    """The fingerprint of a file by its path. Raises OSError."""
    with path.open("rb", buffering=0) as source:
        return take(source, sizes)


def _chunks(source: IO[bytes], length: int) -> Iterator[bytes]:
    while length and (chunk := source.read(min(CHUNK_BYTES, length))):
        length -= len(chunk)
        yield chunk
