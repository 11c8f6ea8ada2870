"""Topics that are no books: each field by the guess that suits it, chosen for the whole block."""

from dataclasses import dataclass

import numpy as np

from harvester.lake.pack.depth import WIDTH as BOOK
from harvester.lake.pack.grid import Layout
from harvester.lake.pack.groups import sums_within
from harvester.lake.pack.streams import Flags, Ints, StreamError, StreamReader, StreamWriter, bit_lengths

VOLUME = 1
"""The field whose change says that there was a trade; it is coded first."""
SAME, CLOCK, CLOCK_AT_TRADE, VOLUME_AT_TRADE, PARTNER = 0, 1, 2, 3, 4
PARTNER_AT_TRADE = PARTNER + BOOK
MODES = PARTNER_AT_TRADE + BOOK
BESTS = (0, 5, 10, 15)
"""Fields of a book with the best prices and quantities: the only ones that the writer tries as guesses."""


@dataclass(frozen=True)
class Around:
    """What the guesses rest on, row by row."""

    seconds: Ints
    """The clock at receipt, in seconds."""
    partners: Ints
    """The partner's book at that moment, one row each; zeros where there is none."""


class Guesses:
    """Guesses for the fields of one table. `volume` is the volume's column once it is known."""

    def __init__(self, layout: Layout, around: Around) -> None:
        self._layout = layout
        self._around = around
        self._traded = np.zeros(len(layout), bool)
        self._change = np.zeros(len(layout), np.int64)

    def learn(self, volume: Ints) -> None:
        self._change[1:] = np.diff(volume)
        self._change[self._layout.is_carried] = 0
        self._traded = self._change != 0

    def of(self, mode: int) -> tuple[Flags, Ints]:
        """The rows whose guess is not the row before, and the guesses for them."""
        always = ~self._layout.is_carried
        if mode == SAME:
            return np.zeros(len(self._layout), bool), self._change
        if mode in (CLOCK, CLOCK_AT_TRADE):
            return (always if mode == CLOCK else self._traded), self._around.seconds
        if mode == VOLUME_AT_TRADE:
            return self._traded, self._change
        if mode < PARTNER_AT_TRADE:
            return always, self._around.partners[:, mode - PARTNER]
        return self._traded, self._around.partners[:, mode - PARTNER_AT_TRADE]

    def misses(self, mode: int, values: Ints) -> Ints:
        """By how much the guesses miss the values; 0 at carried rows."""
        free, guesses = self.of(mode)
        misses = values - np.where(free, guesses, np.roll(values, 1))
        misses[self._layout.is_carried] = 0
        return misses

    def values(self, mode: int, misses: Ints, carried: Ints) -> Ints:
        """The values that have these misses; `carried` has a value for each slot."""
        free, guesses = self.of(mode)
        steps = np.where(free, guesses + misses, misses)
        steps[self._layout.is_carried] = carried
        return sums_within(free | self._layout.is_carried, steps)


def _columns(width: int) -> list[int]:
    """The fields in the order in which they are coded."""
    return sorted(range(width), key=lambda column: column != VOLUME)


def _choose(guesses: Guesses, column: int, values: Ints) -> tuple[int, Ints]:
    """The mode that costs least, and its misses."""
    same = guesses.misses(SAME, values)
    if not same.any():
        return SAME, same
    modes = [SAME, CLOCK, *(PARTNER + best for best in BESTS)]
    if column != VOLUME:
        modes += [CLOCK_AT_TRADE, VOLUME_AT_TRADE, *(PARTNER_AT_TRADE + best for best in BESTS)]
    tried = [(mode, guesses.misses(mode, values)) for mode in modes]
    return min(tried, key=lambda pair: _cost(pair[1]))


def _cost(misses: Ints) -> int:
    """About the bits that the misses need."""
    wrong = np.abs(misses[misses != 0])
    return int((bit_lengths(wrong.view(np.uint64)) + 4).sum())


def write_fields(layout: Layout, states: Ints, around: Around, out: StreamWriter) -> None:
    """Code the states of the entries: the mode of each field, where the guesses miss, and by how much."""
    guesses = Guesses(layout, around)
    chosen: dict[int, tuple[int, Ints]] = {}
    for column in _columns(states.shape[1]):
        chosen[column] = _choose(guesses, column, states[:, column])
        if column == VOLUME:
            guesses.learn(states[:, VOLUME])
    missed = np.column_stack([chosen[column][1] for column in range(states.shape[1])])[layout.body] != 0
    out.blob(bytes(chosen[column][0] for column in range(states.shape[1])))
    out.blob(np.packbits(missed, axis=1).T.tobytes())
    for column in _columns(states.shape[1]):
        out.ints(chosen[column][1][layout.body][missed[:, column]])


def read_fields(layout: Layout, carried: Ints, around: Around, source: StreamReader) -> Ints:
    """The states that `write_fields` coded. Raises StreamError."""
    width, rows = carried.shape[1], len(layout.body)
    modes = source.blob(width)
    if max(modes) >= MODES or (
        width > VOLUME and modes[VOLUME] not in (SAME, CLOCK, *range(PARTNER, PARTNER_AT_TRADE))
    ):
        raise StreamError("a field of an unknown mode")
    octets = (width + 7) // 8
    bits = np.frombuffer(source.blob(octets * rows), np.uint8).reshape(octets, rows).T
    missed = np.unpackbits(bits, axis=1, count=width).astype(bool)
    guesses = Guesses(layout, around)
    states = np.empty((len(layout), width), np.int64)
    for column in _columns(width):
        misses = np.zeros(len(layout), np.int64)
        places = layout.body[missed[:, column]]
        misses[places] = source.ints(len(places))
        states[:, column] = guesses.values(modes[column], misses, carried[:, column])
        if column == VOLUME:
            guesses.learn(states[:, VOLUME])
    return states
