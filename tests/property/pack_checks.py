"""What holds for packed segments whatever the bytes, for tests and fuzzing."""

import io

from harvester.lake.pack import PackError, Unpacker, container, pack_file


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
