"""The levels behind the best quotes: gaps and quantities that hold until their next event."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, repeat

from exchange.market.book import Level
from exchange.market.plan import DayPlan
from exchange.market.profile import LEVELS, TABLE, Side
from exchange.market.randomness import BURN_IN, UNIT, columns
from exchange.market.tape import Tape

Played = list[tuple[list[int], list[tuple[int, int]]]]
"""Of each level, per update: gap in ticks to the level before, and (quantity, orders)."""
NO_LEVEL = Level(0, 0, 0)
PER_LEVEL = 2
SCATTER = 40_503
"""Odd multiplier that makes a second number of a first one, for order counts."""


def follow(numbers: Sequence[int], chances: Iterable[int]) -> Iterator[int]:
    """What a component shows after each update: the number of its last event, scaled to [0, UNIT)."""
    held = numbers[0]
    for number, chance in zip(numbers, chances, strict=False):
        if number < chance:
            held = number * UNIT // chance
        yield held


class Ladder:
    """Both sides of the book within one slice. The end of the slice before is played first, so that books run on."""

    def __init__(self, seed: int, plan: DayPlan, index: int, tape: Tape, tape_before: Tape | None, levels: int) -> None:
        self._plan = plan
        self._tape = tape
        self._seed = seed
        self._levels = levels
        self._burn_in = min(BURN_IN, len(tape_before.times)) if tape_before else 0
        pieces = [plan[index - 1], plan[index]] if tape_before else [plan[index]]
        self._spans = [(piece.start_ns, piece.updates) for piece in pieces]
        spreads = [*(tape_before.spreads[-self._burn_in :] if tape_before else ()), *tape.spreads]
        moved = [*(tape_before.moved[-self._burn_in :] if tape_before else ()), *tape.moved]
        widened = [True, *(left != right for left, right in pairwise(spreads))]
        self._bids = self._play("bid", plan.profile.bid, moved)
        self._asks = self._play("ask", plan.profile.ask, [a or b for a, b in zip(moved, widened, strict=True)])

    def at(self, place: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks after one update, best first."""
        bid = self._tape.bids[place]
        ask = bid + self._tape.spreads[place]
        return self._side(self._bids, bid, -1, place), self._side(self._asks, ask, 1, place)

    def _play(self, name: str, side: Side, moved: list[bool]) -> Played:
        """Each level's gap to the level before, and its quantity and orders, after each update."""
        ticker = self._plan.instrument.ticker
        drawn = [columns(PER_LEVEL * self._levels, n, self._seed, ticker, start, name) for start, n in self._spans]
        played = []
        for level in range(self._levels):
            gap_numbers, quantity_numbers = (self._join(drawn, PER_LEVEL * level + which) for which in range(PER_LEVEL))
            shape = min(level, LEVELS - 1)
            gaps = [0] * len(moved)
            if level:
                table = side.gap_tables[shape - 1]
                held = follow(gap_numbers, repeat(side.gap_chances[shape - 1]))
                gaps = [table[number * TABLE // UNIT] for number in held]
                moved = [moved[0], *(m or a != b for m, (a, b) in zip(moved[1:], pairwise(gaps), strict=True))]
            chances = side.quantity_chances[shape]
            numbers = list(follow(quantity_numbers, [chances[m] for m in moved]))[self._burn_in :]
            sizes = {number: self._size(side.quantity_tables[shape], number) for number in set(numbers)}
            played.append((gaps[self._burn_in :], [sizes[number] for number in numbers]))
        return played

    def _join(self, drawn: list[list[Sequence[int]]], column: int) -> Sequence[int]:
        now = drawn[-1][column]
        return [*drawn[0][column][-self._burn_in :], *now] if self._burn_in else now

    def _side(self, played: Played, price: int, direction: int, place: int) -> tuple[Level, ...]:
        plan, levels = self._plan, []
        tick = plan.instrument.tick
        for gaps, sizes in played:
            price += direction * gaps[place]
            inside = plan.lower <= price <= plan.upper
            levels.append(Level(price * tick, *sizes[place]) if inside else NO_LEVEL)
        return tuple(levels)

    def _size(self, table: Sequence[float], number: int) -> tuple[int, int]:
        """Quantity in shares, and orders it is made of."""
        plan, profile = self._plan, self._plan.profile
        value = table[number * TABLE // UNIT]
        scatter = (number * SCATTER & 0xFFFF) / UNIT
        if profile.quantity_in_lots:
            lots = max(1, round(value))
            return lots * plan.lot, max(1, round(lots / (1 + 2 * scatter)))
        shares = round(value * plan.instrument.per_rupee / (plan.previous_close * plan.instrument.tick))
        quantity = max(1, shares // plan.lot) * plan.lot
        return quantity, max(1, round(quantity / (profile.shares_per_order * (0.5 + scatter))))
