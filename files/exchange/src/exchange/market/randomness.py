"""Random numbers that are a pure function of a key, so that two runs agree and any instant can be asked for alone."""

from collections.abc import Sequence
from hashlib import blake2b, shake_128
from statistics import NormalDist

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
