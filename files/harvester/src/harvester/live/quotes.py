"""Minutes from last prices, for a host that records no candles of the broker's: the price and the shares of each."""

from dataclasses import dataclass, field

from harvester.base.clock import NS_PER_SECOND
from harvester.live.bars import Minute

MINUTE_NS = 60 * NS_PER_SECOND


@dataclass
class _Seen:
    """Of one minute: the last price in paise, and the day's shares by then; None: not told."""

    price: int
    traded: int | None


@dataclass
class QuoteMinutes:
    """Of each symbol the last quote of every minute of its session."""

    _seen: dict[str, dict[int, _Seen]] = field(default_factory=dict)

    def see(self, symbol: str, recv_ns: int, price: int, traded: int | None) -> None:
        """A last price in paise and the shares traded since the day began; None: not told. In the order of receipt."""
        minutes = self._seen.setdefault(symbol, {})
        minute = recv_ns // MINUTE_NS * MINUTE_NS
        before = minutes.get(minute)
        minutes[minute] = _Seen(price, traded if traded is not None or before is None else before.traded)

    def bars(self, symbol: str) -> list[Minute]:
        """By their begin. Shares of a minute are those since the minute before it; of the first, none are known."""
        found, before = [], None
        for begin, seen in sorted(self._seen.get(symbol, {}).items()):
            volume = max(0, seen.traded - before) if seen.traded is not None and before is not None else 0
            before = seen.traded if seen.traded is not None else before
            found.append(Minute(begin, seen.price, volume))
        return found
