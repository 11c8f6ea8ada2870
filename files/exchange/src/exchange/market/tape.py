"""Best quotes and trades of one slice, update by update: what its bar looks like from inside."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from math import exp
from typing import NamedTuple

from exchange.market.plan import DayPlan, Slice
from exchange.market.profile import TABLE
from exchange.market.randomness import UNIT, Draws, draw, latest, normal_of

JITTER = 0.5
"""Updates leave an even grid by up to half a step, which gives the measured spread of their distances."""
TRADE_SIZE_DEVIATION = 1.5
ROUGHNESS = 1 / 8
"""Deviation of the quotes from the line between the bar's prices, as a share of the bar's height."""


class Print(NamedTuple):
    """The state of trading after one update; prices in ticks, volume, turnover and extremes counted from the open."""

    price: int
    quantity: int
    time_ns: int
    volume: int
    turnover: int
    high: int
    low: int


class Tape(NamedTuple):
    """One entry per update of the slice. Prices in ticks; `moved`: the best bid is not the last update's."""

    times: list[int]
    bids: list[int]
    spreads: list[int]
    moved: list[bool]
    prints: list[Print]


class _Player:
    """Plays one slice: quotes first, then the trades that fit them and the bar."""

    def __init__(self, seed: int, plan: DayPlan, index: int) -> None:
        self.plan = plan
        self.piece: Slice = plan[index]
        self.before = plan[index - 1] if index else None
        symbol = plan.instrument.ticker
        self.draws: Draws = draw(seed, symbol, self.piece.start_ns, self.piece.updates)
        self.earlier = draw(seed, symbol, self.before.start_ns, self.before.updates) if self.before else None
        self.knots = self._place_knots()

    def play(self) -> Tape:
        spreads = self._spreads()
        bids = list(self._bids(spreads))
        moved = [True, *(left != right for left, right in pairwise(bids))]
        times = self._times()
        return Tape(times, bids, spreads, moved, list(self._prints(times, bids, spreads)))

    def _times(self) -> list[int]:
        piece = self.piece
        step = (piece.end_ns - piece.start_ns) / piece.updates
        offsets = (place + JITTER * number / UNIT for place, number in enumerate(self.draws.times))
        return [piece.start_ns + int(offset * step) for offset in offsets]

    def _place_knots(self) -> dict[int, int]:
        """The updates at which the bar's open, high, low and close trade."""
        piece = self.piece
        if not piece.trading:
            return {}
        inner = piece.updates - 2
        knots = {0: piece.open, piece.updates - 1: piece.close}
        if inner >= 2:
            top = self.draws.places[0] * inner // UNIT
            bottom = self.draws.places[1] * (inner - 1) // UNIT
            knots[1 + top] = piece.high
            knots[1 + bottom + (bottom >= top)] = piece.low
        return dict(sorted(knots.items()))

    def _spreads(self) -> list[int]:
        table = self.plan.spreads
        chance = round(min(1.0, self.plan.profile.spread_change / chance_of_change(tuple(table))) * UNIT)
        number = latest(self.draws.spreads, self.earlier.spreads if self.earlier else (), chance, 0)
        spreads = []
        for candidate in self.draws.spreads:
            if candidate < chance:
                number = candidate * UNIT // chance
            spreads.append(table[number * TABLE // UNIT])
        return spreads

    def _bids(self, spreads: list[int]) -> Iterator[int]:
        """Best bids: pinned where the bar's own prices trade, else near the line between those, moving now and then."""
        plan, piece, draws = self.plan, self.piece, self.draws
        roughness = max(0.5, (piece.high - piece.low) * ROUGHNESS)
        lines = list(pairwise(self.knots.items())) or [((0, piece.close), (1, piece.close))]
        bid = piece.close - plan.spreads[TABLE // 2] // 2
        for place, spread in enumerate(spreads):
            if place in self.knots:
                bid = self.knots[place] - (spread if draws.sides[place] & 1 else 0)
            elif piece.trading and draws.moves[place] < plan.profile.move_chance:
                while place > lines[0][1][0]:
                    lines.pop(0)
                (left, start), (right, end) = lines[0]
                line = start + (end - start) * (place - left) / (right - left)
                bid = round(line + roughness * normal_of(draws.noises[place]) - spread / 2)
            bid = min(max(bid, plan.lower), plan.upper - spread)
            yield bid

    def _amounts(self) -> dict[int, int]:
        """Shares traded at each update that trades: a lot each, the rest of the slice's volume by heavy-tailed shares.

        Those that make the bar always trade, others by chance as long as there is a lot for each.
        """
        if not self.piece.trading:
            return {}
        draws, lot = self.draws, self.plan.lot
        chance = self.plan.profile.trade_chance * UNIT
        lots = self.piece.volume // lot
        free = [place for place, number in enumerate(draws.trades) if place not in self.knots and number < chance]
        trades = sorted([*self.knots, *free[: lots - len(self.knots)]])
        weights = [exp(TRADE_SIZE_DEVIATION * normal_of(draws.sizes[place])) for place in trades]
        total, reached, given, amounts = sum(weights), 0.0, 0, {}
        for place, weight in zip(trades, weights, strict=True):
            reached += weight
            upto = round((lots - len(trades)) * min(1.0, reached / total))
            amounts[place] = (1 + upto - given) * lot
            given = upto
        return amounts

    def _prints(self, times: list[int], bids: list[int], spreads: list[int]) -> Iterator[Print]:
        piece, lot, sides, sizes = self.piece, self.plan.lot, self.draws.sides, self.draws.sizes
        price = self.before.close if self.before else self.plan.previous_close
        now = Print(price, 0, 0, piece.volume_before, piece.turnover_before, piece.high_before, piece.low_before)
        amounts = self._amounts()
        for place, time_ns in enumerate(times):
            amount = amounts.get(place)
            if amount:
                quoted = bids[place] + (spreads[place] if sides[place] & 1 else 0)
                price = self.knots.get(place, min(max(quoted, piece.low), piece.high))
                now = Print(
                    price=price,
                    quantity=max(lot, amount * (1 + sizes[place] % 4) // 4 // lot * lot),
                    time_ns=time_ns,
                    volume=now.volume + amount,
                    turnover=now.turnover + price * amount,
                    high=max(now.high, price),
                    low=min(now.low, price) if now.low else price,
                )
            yield now


def record_tape(seed: int, plan: DayPlan, index: int) -> Tape:
    """Play one slice of a plan. A pure function of its arguments."""
    return _Player(seed, plan, index).play()


@lru_cache(maxsize=4096)
def chance_of_change(table: Sequence[int]) -> float:
    """Probability that two draws from the table differ; never zero."""
    shares = [table.count(value) / len(table) for value in set(table)]
    return max(0.05, 1 - sum(share**2 for share in shares))
