"""Prices of the five levels of one side, told by the ladder before: most of it moves up, down, or stays."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

LEVELS = 5
REACH = 8
"""Ticks beyond the last known level within which a price seen before is the guess."""


class Side:
    """The prices of one side of one topic, entry after entry. `direction` is +1 for asks and -1 for bids."""

    def __init__(self, prices: Sequence[int], direction: int, tick: int) -> None:
        self._prices = prices
        self._direction = direction
        self._tick = tick
        self._seen = set(prices)

    def _guess(self, price: int) -> int:
        """The level behind `price`: the nearest of the ladder before, else the nearest seen, else a tick away."""
        direction, tick = self._direction, self._tick
        beyond = [known for known in self._prices if (known - price) * direction > 0]
        if beyond:
            return min(beyond) if direction > 0 else max(beyond)
        for step in range(1, REACH + 1):
            if price + direction * tick * step in self._seen:
                return price + direction * tick * step
        return price + direction * tick

    def _keep(self, prices: Sequence[int]) -> None:
        self._prices = prices
        self._seen.update(prices)

    def differences(self, prices: Sequence[int]) -> list[int]:
        """How the ladder differs from what was to be expected, outwards positive; it is then the ladder before."""
        found = [(prices[0] - self._prices[0]) * self._direction]
        for nearer, price in pairwise(prices):
            found.append((price - self._guess(nearer)) * self._direction)
        self._keep(prices)
        return found

    def prices(self, differences: Iterable[int]) -> list[int]:
        """The ladder with these differences; it is then the ladder before."""
        steps = iter(differences)
        found = [self._prices[0] + next(steps) * self._direction]
        for step in steps:
            found.append(self._guess(found[-1]) + step * self._direction)
        self._keep(found)
        return found
