"""The file: blocks that each prove themselves, and an end that proves there is nothing more."""

import hashlib
import struct
from typing import BinaryIO

import google_crc32c

from harvester.journal.format import MAX_RECORD
from harvester.lake.pack.block import decode_block, encode_block
from harvester.lake.pack.records import split
from harvester.lake.pack.slots import Memory
from harvester.lake.pack.streams import StreamError

MAGIC = b"\xf5AHPACK\x01"
FRAME = struct.Struct("<4sII")
BLOCK, END = b"BLCK", b"ENDE"
CHECK = struct.Struct("<II")
ENDING = struct.Struct("<Q32s")
BLOCK_BYTES = 8 << 20
"""Bytes of a segment that are coded together; what may be the begin of a record at their end waits for the next."""
MOST_BYTES = BLOCK_BYTES + MAX_RECORD
"""Bytes of a segment in one block, and bytes of its coded form, at most."""


class PackError(OSError):
    """A packed segment that is damaged, or not one. What was read until then is right."""

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)
        self.strerror = reason


def pack_file(source: BinaryIO, target: BinaryIO) -> None:
    """Write the packed form of all of `source`. Raises OSError."""
    digest, total, memory, rest = hashlib.sha256(), 0, Memory(), b""
    target.write(MAGIC)
    while True:
        chunk = source.read(BLOCK_BYTES)
        data = rest + chunk
        records, taken = split(data, is_last=not chunk)
        rest = data[taken:]
        if taken:
            body = encode_block(records, memory)
            original = data[:taken]
            digest.update(original)
            total += taken
            _write(target, BLOCK, CHECK.pack(taken, google_crc32c.value(original)) + body)
        if not chunk:
            break
    _write(target, END, ENDING.pack(total, digest.digest()))


def _write(target: BinaryIO, kind: bytes, body: bytes) -> None:
    target.write(FRAME.pack(kind, len(body), google_crc32c.value(kind + body)) + body)


class Unpacker:
    """Reads a packed segment as the bytes it was; only what is proven right comes out."""

    def __init__(self, file: BinaryIO) -> None:
        """Takes the file and closes it with itself."""
        self._file = file
        self._memory = Memory()
        self._digest = hashlib.sha256()
        self._total = 0
        self._buffer = b""
        self._ended = False
        self._begun = False

    def read(self, count: int) -> bytes:
        """At most `count` bytes, at least one before the end. Raises PackError, OSError."""
        while not self._buffer and not self._ended:
            self._buffer = self._next()
        part, self._buffer = self._buffer[:count], self._buffer[count:]
        return part

    def close(self) -> None:
        self._file.close()

    def _next(self) -> bytes:
        if not self._begun:
            if self._file.read(len(MAGIC)) != MAGIC:
                raise PackError("this is no packed segment of a form known here")
            self._begun = True
        kind, body = self._read_frame()
        if kind == END:
            return self._end(body)
        size, crc = CHECK.unpack_from(body)
        try:
            data = decode_block(body[CHECK.size :], self._memory)
        except (StreamError, ValueError, IndexError, OverflowError, struct.error, StopIteration) as error:
            raise PackError(f"a block of the packed segment cannot be decoded: {error}") from error
        if len(data) != size or google_crc32c.value(data) != crc:
            raise PackError("a block of the packed segment does not give the bytes it was made of")
        self._digest.update(data)
        self._total += size
        return data

    def _read_frame(self) -> tuple[bytes, bytes]:
        head = self._exactly(FRAME.size)
        kind, size, crc = FRAME.unpack(head)
        if kind not in (BLOCK, END) or size > 2 * MOST_BYTES or size < CHECK.size:
            raise PackError("the packed segment is damaged between its blocks")
        body = self._exactly(size)
        if google_crc32c.value(kind + body) != crc:
            raise PackError("a block of the packed segment is damaged")
        return kind, body

    def _end(self, body: bytes) -> bytes:
        if len(body) != ENDING.size or ENDING.unpack(body) != (self._total, self._digest.digest()):
            raise PackError("the packed segment lacks a part")
        if self._file.read(1):
            raise PackError("bytes follow the end of the packed segment")
        self._ended = True
        return b""

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            part = self._file.read(count)
            if not part:
                raise PackError("the packed segment ends early")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
