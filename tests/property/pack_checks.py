"""What holds for journals and packed segments whatever the bytes, for tests and fuzzing."""

import io
from typing import BinaryIO, cast

from harvester.journal.format import encode
from harvester.journal.reader import RecordStream
from harvester.lake.pack import PackError, Unpacker, container, pack_file


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
    """Any bytes come back the same."""
    assert unpack(pack(data)) == data


def check_unpack(packed: bytes) -> None:
    """Any bytes taken for an archive are an error, or give what packs to an archive of the same content."""
    try:
        data = unpack(packed)
    except PackError:
        return
    assert unpack(pack(data)) == data


def check_block(body: bytes) -> None:
    """The same for the inside of a block, whose checksum hides it from random bytes."""
    kind = container.BLOCK
    frame = container.FRAME.pack(kind, len(body), container.google_crc32c.value(kind + body))
    check_unpack(container.MAGIC + frame + body)
