"""Frames from a client of the data socket (HSM).

Read by field, never by the length at the start: the SDK writes it wrong or as 0, and the broker does not look at it.
"""

import struct
from typing import NamedTuple

ACK, PING = 3, 11
"""Types of frame that only clients send; the others are in `exchange.wire.hsm`."""
CHANNELS = range(1, 64)
LITE = b"L"


class BadRequestError(ValueError):
    """Not a frame that a client of this socket sends."""


class Request(NamedTuple):
    """A frame: its type and its fields by id."""

    kind: int
    fields: dict[int, bytes]

    def field(self, number: int) -> bytes:
        """A field that must be there. Raises BadRequestError."""
        if number not in self.fields:
            raise BadRequestError(f"type {self.kind} without field {number}")
        return self.fields[number]

    @property
    def channels(self) -> set[int]:
        """Channels of a pause, resume or mode frame: the bits of field 1."""
        bits = int.from_bytes(self.field(1), "big")
        return {channel for channel in CHANNELS if bits >> channel & 1}

    @property
    def topics(self) -> list[str]:
        """Topic names of a subscribe or unsubscribe frame."""
        blob = self.field(1)
        if len(blob) < 2:
            raise BadRequestError("a list of topics without their count")
        names, at = [], 2
        for _ in range(int.from_bytes(blob[:2], "big")):
            end = at + 1 + (blob[at] if at < len(blob) else 0)
            if at >= len(blob) or end > len(blob):
                raise BadRequestError("a list of topics that is cut off")
            names.append(blob[at + 1 : end].decode("latin-1"))
            at = end
        return names

    @property
    def channel(self) -> int:
        """Channel of a subscribe or unsubscribe frame."""
        return self.field(2)[-1] if self.field(2) else 0


def parse(data: bytes) -> Request:
    """Read one frame. Raises BadRequestError."""
    if len(data) < 3:
        raise BadRequestError(f"{len(data)} bytes")
    kind = data[2]
    fields: dict[int, bytes] = {}
    if kind == PING or len(data) < 4:
        return Request(kind, fields)
    at = 4
    for _ in range(data[3]):
        if at + 3 > len(data):
            raise BadRequestError(f"type {kind} ends within its fields")
        number, size = struct.unpack_from(">BH", data, at)
        at += 3 + size
        if at > len(data):
            raise BadRequestError(f"type {kind} ends within field {number}")
        fields[number] = data[at - size : at]
    return Request(kind, fields)
