"""SMA9 and VWAP of a session's closes.

SMA9 is the mean of the last closes, up to nine: the first bar has its own close, and TA-Lib and talipp have nothing
before the ninth. VWAP is sum(close x volume) / sum(volume) since the opening; talipp takes (high + low + close) / 3.
tests/postgres/test_indicators.py has both beside ours.
"""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

SMA_BARS = 9


class Averages(NamedTuple):
    """After a bar, in the unit of its close."""

    sma9: Fraction
    vwap: Fraction | None
    """None: nothing has traded since the opening."""


class RunningAverages:
    """Takes the bars of one session in their order; each costs the same."""

    def __init__(self) -> None:
        self._closes: deque[int] = deque(maxlen=SMA_BARS)
        self._turnover = self._volume = 0

    def pass_over(self, close: int, volume: int) -> None:
        """Take a bar whose averages nobody asks for, which costs a twentieth of `add`."""
        self._closes.append(close)
        self._turnover += close * volume
        self._volume += volume

    def add(self, close: int, volume: int) -> Averages:
        """The averages after this bar."""
        self.pass_over(close, volume)
        vwap = Fraction(self._turnover, self._volume) if self._volume else None
        return Averages(Fraction(sum(self._closes), len(self._closes)), vwap)


def averages_of(bars: Sequence[tuple[int, int]], first: int = 0) -> list[Averages]:
    """The averages after each bar (close, volume) of one session, from its opening; of those from `first` on."""
    running = RunningAverages()
    for close, volume in bars[:first]:
        running.pass_over(close, volume)
    return [running.add(close, volume) for close, volume in bars[first:]]


def round_price(value: Fraction | int, units: int, digits: int = 2) -> Decimal:
    """A price of which `units` are 1, such as 100 for paise, to so many decimals; halves go to the even neighbour."""
    return Decimal(round(Fraction(value) * 10**digits / units)).scaleb(-digits)
