"""Packed segments: a journal segment in a fraction of its bytes, and back bit for bit.

Blocks of a head and LZMA of columns (columns.py), the last without records. docs/formats.md describes the form.
"""

import errno
import io
import lzma
import struct
from collections.abc import Iterator
from itertools import groupby
from typing import BinaryIO, cast

import google_crc32c

from harvester.journal.format import MAX_RECORD, JournalError, Record, encode
from harvester.journal.reader import RecordStream
from harvester.lake.publish.columns import read_block, write_block

HEAD = struct.Struct("<4s4I")
"""FORM, bytes of LZMA, records, bytes of these; crc32c of all blocks so far: head without this, LZMA, records."""
FORM, FIRST_FORM = b"AHP\x02", b"\xf5AHP"
BLOCK_BYTES = 4 << 20
"""A block has the records that begin in so many bytes of the segment."""
MOST_BYTES = BLOCK_BYTES + MAX_RECORD
"""Bytes of a block's records at most. The columns, and LZMA of them, have at most twice as many."""
LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 5, "lc": 0, "pb": 0, "dict_size": 1 << 20}]


def pack_file(source: BinaryIO, target: BinaryIO) -> None:
    """Write the packed form of a segment: of its undamaged records and nothing else. Raises OSError."""
    crc = 0
    for records in _blocks(source):
        plain = b"".join(map(encode, records))
        body = lzma.compress(write_block(records), lzma.FORMAT_RAW, filters=LZMA) if records else b""
        head = HEAD.pack(FORM, len(body), len(records), len(plain), 0)[:-4]
        crc = google_crc32c.extend(crc, head + body + plain)
        target.write(head + crc.to_bytes(4, "little") + body)


def _blocks(source: BinaryIO) -> Iterator[list[Record]]:
    """The records block by block; the last block is empty."""
    for _, found in groupby(RecordStream(source), lambda found: found[0] // BLOCK_BYTES):
        yield [record for _, record in found]
    yield []


class Unpacker:
    """Reads a packed segment as the bytes of the segment; a block is given out only after its checksum matched."""

    def __init__(self, file: BinaryIO) -> None:
        """Takes the file and closes it with itself."""
        self._file = io.BufferedReader(cast(io.RawIOBase, file))
        self._blocks, self._plain = self._unpack(), b""

    def read(self, count: int) -> bytes:
        """At most `count` bytes, at least one before the end. Raises OSError."""
        self._plain = self._plain or next(self._blocks, b"")
        part, self._plain = self._plain[:count], self._plain[count:]
        return part

    def close(self) -> None:
        self._file.close()

    def _unpack(self) -> Iterator[bytes]:
        """The bytes of each block, the last of which has none."""
        crc, count = 0, 1
        while count:
            head = self._file.read(HEAD.size)
            if head.startswith(FIRST_FORM):
                raise OSError(errno.EBADMSG, "packed in the first form: docs/formats.md says how to convert it")
            try:
                if len(head) < HEAD.size:
                    raise ValueError("it ends early")
                form, length, count, size, expected = HEAD.unpack(head)
                if form != FORM or max(length // 2, size) > MOST_BYTES:
                    raise ValueError("no block begins where one must")
                body, reader = self._file.read(length), lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=LZMA)
                columns = reader.decompress(body, 2 * MOST_BYTES)
                plain = b"".join(map(encode, read_block(columns, count, size))) if count else b""
                crc = google_crc32c.extend(crc, head[:-4] + body + plain)
                if crc != expected or (not count and self._file.read(1)):
                    raise ValueError("a block is not what was packed, or bytes follow the last")
            except (ValueError, struct.error, lzma.LZMAError, JournalError) as error:
                raise OSError(errno.EBADMSG, f"the packed segment is damaged: {error}") from error
            yield plain
