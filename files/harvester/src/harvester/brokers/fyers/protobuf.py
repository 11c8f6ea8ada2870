"""The wire format of protobuf, as far as the 50-level socket uses it."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def iterate_fields(message: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Field number with start and end of its bytes; of a varint, its value as start. Raises IndexError, ValueError."""
    while at < end:
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == BYTES:
            size, at = _varint(message, at)
            if at + size > end:
                raise IndexError
            yield tag >> 3, at, at + size
            at += size
        elif wire == VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value, 0
        elif wire == FIXED64:
            at += 8
        elif wire == FIXED32:
            at += 4
        else:
            raise ValueError


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = message[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for shift in range(7, 70, 7):
        at += 1
        octet = message[at]
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at + 1
    raise ValueError
