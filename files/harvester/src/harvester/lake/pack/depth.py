"""Five-level books: prices by the ladder before, quantities and orders by what was last seen at the price."""

import numpy as np

from harvester.lake.pack.grid import Layout
from harvester.lake.pack.groups import runs_of, sums_within
from harvester.lake.pack.ladder import LEVELS, Side
from harvester.lake.pack.streams import Flags, Ints, StreamError, StreamReader, StreamWriter

WIDTH = 30
"""Values of a book: prices of five bids and five asks, then their quantities, then their orders."""
BOTH = 2 * LEVELS
DIRECTIONS = (-1, 1)


def write_books(layout: Layout, states: Ints, out: StreamWriter) -> None:
    """Code the states of the entries."""
    prices, sizes, orders = states[:, :BOTH], states[:, BOTH : 2 * BOTH], states[:, 2 * BOTH :]
    ticks, lots = _divisors(layout, prices), _divisors(layout, sizes)
    out.ints(ticks)
    out.ints(lots)
    _write_prices(layout, prices, ticks, out)
    _write_levels(layout, prices, sizes // lots[layout.slot_of][:, None], orders, out)


def read_books(layout: Layout, carried: Ints, source: StreamReader) -> Ints:
    """The states that `write_books` coded. Raises StreamError."""
    ticks, lots = source.ints(len(layout.slots)), source.ints(len(layout.slots))
    if len(ticks) and (ticks.min() < 1 or lots.min() < 1):
        raise StreamError("a tick or lot below 1")
    states = np.empty((len(layout), WIDTH), np.int64)
    states[layout.is_carried] = carried
    _read_prices(layout, states, ticks, source)
    lot_of = lots[layout.slot_of][:, None]
    states[:, BOTH : 2 * BOTH] //= lot_of
    _read_levels(layout, states, source)
    states[:, BOTH : 2 * BOTH] *= lot_of
    return states


def _divisors(layout: Layout, values: Ints) -> Ints:
    """The greatest common divisor of all values of each slot, at least 1."""
    starts = np.flatnonzero(layout.is_carried)
    rows = np.gcd.reduce(values, axis=1)
    return np.maximum(np.gcd.reduceat(rows, starts), 1) if len(starts) else np.zeros(0, np.int64)


def _write_prices(layout: Layout, prices: Ints, ticks: Ints, out: StreamWriter) -> None:
    moved = np.zeros((len(layout), BOTH), bool)
    moved[layout.body] = prices[layout.body] != layout.before(prices)
    sides: Flags = np.logical_or.reduce(moved.reshape(-1, 2, LEVELS), axis=2)
    out.blob((sides[:, 0] + 2 * sides[:, 1])[layout.body].astype(np.uint8).tobytes())
    found: list[list[int]] = []
    for side, direction in enumerate(DIRECTIONS):
        ladders = prices[:, side * LEVELS : (side + 1) * LEVELS]
        wanted = layout.is_carried | sides[:, side]
        book = None
        columns = (ladders, layout.is_carried, layout.slot_of)
        for ladder, is_carried, slot in zip(*(column[wanted].tolist() for column in columns), strict=True):
            if is_carried:
                book = Side(ladder, direction, int(ticks[slot]))
            elif book:
                found.append(book.differences(ladder))
    differences = np.array(found, np.int64).reshape(-1, LEVELS)
    out.ints(differences[:, 0])
    out.ints(differences[:, 1:].ravel())


def _read_prices(layout: Layout, states: Ints, ticks: Ints, source: StreamReader) -> None:
    marks = np.zeros(len(layout), np.uint8)
    marks[layout.body] = np.frombuffer(source.blob(len(layout.body)), np.uint8)
    count = int(np.count_nonzero(marks & 1) + np.count_nonzero(marks & 2))
    best, deeper = source.ints(count), source.ints(count * (LEVELS - 1))
    differences = iter(np.column_stack((best, deeper.reshape(count, LEVELS - 1))).tolist())
    for side, direction in enumerate(DIRECTIONS):
        columns = slice(side * LEVELS, (side + 1) * LEVELS)
        known = np.flatnonzero(layout.is_carried | (marks & 1 << side != 0))
        ladders: list[list[int]] = []
        book = None
        for is_carried, row in zip(layout.is_carried[known].tolist(), known.tolist(), strict=True):
            if is_carried:
                ladders.append(states[row, columns].tolist())
                book = Side(ladders[-1], direction, int(ticks[layout.slot_of[row]]))
            elif book:
                ladders.append(book.prices(next(differences)))
        lasting = np.diff(known, append=len(layout))
        states[:, columns] = np.repeat(np.array(ladders, np.int64).reshape(-1, LEVELS), lasting, axis=0)


def _levels(layout: Layout, prices: Ints) -> tuple[Ints, Flags]:
    """Levels, row by row, brought together by topic, side and price; and which of them are the first of theirs."""
    side = layout.slot_of[:, None] * 2 + np.repeat((0, 1), LEVELS)
    return runs_of((side << 32 | (prices & 0xFFFF_FFFF)).ravel())


def _steps(order: Ints, firsts: Flags, values: Ints) -> Ints:
    """Difference of each level's value to the last at its price; the first of a price keeps its value."""
    ordered = values.ravel()[order]
    steps = np.empty_like(ordered)
    steps[order] = ordered - np.where(firsts, 0, np.roll(ordered, 1))
    return steps


def _write_levels(layout: Layout, prices: Ints, sizes: Ints, orders: Ints, out: StreamWriter) -> None:
    order, firsts = _levels(layout, prices)
    size_steps, order_steps = _steps(order, firsts, sizes), _steps(order, firsts, orders)
    body = np.repeat(~layout.is_carried, BOTH)
    new = np.zeros(len(body), bool)
    new[order] = firsts
    new &= body
    changed = body & ~new & ((size_steps != 0) | (order_steps != 0))
    bits = changed.reshape(-1, 2, LEVELS)[~layout.is_carried]
    out.blob(np.packbits(bits, axis=2, bitorder="little")[:, :, 0].T.tobytes())
    out.ints(size_steps[new])
    out.ints(order_steps[new])
    more, sizes_left = order_steps[changed], size_steps[changed]
    out.ints(more)
    for sign in (-1, 0, 1):
        out.ints(sizes_left[np.sign(more) == sign])


def _read_levels(layout: Layout, states: Ints, source: StreamReader) -> None:
    """Fill in quantities and orders of the entries; those of the carried states and all prices are there."""
    order, firsts = _levels(layout, states[:, :BOTH])
    body = np.repeat(~layout.is_carried, BOTH)
    new = np.zeros(len(body), bool)
    new[order] = firsts
    new &= body
    rows = len(layout.body)
    octets = np.frombuffer(source.blob(2 * rows), np.uint8).reshape(2, rows).T
    bits = np.unpackbits(octets[:, :, None], axis=2, count=LEVELS, bitorder="little").astype(bool)
    changed = np.zeros((len(layout), BOTH), bool)
    changed[layout.body] = bits.reshape(rows, BOTH)
    chosen = changed.ravel()
    if (chosen & new).any():
        raise StreamError("a level that is both new and changed")
    new_sizes, new_orders = source.ints(int(new.sum())), source.ints(int(new.sum()))
    more = source.ints(int(chosen.sum()))
    sizes_left = np.empty_like(more)
    for sign in (-1, 0, 1):
        picked = np.sign(more) == sign
        sizes_left[picked] = source.ints(int(picked.sum()))
    for columns, first, later in (
        (slice(BOTH, 2 * BOTH), new_sizes, sizes_left),
        (slice(2 * BOTH, 3 * BOTH), new_orders, more),
    ):
        steps = np.where(body, 0, _carried_steps(order, firsts, body, states[:, columns]))
        steps[new] = first
        steps[chosen] = later
        values = np.empty_like(steps)
        values[order] = sums_within(firsts, steps[order])
        states[:, columns] = values.reshape(-1, BOTH)


def _carried_steps(order: Ints, firsts: Flags, body: Flags, values: Ints) -> Ints:
    """Steps between the carried levels of a price, which all come before those of entries."""
    return _steps(order, firsts, np.where(body, 0, values.ravel()))
