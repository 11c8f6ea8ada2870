"""Places in many protobuf messages that move over the expected fields, all messages at once.

Only the form that every protobuf writer gives a message is followed: known fields in order, once each, numbers of at
most 35 bits. Whatever differs is marked irregular and left to the exact parser.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from harvester.decode.frames import ABSENT, Flags, Ints

Words = NDArray[np.uint64]

LONGEST = 5
"""Bytes of the longest number here; it fits into a 64-bit word together with the three bytes before it."""
WRAPPED_TAG = 0x08
"""Tag of the number in a wrapper."""


_u64 = np.uint64
OCTET = _u64(0xFF)
MORE = _u64(0x8080808080)
"""Continuation bits of a number: set in each byte but its last."""


_SIZES = {0, *range(2, LONGEST + 2)}
"""Sizes of the content of a regular wrapper: empty, or a tag and a number."""
_NONE = 256 + 2
"""Step over a wrapper that has no regular size."""


def _by_step(pattern_of_size: Callable[[int], int], none: int) -> Words:
    """Table by a wrapper's step, which is its size and two; step 0 is no wrapper at all."""
    table = np.full(_NONE + 1, none, np.uint64)
    table[0] = 0
    for size in _SIZES:
        table[size + 2] = pattern_of_size(size)
    return table


_CONTENT = _by_step(lambda size: (1 << 8 * size) - 1, 0)
"""Masks the content of a wrapper."""
_FORM = _u64(0x8080808080FF)
"""The bits of a wrapper's content that its size determines: the tag and the continuation bits."""
_REGULAR = _by_step(lambda size: (WRAPPED_TAG | 0x80808080 % (1 << 8 * (size - 2)) << 8) if size else 0, 1)
"""Those bits of a regular wrapper; a value they never have for a size that no regular one has."""


@cache
def _steps(tag: int) -> Ints:
    """Step over the wrapper by two bytes: 0 where the first is another tag."""
    steps = np.zeros(1 << 16, np.int64)
    steps[tag::256] = [size + 2 if size in _SIZES else _NONE for size in range(256)]
    return steps


def words_at_each_byte(raw: bytes) -> Words:
    """The eight bytes from each offset on as one little-endian number; a view, not a copy."""
    return np.ndarray((len(raw) - 8,), "<u8", raw, strides=(1,))


def _compact(varint: Words) -> Words:
    """The numbers that varints of at most five bytes stand for."""
    even = varint & _u64(0x7F007F007F)
    pairs = (varint & _u64(0x7F007F00)) >> _u64(1)
    pairs |= even
    value = pairs & _u64(0x3FFF)
    value |= (pairs & _u64(0x3FFF0000)) >> _u64(2)
    value |= (pairs & _u64(0x7F00000000)) >> _u64(4)
    return value


class Cursor:
    """A place in each of many messages. `irregular` marks the messages for which all results are invalid."""

    def __init__(self, words: Words, at: Ints, end: Ints) -> None:
        self.words = words
        self.at = at
        self.end = end
        self.irregular: Flags = np.zeros(len(at), np.bool_)

    def _look(self, tag: int) -> tuple[Words, Flags]:
        word = self.words[self.at]
        there = (word & OCTET) == tag
        there &= self.at < self.end
        return word, there

    def wrapper(self, tag: int) -> Ints:
        """The number in the wrapper with this tag, ABSENT where it is not next."""
        word = self.words[self.at]
        step = _steps(tag).take(word.astype(np.uint16))
        content = (word >> _u64(16)) & _CONTENT.take(step)
        self.irregular |= (content & _FORM) != _REGULAR.take(step)
        value: Ints = _compact(content >> _u64(8)).view(np.int64)
        if np.count_nonzero(step) < len(step):
            value[step == 0] = ABSENT
        self.at = self.at + step
        return value

    def number(self, tag: int) -> Ints:
        """The plain number with this tag, 0 where it is not next."""
        word, there = self._look(tag)
        varint = word >> _u64(8)
        last = ~varint & MORE
        last &= -last  # the last byte's continuation bit alone, or 0
        self.irregular |= there & (last == 0)
        value = _compact(varint & (last | (last - _u64(1)))).view(np.int64)
        size = 2 + sum((last > _u64(0x80 << 8 * byte)).astype(np.int64) for byte in range(LONGEST - 1))
        self.at = self.at + size * there
        value *= there
        return value

    def span(self, tag: int) -> tuple[Ints, Ints, Flags]:
        """Start and end of the text or message with this tag, and where it is next; it is empty elsewhere."""
        _, there = self._look(tag)
        size = self.number(tag)
        start = self.at
        end = start + size
        self.irregular |= end > self.end
        self.at = np.where(self.irregular, self.end, end)
        return start, self.at, there

    def finish(self) -> Flags:
        """Which messages are irregular, those included that do not end here."""
        irregular: Flags = self.irregular | (self.at != self.end)
        return irregular
