"""Closing prices from day to day: one Brownian path per symbol, asked for at any date without walking there."""

from datetime import date
from functools import lru_cache
from math import sqrt

from exchange.market.randomness import gauss

FIRST_DAY = date(2010, 1, 4)  # a Monday
ANCHOR_DAY = date(2026, 11, 16)
STEPS_A_WEEK = 10
SPAN = 1 << 14
FRIDAY = 4


def step_of(day: date) -> int:
    """Place of a day on the path: two steps from weekday to weekday, a weekend session in the middle."""
    week, weekday = divmod((day - FIRST_DAY).days, 7)
    return week * STEPS_A_WEEK + 2 * min(weekday, FRIDAY) + (1 if weekday > FRIDAY else 0)


@lru_cache(maxsize=200_000)
def _path(seed: int, symbol: str, step: int) -> float:
    """The path at a step, by halving: each midpoint is the mean of its ends and a normal number of its own."""
    if step in (0, SPAN):
        return sqrt(SPAN) * gauss(seed, symbol, "path", SPAN) if step else 0.0
    half = step & -step
    left, right = step - half, step + half
    middle = (_path(seed, symbol, left) + _path(seed, symbol, right)) / 2
    return middle + sqrt(half / 2) * gauss(seed, symbol, "path", step)


def drift(seed: int, symbol: str, day: date) -> float:
    """Log distance of the day's close from the anchor day's, in units of a daily standard deviation."""
    step = max(1, min(SPAN - 1, step_of(day)))
    return (_path(seed, symbol, step) - _path(seed, symbol, step_of(ANCHOR_DAY))) / sqrt(2)
