"""The control records of a day in little memory: a storm of reconnects writes millions of them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import zstandard

PACKED = 4096
"""So many records wait, and are packed together then."""


class ControlRecord(NamedTuple):
    """One control record with the number of its source."""

    source: int
    seq: int
    wall_ns: int
    mono_ns: int
    value: dict[str, Any]


class ControlLog:
    """Control records in order; all but the last are packed, a twentieth of their size as objects."""

    def __init__(self) -> None:
        self._blocks: list[bytes | list[ControlRecord]] = []
        self._waiting: list[ControlRecord] = []
        self._compressor = zstandard.ZstdCompressor(level=3)

    def append(self, record: ControlRecord) -> None:
        """Add a record after the others."""
        self._waiting.append(record)
        if len(self._waiting) >= PACKED:
            self._blocks.append(self._pack(self._waiting))
            self._waiting = []

    def _pack(self, records: list[ControlRecord]) -> bytes | list[ControlRecord]:
        try:
            packed = self._compressor.compress(msgspec.msgpack.encode(records))
            return bytes(memoryview(packed))  # the compressor's own has the room of the uncompressed
        except (
            OverflowError,
            UnicodeEncodeError,
        ):
            return records  # JSON may have numbers above 64 bits, and half of a surrogate pair

    def __iter__(self) -> Iterator[ControlRecord]:
        unpack = zstandard.ZstdDecompressor()
        for block in self._blocks:
            if isinstance(block, bytes):
                for row in msgspec.msgpack.decode(unpack.decompress(block)):
                    yield ControlRecord(*row)
            else:
                yield from block
        yield from self._waiting
