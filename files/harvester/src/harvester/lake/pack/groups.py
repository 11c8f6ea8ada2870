"""Rows that belong together: equal keys side by side, sums that begin anew with each."""

import numpy as np

from harvester.lake.pack.streams import Flags, Ints


def changes(values: Ints) -> Ints:
    """Each number less the one before; the first keeps its value."""
    steps = values.copy()
    steps[1:] -= values[:-1]
    return steps


def runs_of(keys: Ints) -> tuple[Ints, Flags]:
    """Order that brings equal keys together, first come first, and which of the ordered begin a run of equal ones."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    return order, np.diff(ordered, prepend=ordered[:1] - 1) != 0


def sums_within(runs: Flags, values: Ints) -> Ints:
    """Running sums that begin anew at each mark; the first must be marked."""
    sums = np.cumsum(values)
    starts = np.flatnonzero(runs)
    before = (sums - values)[starts]
    return sums - np.repeat(before, np.diff(starts, append=len(values)))
