"""SHA-256 in bounded memory, continued where a partial file ends."""

import hashlib
from typing import IO

CHUNK_BYTES = 1 << 20


def feed(digest: "hashlib._Hash", file: IO[bytes]) -> int:
    """Run the rest of `file` through the digest; the number of bytes is returned."""
    total = 0
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
        total += len(chunk)
    return total
