"""Minutes from last prices, for a host that records no candles of the broker's: the price and the shares of each."""

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field

from harvester.base.clock import NS_PER_SECOND
from harvester.live.bars import Minute

MINUTE_NS = 60 * NS_PER_SECOND
NOT_TOLD = -1


def _numbers() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class _Minutes:
    """Of one symbol, by minute: the last price in paise, and the day's shares by then; NOT_TOLD: nobody said.

    Arrays take 24 bytes a minute. Objects took 250: a day of thousands of symbols was more than the service may have.
    """

    begins: "array[int]" = field(default_factory=_numbers)
    prices: "array[int]" = field(default_factory=_numbers)
    traded: "array[int]" = field(default_factory=_numbers)


@dataclass
class QuoteMinutes:
    """Of each symbol the last quote of every minute of its session."""

    _seen: dict[str, _Minutes] = field(default_factory=dict)

    def see(self, symbol: str, recv_ns: int, price: int, traded: int | None) -> None:
        """A last price in paise and the shares traded since the day began; None: not told. In the order of receipt."""
        seen = self._seen.setdefault(symbol, _Minutes())
        minute = recv_ns // MINUTE_NS * MINUTE_NS
        place = bisect_left(seen.begins, minute)  # a clock that was set back comes to a minute again
        if place == len(seen.begins) or seen.begins[place] != minute:
            seen.begins.insert(place, minute)
            seen.prices.insert(place, price)
            seen.traded.insert(place, NOT_TOLD)
        seen.prices[place] = price
        if traded is not None:
            seen.traded[place] = traded

    def bars(self, symbol: str) -> list[Minute]:
        """By their begin. Shares of a minute are those since the minute before it; of the first, none are known."""
        found: list[Minute] = []
        before = NOT_TOLD
        seen = self._seen.get(symbol, _Minutes())
        for begin, price, traded in zip(seen.begins, seen.prices, seen.traded, strict=True):
            is_known = NOT_TOLD not in (traded, before)
            found.append(Minute(begin, price, max(0, traded - before) if is_known else 0))
            before = before if traded == NOT_TOLD else traded
        return found
