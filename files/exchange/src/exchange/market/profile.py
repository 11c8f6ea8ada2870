"""Measured figures (parameters.json) turned into lookup tables and event probabilities for one instrument."""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from math import exp, log
from statistics import NormalDist
from typing import Any, NamedTuple

from exchange.market.instruments import FINE, Instrument
from exchange.market.randomness import UNIT, uniform

TABLE = 1024
LEVELS = 5
SESSION_MINUTES = 375
"""Length of the session in which the intraday shapes were measured."""
Z95 = NormalDist().inv_cdf(0.95)
FORCED_TRADES_A_MINUTE = 4
VISIBLE_MOVES = 0.9
"""Share of redrawn best prices that differ from the price before."""
TAIL_CLASS = 13
TAIL_SPAN = 12
BANDS = ((1, 2_000, 24_000), (5, 25_000, 99_000), (10, 100_000, 490_000), (50, 500_000, 990_000), (100, 1e6, 1.9e6))
"""Tick in paise and the price range, in paise, in which the exchange uses it."""
INDEX_MOVES = ("rms_5min_bps", "overnight_gap_bps_abs_median")
"""An index moves like its future."""
CURRENCY_RUPEES = (55, 120)
"""Where a hundred yen, a dollar, a euro and a pound have stood since 2023: the instruments with a finer tick."""


class Side(NamedTuple):
    """One side of the book. Chances are thresholds of a column number in [0, 65536); index 0 is the best level."""

    gap_tables: tuple[Sequence[int], ...]
    gap_chances: tuple[int, ...]
    quantity_tables: tuple[Sequence[float], ...]
    quantity_chances: tuple[tuple[int, int], ...]
    """(while the best price stays, when it moves)"""


class Profile(NamedTuple):
    """How one instrument behaves. Quantities are lots for futures and rupees for stocks, see `quantity_in_lots`."""

    price: int
    rate: float
    trade_chance: float
    move_chance: int
    spread_table: Sequence[float]
    spread_in_ticks: bool
    spread_change: float
    bid: Side
    ask: Side
    quantity_in_lots: bool
    shares_per_order: float
    daily_volume: int
    minute_variance: tuple[float, ...]
    minute_volume_share: tuple[float, ...]
    bucket_ends: tuple[float, ...]
    gap_deviation: float
    open_interest: int


@lru_cache(maxsize=1)
def _parameters() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files("exchange.market").joinpath("parameters.json").read_text())
    return loaded


@lru_cache(maxsize=64)
def quantile_table(probabilities: tuple[float, ...], values: tuple[float, ...]) -> tuple[float, ...]:
    """Values at TABLE evenly spaced probabilities, straight between the knots on a log scale."""

    def at(p: float) -> float:
        right = bisect_left(probabilities, p)
        if right == 0:
            return float(values[0])
        left = right - 1
        share = (p - probabilities[left]) / (probabilities[right] - probabilities[left])
        return exp(log(values[left]) * (1 - share) + log(values[right]) * share)

    return tuple(at((index + 0.5) / TABLE) for index in range(TABLE))


@lru_cache(maxsize=64)
def gap_table(shares: tuple[tuple[float, float], ...]) -> tuple[int, ...]:
    """Gaps in ticks at TABLE evenly spaced probabilities; the open tail class is spread over twelve ticks."""
    table: list[int] = []
    total = sum(share for _, share in shares)
    reached = 0.0
    for ticks, share in shares:
        reached += share / total
        upto = round(reached * TABLE)
        while len(table) < upto:
            within = uniform("tail", len(table))
            table.append(int(ticks + (within * within * TAIL_SPAN if ticks == TAIL_CLASS else 0)))
    return tuple(table)


@lru_cache(maxsize=64)
def chance_of_new(table: tuple[float, ...]) -> float:
    """Probability that two draws, seen as whole numbers, differ: how often a redraw is a visible change."""
    counts = Counter(max(1, round(value)) for value in table)
    return 1 - sum((count / len(table)) ** 2 for count in counts.values())


def _threshold(chance: float) -> int:
    return round(min(max(chance, 0.0), 1.0) * UNIT)


def _side(name: str, shape: dict[str, Any], moves: float, tables: tuple[tuple[float, ...], ...]) -> Side:
    """Event chances that give the measured change probabilities, level by level. `moves`: of the best price.

    A quantity is redrawn more often when its level's price changes, as measured: P(both) = P(price) + P(quantity) -
    P(either).
    """
    changes = _parameters()["p_level_changes"][name]
    gaps = tuple(gap_table(tuple(map(tuple, pmf))) for pmf in shape["level_gap_ticks"][name])
    gap_chances, quantity_chances = [], []
    prices = changes["price"]
    still = 1 - moves
    for level in range(LEVELS):
        price, quantity, either = prices[level], changes["qty"][level], changes["either"][level]
        if level:
            own = max(0.0, 1 - (1 - price) / (1 - max(prices[:level])))
            gap_chances.append(_threshold(own / chance_of_new(gaps[level - 1])))
            still *= 1 - own
        visible = chance_of_new(tables[level])
        when_moved = min(1.0, (price + quantity - either) / price / visible)
        when_still = max(0.0, (quantity / visible - (1 - still) * when_moved) / still)
        quantity_chances.append((_threshold(when_still), _threshold(when_moved)))
    return Side(gaps, tuple(gap_chances), tables, tuple(quantity_chances))


def _spread(shape: dict[str, Any]) -> tuple[Sequence[float], bool]:
    if "spread_ticks" in shape:
        return quantile_table(tuple(_parameters()["quantile_probabilities"]), tuple(shape["spread_ticks"])), True
    median, high = shape["spread_bps"]["p50"], shape["spread_bps"]["p95"]
    sigma = log(high / median) / Z95
    normal = NormalDist()
    return tuple(median * exp(sigma * normal.inv_cdf((index + 0.5) / TABLE)) for index in range(TABLE)), False


def _invented_price(seed: int, instrument: Instrument) -> int:
    """A price in the range where the exchange uses the instrument's tick, for symbols without a measured one."""
    low: float
    high: float
    if instrument.per_rupee == FINE:
        low, high = (FINE * rupees for rupees in CURRENCY_RUPEES)
    else:
        low, high = next(((low, high) for tick, low, high in BANDS if tick >= instrument.tick), (2_000_000, 5_000_000))
    return int(low * (high / low) ** uniform(seed, instrument.ticker, "price"))


def build_profile(seed: int, instrument: Instrument) -> Profile:
    """The behaviour of one instrument: its own figures where measured, those of its kind otherwise.

    A future's price and movement are those of its underlying, where the symbol master has it.
    """
    own = _build_alone(seed, instrument)
    if instrument.underlying is None:
        return own
    leader = build_profile(seed, instrument.underlying)
    return own._replace(price=leader.price, minute_variance=leader.minute_variance, gap_deviation=leader.gap_deviation)


def _build_alone(seed: int, instrument: Instrument) -> Profile:
    parameters = _parameters()
    shape = parameters["future" if instrument.is_future else "stock"]
    if instrument.is_index:
        shape = {**shape, **{key: parameters["future"][key] for key in INDEX_MOVES}}
    particular = {**shape, **parameters["instruments"].get(instrument.ticker, {})}
    own = {**parameters["stock"], **particular}
    measured = "price" in own
    volume = own["daily_volume"]
    if not (measured or instrument.is_future):
        volume *= 0.2 + 2 * uniform(seed, instrument.ticker, "v")
    probabilities = tuple(parameters["quantile_probabilities"])
    levels_key = "level_lots" if instrument.is_future else "level_value_rupees"

    rate = own["updates_per_second"]
    forced = min(0.5, FORCED_TRADES_A_MINUTE / (60 * rate))
    moves, ask_moves = (parameters["p_level_changes"][side]["price"][0] for side in ("bid", "ask"))
    spread_change = 1 - (1 - ask_moves) / (1 - moves)
    if "p_ltp_changes" in particular:
        # Trades alternate between bid and ask at random, so half of them change the price when the quotes stay.
        moves = (1 - 2 * (1 - own["p_ltp_changes"] / own["p_trade"])) / VISIBLE_MOVES
    sides = {}
    for name in ("bid", "ask"):
        values = own[levels_key][name]
        rows = values if instrument.is_future else [values] * LEVELS
        best_moves = moves if name == "bid" else 1 - (1 - moves) * (1 - spread_change)
        sides[name] = _side(name, own, best_moves, tuple(quantile_table(probabilities, tuple(row)) for row in rows))
    spreads, in_ticks = _spread(shape)
    buckets = parameters["bucket_minutes"]
    ends = [sum(buckets[: index + 1]) / SESSION_MINUTES for index in range(len(buckets))]
    return Profile(
        price=round(own["price"] * 100) if measured else _invented_price(seed, instrument),
        rate=rate,
        trade_chance=max(0.0, (own["p_trade"] - forced) / (1 - forced)),
        move_chance=_threshold((1 - (1 - moves) / (1 - forced)) / VISIBLE_MOVES),
        spread_table=spreads,
        spread_in_ticks=in_ticks,
        spread_change=spread_change,
        bid=sides["bid"],
        ask=sides["ask"],
        quantity_in_lots=instrument.is_future,
        shares_per_order=own["shares_per_order"],
        daily_volume=int(volume),
        minute_variance=tuple((bps / 1e4) ** 2 / 5 for bps in own["rms_5min_bps"]),
        minute_volume_share=tuple(s / m for s, m in zip(own["volume_share"], buckets, strict=True)),
        bucket_ends=tuple(ends),
        gap_deviation=own["overnight_gap_bps_abs_median"] / 1e4 / NormalDist().inv_cdf(0.75),
        open_interest=own.get("open_interest", 0),
    )
