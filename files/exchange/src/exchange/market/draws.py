"""The random columns behind a slice, and how far an event in them reaches."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from exchange.market.randomness import UNIT, columns

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

    An event is a number below `chance`; what a component shows holds until its next event.
    """
    for index in range(place, -1, -1):
        if now[index] < chance:
            return now[index] * UNIT // chance
    for index in range(len(before) - 1, max(-1, len(before) - 1 - BURN_IN), -1):
        if before[index] < chance:
            return before[index] * UNIT // chance
    return now[0]
