"""What holds for journals and packed segments whatever the bytes, for tests and fuzzing."""

import io
import struct
from typing import BinaryIO, cast

from harvester.journal.format import encode
from harvester.journal.reader import RecordStream
from harvester.lake.publish.columns import read_block, write_block
from harvester.lake.publish.packed import Unpacker, pack_file


def check_reader(data: bytes) -> None:
    """Records and damage cover all bytes, each record is the bytes where it lies, and numbers rise."""
    stream = RecordStream(cast(BinaryIO, io.BytesIO(data)))
    spans = []
    last_seq = -1
    for offset, record in stream:
        encoded = encode(record)
        assert data[offset : offset + len(encoded)] == encoded and record.seq > last_seq
        spans.append((offset, offset + len(encoded)))
        last_seq = record.seq
    at = 0
    for start, end in sorted(spans + stream.damaged):
        assert start == at and end > start
        at = end
    assert at == len(data) == stream.size


def pack(data: bytes) -> bytes:
    target = io.BytesIO()
    pack_file(io.BytesIO(data), target)
    return target.getvalue()


def unpack(packed: bytes) -> bytes:
    reader = Unpacker(io.BytesIO(packed))
    return b"".join(iter(lambda: reader.read(1 << 16), b""))


def check_round_trip(data: bytes) -> None:
    """The undamaged records come back the same, and nothing else."""
    stream = RecordStream(cast(BinaryIO, io.BytesIO(data)))
    assert unpack(pack(data)) == b"".join(encode(record) for _, record in stream)


def check_unpack(packed: bytes) -> None:
    """Any bytes taken for an archive are an error, or give what packs to an archive of the same content."""
    try:
        data = unpack(packed)
    except OSError:
        return
    assert unpack(pack(data)) == data


def check_block(body: bytes) -> None:
    """The same for the columns of a block, whose checksum and compression hide them from random bytes."""
    for count, size in ((1, 1 << 10), (24, 1 << 14)):
        try:
            records = read_block(body, count, size)
        except (ValueError, struct.error):
            continue
        assert read_block(write_block(records), count, size) == records
