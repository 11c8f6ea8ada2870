"""Streams of a block: whole numbers and bytes, each compressed by itself."""

import numpy as np
import zstandard
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Magnitudes = NDArray[np.uint64]

LEVEL = 19
LONGEST = 10 << 20
"""Bytes or numbers that one stream holds at most: no damaged count makes a reader ask for all memory."""


class StreamError(ValueError):
    """A stream that does not say what its format demands."""


class StreamWriter:
    """Collects the streams of one block, in order."""

    def __init__(self) -> None:
        self.body = bytearray()
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=False)

    def number(self, value: int) -> None:
        """One number >= 0, seven bits a byte, the lowest first."""
        while value > 0x7F:
            self.body.append(value & 0x7F | 0x80)
            value >>= 7
        self.body.append(value)

    def blob(self, data: bytes) -> None:
        """Bytes: their count, the stored count, and the bytes, compressed when that makes them fewer."""
        packed = self._compressor.compress(data) if len(data) > 1 else data
        stored = packed if len(packed) < len(data) else data
        self.number(len(data))
        self.number(len(stored))
        self.body += stored

    def ints(self, values: Ints) -> None:
        """Whole numbers: count, common divisor, sign and bit length of each as a blob, then the bits below the top."""
        self.number(len(values))
        if not len(values):
            return
        magnitudes = np.abs(values).view(np.uint64)
        unit = int(np.gcd.reduce(magnitudes)) or 1
        magnitudes //= np.uint64(unit)
        lengths = bit_lengths(magnitudes)
        self.number(unit)
        self.blob((2 * lengths + (values < 0)).astype(np.uint8).tobytes())
        for bit in range(int(lengths.max()) - 1):
            chosen = magnitudes[lengths > bit + 1]
            self.body += np.packbits((chosen >> np.uint64(bit) & np.uint64(1)).astype(np.uint8)).tobytes()


class StreamReader:
    """Gives back what a StreamWriter took, in the same order. Every method may raise StreamError."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._decompressor = zstandard.ZstdDecompressor()

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._body)

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise StreamError("a number without an end")

    def blob(self, count: int | None = None) -> bytes:
        """Bytes; with `count` exactly so many."""
        size, stored = self._count(count), self.number()
        data = self._take(stored)
        if stored == size:
            return data
        try:
            if zstandard.frame_content_size(data) > size:  # it would be believed, and so much memory asked for
                raise StreamError(f"a frame that says it has more than {size} bytes")
            plain = self._decompressor.decompress(data, max_output_size=size, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise StreamError(f"broken compression: {error}") from error
        if len(plain) != size:
            raise StreamError(f"{len(plain)} bytes instead of {size}")
        return plain

    def ints(self, count: int | None = None) -> Ints:
        """Whole numbers; with `count` exactly so many."""
        size = self._count(count)
        if not size:
            return np.zeros(0, np.int64)
        unit = self.number()
        symbols = np.frombuffer(self.blob(size), np.uint8)
        lengths = (symbols >> 1).astype(np.int64)
        if int(lengths.max()) > 64:
            raise StreamError("a number of more than 64 bits")
        magnitudes = np.where(lengths > 0, np.uint64(1) << np.maximum(lengths - 1, 0).astype(np.uint64), np.uint64(0))
        for bit in range(int(lengths.max()) - 1):
            chosen = np.flatnonzero(lengths > bit + 1)
            packed = np.frombuffer(self._take((len(chosen) + 7) // 8), np.uint8)
            magnitudes[chosen] |= np.unpackbits(packed, count=len(chosen)).astype(np.uint64) << np.uint64(bit)
        values: Ints = (magnitudes * np.uint64(unit & 0xFFFF_FFFF_FFFF_FFFF)).view(np.int64)
        return np.where(symbols & 1, -values, values)

    def _count(self, demanded: int | None) -> int:
        size = self.number()
        if size > LONGEST or demanded not in (None, size):
            raise StreamError(f"a stream of {size}, and {demanded if demanded is not None else LONGEST} is due")
        return size

    def _take(self, count: int) -> bytes:
        data = self._body[self._at : self._at + count]
        if len(data) != count:
            raise StreamError("a stream that ends early")
        self._at += count
        return data


def bit_lengths(magnitudes: Magnitudes) -> Ints:
    """Bits needed for each number, 0 for 0."""
    high = np.frexp((magnitudes >> np.uint64(32)).astype(np.float64))[1].astype(np.int64)
    low = np.frexp((magnitudes & np.uint64(0xFFFF_FFFF)).astype(np.float64))[1].astype(np.int64)
    return np.where(high > 0, high + 32, low)
