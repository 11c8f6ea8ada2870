"""Matrices of rows, in parts of bounded size: two sorted sequences of them into one."""

from collections.abc import Iterable, Iterator

import numpy as np

from harvester.decode.frames import Ints


def merge_by_time(one: Iterable[Ints], other: Iterable[Ints]) -> Iterator[Ints]:
    """All columns of both by the first row; of equal ones those of `one` first. Each must be sorted by it."""
    sides = [_parts(one), _parts(other)]
    heads: list[Ints | None] = [next(side, None) for side in sides]
    while (first := heads[0]) is not None and (second := heads[1]) is not None:
        limit = min(first[0, -1], second[0, -1])
        taken = []
        for place, part in enumerate((first, second)):
            count = int(np.searchsorted(part[0], limit, side="right"))
            taken.append(part[:, :count])
            heads[place] = part[:, count:] if count < part.shape[1] else next(sides[place], None)
        together = np.concatenate(taken, axis=1)
        yield together[:, np.argsort(together[0], kind="stable")]
    for head, side in zip(heads, sides, strict=True):
        if head is not None:
            yield head
        yield from side


def _parts(matrices: Iterable[Ints]) -> Iterator[Ints]:
    return (matrix for matrix in matrices if matrix.shape[1])
