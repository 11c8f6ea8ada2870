"""Bars cut from hours of trading. Needs the standard library alone, because functions carry this file.

Bars are counted from the first opening, as the broker counts them: two windows of a day are one count. A bar ends early
where trading does.
"""

from collections.abc import Sequence

MINUTE_NS = 60_000_000_000


def cut_bars(trading: Sequence[tuple[int, int]], width_ns: int) -> dict[int, int]:
    """The end of each bar by its begin, of spans of continuous trading in order. All in wall ns."""
    ends: dict[int, int] = {}
    origin = trading[0][0] // MINUTE_NS * MINUTE_NS if trading else 0
    for opens, closes in trading:
        for begin in range(origin + (opens - origin) // width_ns * width_ns, closes, width_ns):
            ends[begin] = min(begin + width_ns, closes)
    return ends
