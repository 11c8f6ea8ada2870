"""A symbol's closes from day to day, and prices and volumes of a day's minutes between two closes."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from itertools import pairwise
from math import exp, log, sqrt
from typing import NamedTuple, Protocol

from exchange.market.instruments import Instrument
from exchange.market.profile import SESSION_MINUTES, TABLE, Profile
from exchange.market.randomness import UNIT, columns, gauss, normal_of
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local

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


CARRY_A_YEAR = 0.055
"""Interest that a future's price holds over its underlying's: the Reserve Bank of India's repo rate from June to
December 2025. Dividends are left out."""
DAYS_A_YEAR = 365


def price_factor(seed: int, instrument: Instrument, profile: Profile, day: date) -> float:
    """What the day's close is of the profile's price. A future moves with its underlying, and holds the carry."""
    leader = instrument.underlying or instrument
    grown = sqrt(sum(daily_variances(profile))) * drift(seed, leader.ticker, day)
    if leader is instrument or not instrument.expiry:
        return exp(grown)
    left = (to_local(int(instrument.expiry) * NS_PER_SECOND).date() - day).days
    return exp(grown + CARRY_A_YEAR * max(0, left) / DAYS_A_YEAR)


NS_PER_MINUTE = 60_000_000_000
VOLUME_NOISE = 0.7
DAY_VOLUME_NOISE = 0.35
MINIMUM_LOTS = 4
"""Trades that a bar needs to show its open, high, low and close apart."""
LOWEST_PRICE = 20


class Bar(NamedTuple):
    """Prices in ticks and volume in shares of one slice."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class Day(Protocol):
    """What the path needs to know about the day it is made for."""

    instrument: Instrument
    profile: Profile
    day: date
    previous_close: int
    lower: int
    upper: int
    lot: int
    spreads: Sequence[int]


def daily_variances(profile: Profile) -> tuple[float, float]:
    """Variance of the log return within an ordinary session, and overnight."""
    ends = (0.0, *profile.bucket_ends)
    minutes = [(right - left) * SESSION_MINUTES for left, right in pairwise(ends)]
    inside = sum(v * m for v, m in zip(profile.minute_variance, minutes, strict=True))
    return inside, profile.gap_deviation**2


def closing_ticks(seed: int, instrument: Instrument, profile: Profile, day: date) -> int:
    """The day's closing price in ticks, a pure function of the date."""
    price = profile.price * price_factor(seed, instrument, profile, day)
    return max(LOWEST_PRICE, round(price / instrument.tick))


def plan_bars(seed: int, day: Day, continuous: list[tuple[int, int]], updates: list[int]) -> list[Bar]:
    """One bar for each continuous slice (start, end), which the book changes so many times."""
    if not continuous:
        return []
    ticker, leader = day.instrument.ticker, (day.instrument.underlying or day.instrument).ticker
    variances, shares = _seasonality(day.profile, continuous)
    steps, highs, lows, noises, sides = columns(5, len(continuous), seed, leader, day.day, "plan")
    target = closing_ticks(seed, day.instrument, day.profile, day.day)
    path = _walk(seed, day, target, variances, steps)
    half = day.spreads[TABLE // 2] / 2
    busy = day.profile.daily_volume * exp(DAY_VOLUME_NOISE * gauss(seed, ticker, day.day, "volume"))
    bars = []
    for index, share in enumerate(shares):
        left, right = path[index], path[index + 1]
        spread = variances[index] * left * left
        high = _extreme(left, right, spread, highs[index]) + half
        low = -_extreme(-left, -right, spread, lows[index]) - half
        opened = left + (half if sides[index] & 1 else -half)
        closed = right + (half if sides[index] & 2 else -half)
        if index == len(shares) - 1:
            closed = target
        lots = max(MINIMUM_LOTS, round(busy * share * _noise(noises[index]) / day.lot))
        bars.append(_bar(day, updates[index], opened, high, low, closed, lots * day.lot))
    return bars


def _seasonality(profile: Profile, continuous: list[tuple[int, int]]) -> tuple[list[float], list[float]]:
    """Variance of the log price, and share of the day's volume, of each slice by its place in the session."""
    total = sum(end - start for start, end in continuous)
    variances, shares, elapsed = [], [], 0
    for start, end in continuous:
        bucket = min(bisect_right(profile.bucket_ends, elapsed / total), len(profile.bucket_ends) - 1)
        minutes = (end - start) / NS_PER_MINUTE
        variances.append(profile.minute_variance[bucket] * minutes)
        shares.append(profile.minute_volume_share[bucket] * minutes)
        elapsed += end - start
    return variances, shares


def _extreme(left: float, right: float, variance: float, number: int) -> float:
    """A draw of the highest point of a Brownian bridge between two prices."""
    return (left + right + sqrt((right - left) ** 2 - 2 * variance * log((number + 0.5) / UNIT))) / 2


def _noise(number: int) -> float:
    return exp(VOLUME_NOISE * normal_of(number) - VOLUME_NOISE**2 / 2)


def _bar(day: Day, updates: int, opened: float, high: float, low: float, closed: float, volume: int) -> Bar:
    """A consistent bar inside the circuit limits, which so many updates can show."""
    first, top, bottom, last = (min(max(round(price), day.lower), day.upper) for price in (opened, high, low, closed))
    if updates == 1:
        return Bar(last, last, last, last, volume)
    if updates < MINIMUM_LOTS:
        return Bar(first, max(first, last), min(first, last), last, volume)
    return Bar(first, max(top, first, last), min(bottom, first, last), last, volume)


def _walk(seed: int, day: Day, target: int, variances: list[float], steps: Sequence[int]) -> list[float]:
    """Prices in ticks at the slices' ends: an overnight gap, then a random walk bent to end at the close.

    The gap takes its share of the whole move and the rest of its own variance, so that gap and session are
    independent and each has the measured deviation.
    """
    inside, overnight = daily_variances(day.profile)
    move = log(target / day.previous_close)
    share = overnight / (overnight + inside)
    leader = day.instrument.underlying or day.instrument
    gap = share * move + sqrt(overnight * (1 - share)) * gauss(seed, leader.ticker, day.day, "gap")
    walk = [0.0]
    for variance, step in zip(variances, steps, strict=True):
        walk.append(walk[-1] + sqrt(variance) * normal_of(step))
    total, done, path = sum(variances), 0.0, []
    missing = move - gap - walk[-1]
    for level, variance in zip(walk, (*variances, 0.0), strict=True):
        price = day.previous_close * exp(gap + level + missing * done / total)
        path.append(min(max(price, float(day.lower)), float(day.upper)))
        done += variance
    return path
