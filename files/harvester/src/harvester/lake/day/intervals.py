"""Stretches of time [from_ns, to_ns) as sorted lists without overlap."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise

Interval = tuple[int, int]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time in as few stretches as possible; empty ones vanish."""
    result: list[Interval] = []
    for begin, end in sorted(intervals):
        if begin >= end:
            continue
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((begin, end))
    return result


def subtract(whole: list[Interval], taken: list[Interval]) -> list[Interval]:
    """The time of `whole` that is not in `taken`; both sorted and disjoint."""
    result: list[Interval] = []
    at = 0
    for begin, end in whole:
        while at < len(taken) and taken[at][1] <= begin:
            at += 1
        number = at
        while number < len(taken) and taken[number][0] < end:
            if begin < taken[number][0]:
                result.append((begin, taken[number][0]))
            begin = max(begin, taken[number][1])
            number += 1
        if begin < end:
            result.append((begin, end))
    return result


def intersect(one: list[Interval], other: list[Interval]) -> list[Interval]:
    """The time in both; both sorted and disjoint."""
    return subtract(one, subtract(one, other))


def split(intervals: list[Interval], cuts: Iterable[int]) -> list[Interval]:
    """The same time, with an edge at each cut."""
    points = sorted(set(cuts))
    result: list[Interval] = []
    for begin, end in intervals:
        inner = points[bisect_right(points, begin) : bisect_left(points, end)]
        result += pairwise([begin, *inner, end])
    return result


def total(intervals: Iterable[Interval]) -> int:
    """Their length in ns."""
    return sum(end - begin for begin, end in intervals)
