"""The levels behind the best quotes: gaps and quantities that hold until their next event."""

from collections.abc import Sequence
from functools import lru_cache

from exchange.market.book import Level
from exchange.market.draws import BURN_IN, latest
from exchange.market.plan import DayPlan
from exchange.market.profile import LEVELS, TABLE, Side
from exchange.market.randomness import UNIT, columns
from exchange.market.tape import Tape

NO_LEVEL = Level(0, 0, 0)
PER_LEVEL = 2


@lru_cache(maxsize=8192)
def _draw(seed: int, symbol: str, side: str, start_ns: int, updates: int, levels: int) -> list[Sequence[int]]:
    return columns(PER_LEVEL * levels, updates, seed, symbol, start_ns, side)


class Ladder:
    """Both sides of the book within one slice, which follows another slice or nothing."""

    def __init__(self, seed: int, plan: DayPlan, index: int, tape: Tape, tape_before: Tape | None, levels: int) -> None:
        self._plan = plan
        self._tape = tape
        self._moved_before = tape_before.moved if tape_before else []
        self._levels = levels
        pieces = [plan[index], *([plan[index - 1]] if tape_before else [])]
        drawn = {
            side: [_draw(seed, plan.instrument.ticker, side, piece.start_ns, piece.updates, levels) for piece in pieces]
            for side in ("bid", "ask")
        }
        self._now = {side: columns[0] for side, columns in drawn.items()}
        self._before = {
            side: columns[1] if tape_before else [()] * PER_LEVEL * levels for side, columns in drawn.items()
        }

    def at(self, place: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks after one update, best first."""
        bid = self._tape.bids[place]
        ask = bid + self._tape.spreads[place]
        profile = self._plan.profile
        return self._side("bid", profile.bid, bid, -1, place), self._side("ask", profile.ask, ask, 1, place)

    def _side(self, name: str, side: Side, best: int, direction: int, place: int) -> tuple[Level, ...]:
        now, before = self._now[name], self._before[name]
        price, levels = best, []
        for level in range(self._levels):
            column = PER_LEVEL * level
            shape = min(level, LEVELS - 1)
            if level:
                table, chance = side.gap_tables[shape - 1], side.gap_chances[shape - 1]
                number = latest(now[column], before[column], chance, place)
                price += direction * table[number * TABLE // UNIT]
            number = self._quantity_number(now[column + 1], before[column + 1], side.quantity_chances[shape], place)
            inside = self._plan.lower <= price <= self._plan.upper
            levels.append(self._level(price, side.quantity_tables[shape], number) if inside else NO_LEVEL)
        return tuple(levels)

    def _quantity_number(self, now: Sequence[int], before: Sequence[int], chances: tuple[int, int], place: int) -> int:
        """Like `latest`, with a chance that is higher while the best price moves."""
        for index in range(place, -1, -1):
            chance = chances[self._tape.moved[index]]
            if now[index] < chance:
                return now[index] * UNIT // chance
        for index in range(len(before) - 1, max(-1, len(before) - 1 - BURN_IN), -1):
            chance = chances[self._moved_before[index]]
            if before[index] < chance:
                return before[index] * UNIT // chance
        return now[0]

    def _level(self, price: int, table: Sequence[float], number: int) -> Level:
        plan, profile = self._plan, self._plan.profile
        value = table[number * TABLE // UNIT]
        scatter = (number * 40_503 & 0xFFFF) / UNIT
        tick = plan.instrument.tick
        if profile.quantity_in_lots:
            lots = max(1, round(value))
            return Level(price * tick, lots * plan.lot, max(1, round(lots / (1 + 2 * scatter))))
        shares = max(1, round(value * 100 / (plan.previous_close * tick)))
        quantity = max(plan.lot, shares // plan.lot * plan.lot)
        return Level(price * tick, quantity, max(1, round(quantity / (profile.shares_per_order * (0.5 + scatter)))))
