"""A start plan for the polls of a slot that stays inside the broker's limits."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND

MINUTE_NS = 60 * NS_PER_SECOND
INTERVALS_NS = range(NS_PER_SECOND, 3600 * NS_PER_SECOND + 1, NS_PER_SECOND // 10)
"""Tried in search of the shortest one that keeps the limits: tenths of a second, from 1 s to an hour."""
BATCH_SPACING_NS = 1_050_000_000
"""From one batch of requests to the next: a little over the second in which the broker counts."""


class RequestLimits(NamedTuple):
    """Requests the broker allows in any second, minute and day."""

    per_second: int
    per_minute: int
    per_day: int


class Need(NamedTuple):
    """Requests in the busiest minute, and on the longest trading day."""

    per_minute: int
    per_day: int


def start_offsets(symbols: int, interval_ns: int, limits: RequestLimits, day_ns: int) -> tuple[int, ...]:
    """Nanoseconds after its slot at which each symbol is asked for: all at once, or in batches the broker allows.

    `day_ns` is the time recorded on the longest day. Raises ValueError saying which limit is broken, and the shortest
    interval that would keep them all.
    """
    broken = _broken_limit(symbols, interval_ns, limits, day_ns)
    if broken:
        possible = _shortest_interval(symbols, limits, day_ns)
        advice = f"the shortest possible interval is {possible:g} s" if possible else "no interval makes that possible"
        raise ValueError(
            f"{symbols} symbols every {interval_ns / NS_PER_SECOND:g} s need {broken}; {advice}. Poll less often,"
            " record fewer symbols, or raise broker.requests_per_* if your plan allows more"
        )
    return tuple(index // limits.per_second * BATCH_SPACING_NS for index in range(symbols))


def need_of(symbols: int, interval_ns: int, day_ns: int) -> Need:
    """What polling so many symbols takes at most; `day_ns` is the time recorded on the longest day."""
    return Need((MINUTE_NS // interval_ns + 1) * symbols, math.ceil(day_ns / interval_ns) * symbols)


def _broken_limit(symbols: int, interval_ns: int, limits: RequestLimits, day_ns: int) -> str | None:
    per_minute, per_day = need_of(symbols, interval_ns, day_ns)
    if per_minute > limits.per_minute:
        return f"up to {per_minute} requests in a minute, and the broker's limit is {limits.per_minute}"
    if per_day > limits.per_day:
        return f"{per_day} requests on the longest trading day, and the broker's limit is {limits.per_day}"
    batches = math.ceil(symbols / limits.per_second)
    crowded = interval_ns < batches * BATCH_SPACING_NS
    if crowded and not (interval_ns >= NS_PER_SECOND and 2 * symbols <= limits.per_second):
        return f"more than the {limits.per_second} requests that the broker allows in one second"
    return None


def _shortest_interval(symbols: int, limits: RequestLimits, day_ns: int) -> float | None:
    """The shortest interval in tenths of a second, from 1 s to an hour, that breaks no limit."""
    broken = (_broken_limit(symbols, interval_ns, limits, day_ns) for interval_ns in INTERVALS_NS)
    return _first_in_seconds(not each for each in broken)


def fleet_interval(hosts: Sequence[tuple[int, int]], limits: RequestLimits) -> float | None:
    """The shortest interval, as above, at which hosts that share the limits keep those of a minute and a day.

    Each host is its number of symbols that are polled and the time that it records on the longest day, in ns.
    """
    needs = ([need_of(symbols, interval_ns, day_ns) for symbols, day_ns in hosts] for interval_ns in INTERVALS_NS)
    return _first_in_seconds(
        sum(need.per_minute for need in each) <= limits.per_minute
        and sum(need.per_day for need in each) <= limits.per_day
        and len(hosts) <= limits.per_second
        for each in needs
    )


def _first_in_seconds(fit: Iterable[bool]) -> float | None:
    return next((ns / NS_PER_SECOND for ns, fits in zip(INTERVALS_NS, fit, strict=False) if fits), None)
