"""Random numbers that are a pure function of a key: two runs agree, and no number depends on those before it."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b, shake_128
from statistics import NormalDist
from typing import NamedTuple

UNIT = 65_536
_NORMAL = NormalDist()
_TABLE_BITS = 12
_TABLE = tuple(_NORMAL.inv_cdf((index + 0.5) / (1 << _TABLE_BITS)) for index in range(1 << _TABLE_BITS))


def _key(parts: tuple[object, ...]) -> bytes:
    return "|".join(map(str, parts)).encode()


def uniform(*key: object) -> float:
    """A number in (0, 1)."""
    number = int.from_bytes(blake2b(_key(key), digest_size=8).digest(), "little")
    return (number + 0.5) / 2**64


def gauss(*key: object) -> float:
    """A standard normal number."""
    return _NORMAL.inv_cdf(uniform(*key))


def columns(count: int, length: int, *key: object) -> list[Sequence[int]]:
    """`count` columns of `length` numbers in [0, UNIT)."""
    numbers = memoryview(shake_128(_key(key)).digest(2 * count * length)).cast("H")
    return [numbers[start : start + length] for start in range(0, count * length, length)]


def normal_of(number: int) -> float:
    """The normal number that belongs to one number of a column."""
    return _TABLE[number >> (16 - _TABLE_BITS)]


BURN_IN = 48
"""How far back into the slice before an event is looked for: chances are at least 1/6, so this misses one in 5,000."""


class Draws(NamedTuple):
    """The columns behind a slice's tape, one number per update."""

    times: Sequence[int]
    moves: Sequence[int]
    noises: Sequence[int]
    spreads: Sequence[int]
    trades: Sequence[int]
    sides: Sequence[int]
    sizes: Sequence[int]
    places: Sequence[int]


@lru_cache(maxsize=4096)
def draw(seed: int, symbol: str, start_ns: int, updates: int) -> Draws:
    """The columns of one slice."""
    return Draws(*columns(len(Draws._fields), updates, seed, symbol, start_ns, "tape"))


def latest(now: Sequence[int], before: Sequence[int], chance: int, place: int) -> int:
    """The column number of the last event at or before `place`, scaled to [0, UNIT), looking into the slice before.

    An event is a number below `chance`. A component of the book keeps its value until its next event.
    """
    for index in range(place, -1, -1):
        if now[index] < chance:
            return now[index] * UNIT // chance
    for index in range(len(before) - 1, max(-1, len(before) - 1 - BURN_IN), -1):
        if before[index] < chance:
            return before[index] * UNIT // chance
    return now[0]
