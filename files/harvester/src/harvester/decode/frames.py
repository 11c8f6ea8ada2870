"""Many socket frames side by side in one buffer, so that numpy can walk them all at once."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Octets = NDArray[np.uint8]

ABSENT = int(np.iinfo(np.int64).min)
"""Stands in decoded columns for a value that the wire has not given."""

PADDING = 4096
"""Zeros after the last frame: longer than any fixed part of an entry, so that looking ahead stays in the buffer."""


def keep_heap_pages() -> None:
    """Have the C library keep freed memory for the next arrays; without it page faults are a third of decoding's cost.

    glibc hands blocks above a threshold back to the kernel, and raises the threshold to the size of a block that it
    hands back, up to 32 MiB. This one is never touched, and so takes no memory.
    """
    np.empty(31 << 20, np.uint8)


def give_back_heap() -> None:
    """Hand the memory that `keep_heap_pages` has kept back to the kernel, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


@dataclass(frozen=True)
class Columns:
    """A table as a dataclass of columns: arrays of one length, their first axis."""

    def pick(self, chosen: NDArray[Any]) -> Self:
        """The rows at the places, or with the marks, given."""
        return type(self)(*(column[chosen] for column in vars(self).values()))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, in their order. There must be a part."""
        return cls(*map(np.concatenate, zip(*(vars(part).values() for part in parts), strict=True)))


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Frames end to end in `raw`, the same memory as `octets`; frame i is raw[starts[i]:ends[i]]."""

    raw: bytes
    octets: Octets
    starts: Ints
    ends: Ints

    @classmethod
    def of(cls, frames: Sequence[bytes]) -> "FrameBatch":
        raw = b"".join((*frames, bytes(PADDING)))
        sizes = np.fromiter(map(len, frames), np.int64, len(frames))
        ends = np.cumsum(sizes)
        return cls(raw, np.frombuffer(raw, np.uint8), ends - sizes, ends)


class Reason(StrEnum):
    """Why bytes of a frame have not become values."""

    SHORT = "short"
    """The frame ends within its header."""
    TRUNCATED = "truncated"
    """The frame ends within an entry, or before the entries it announces."""
    TRAILING = "trailing"
    """Bytes follow the last entry announced."""
    UNKNOWN_ENTRY = "unknown entry"
    """An entry of an unknown form, and with it the rest of its frame: where the next entry begins cannot be told."""
    MALFORMED = "malformed"
    """A control frame or message that does not follow its format."""
    BAD_SCALE = "bad scale"
    """A snapshot whose multiplier or precision gives no usable price scale; its values are decoded."""
    UNKNOWN_TYPE = "unknown type"
    """A frame of an unknown type."""
    UNKNOWN_TOPIC = "unknown topic"
    """An entry of an unknown kind of topic."""
    EXTRA_VALUES = "extra values"
    """Values after the known fields of that kind of topic; the known ones are decoded."""
    NO_SNAPSHOT = "no snapshot"
    """An entry whose topic id no snapshot of this connection has named."""
    NO_PRICE = "no price"
    """A lite entry for a topic without a last price."""
    NO_DEPTH = "no depth"
    """A symbol's part of a message without the order book."""


class Leftover(NamedTuple):
    """Bytes [start, end) of a frame of the batch that have not become values, and why."""

    frame: int
    start: int
    end: int
    reason: Reason
