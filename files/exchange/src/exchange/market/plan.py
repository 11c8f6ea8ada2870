"""One symbol's trading day, planned minute by minute: prices in ticks, volumes, extremes. All else follows it."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from struct import Struct
from typing import NamedTuple

from exchange.market.instruments import Instrument
from exchange.market.path import Bar, closing_ticks, plan_bars
from exchange.market.profile import Profile
from harvester.base.clock import NS_PER_SECOND
from harvester.calendar import Session

NS_PER_MINUTE = 60 * NS_PER_SECOND
CIRCUIT = 0.10
AUCTIONS = ("pre_open", "closing_auction")


class Slice(NamedTuple):
    """At most one wall-clock minute of one phase. Prices in ticks, volume in shares; `*_before`: the day until here."""

    start_ns: int
    end_ns: int
    trading: int
    updates: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    updates_before: int
    volume_before: int
    high_before: int
    low_before: int
    turnover_before: int

    @property
    def turnover(self) -> int:
        """Price times volume, in ticks, at the bar's typical price."""
        return (self.open + self.high + self.low + self.close) * self.volume // 4

    @property
    def high_after(self) -> int:
        """Highest trade of the day until the slice's end; 0 while nothing has traded."""
        return max(self.high_before, self.high) if self.trading else self.high_before

    @property
    def low_after(self) -> int:
        """Lowest trade of the day until the slice's end; 0 while nothing has traded."""
        if not self.trading:
            return self.low_before
        return min(self.low_before, self.low) if self.low_before else self.low


_RECORD = Struct(f"={len(Slice._fields)}q")


class DayPlan:
    """The plan of one symbol and day; slices are kept packed, since thousands of plans may be in memory."""

    def __init__(self, instrument: Instrument, profile: Profile, session: Session, previous_close: int) -> None:
        self.instrument = instrument
        self.profile = profile
        self.session = session
        self.day: date = session.date
        self.previous_close = previous_close
        self.lower, self.upper = circuit_limits(previous_close)
        self.spreads = _spreads(profile, previous_close)
        self.lot = max(1, instrument.lot)
        self.open = 0
        """First traded price in ticks; 0 while nothing has traded."""
        self._starts = array("q")
        self._records = bytearray()

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Slice:
        return Slice._make(_RECORD.unpack_from(self._records, index * _RECORD.size))

    def slices(self) -> Iterator[Slice]:
        """All slices in order of time."""
        return map(Slice._make, _RECORD.iter_unpack(self._records))

    def find(self, wall_ns: int) -> int:
        """Index of the last slice that has begun at the moment; -1 before the first."""
        return bisect_right(self._starts, wall_ns) - 1

    def append(self, start_ns: int, end_ns: int, bar: Bar | None) -> None:
        """Add the next slice; without a bar it is an auction's, in which nothing trades."""
        last = self[len(self) - 1] if len(self) else None
        price = last.close if last else self.previous_close
        prices = bar or Bar(price, price, price, price, 0)
        record = Slice(
            start_ns,
            end_ns,
            int(bar is not None),
            count_updates(self.profile.rate, start_ns, end_ns),
            *prices,
            updates_before=last.updates_before + last.updates if last else 0,
            volume_before=last.volume_before + last.volume if last else 0,
            high_before=last.high_after if last else 0,
            low_before=last.low_after if last else 0,
            turnover_before=last.turnover_before + (last.turnover if last.trading else 0) if last else 0,
        )
        if bar and not self.open:
            self.open = bar.open
        self._starts.append(start_ns)
        self._records += _RECORD.pack(*record)


def plan_day(seed: int, instrument: Instrument, profile: Profile, session: Session, previous_day: date) -> DayPlan:
    """Plan the session's day after a close on `previous_day`. A pure function of its arguments."""
    plan = DayPlan(instrument, profile, session, closing_ticks(seed, instrument, profile, previous_day))
    cut = list(_cut(session))
    continuous = [(start, end) for start, end, trading in cut if trading]
    counts = [count_updates(profile.rate, start, end) for start, end in continuous]
    bars = iter(plan_bars(seed, plan, continuous, counts))
    for start, end, trading in cut:
        plan.append(start, end, next(bars) if trading else None)
    return plan


def circuit_limits(previous_close: int) -> tuple[int, int]:
    """Lowest and highest price of a day, in ticks."""
    return max(1, round(previous_close * (1 - CIRCUIT))), round(previous_close * (1 + CIRCUIT))


def count_updates(rate: float, start_ns: int, end_ns: int) -> int:
    """How often the book of a slice changes: at least once."""
    return max(1, round(rate * (end_ns - start_ns) / NS_PER_SECOND))


def _spreads(profile: Profile, price: int) -> Sequence[int]:
    """The spread table in ticks: basis points of a price that is itself counted in ticks are ticks."""
    scale = 1.0 if profile.spread_in_ticks else price / 1e4
    return array("l", (max(1, round(value * scale)) for value in profile.spread_table))


def _cut(session: Session) -> Iterator[tuple[int, int, bool]]:
    """The session's phases cut at wall-clock minutes, as (start, end, whether continuous)."""
    for phase in session.phases:
        if phase.name != "continuous" and phase.name not in AUCTIONS:
            continue
        start = phase.open_ns
        while start < phase.close_ns:
            end = min(phase.close_ns, (start // NS_PER_MINUTE + 1) * NS_PER_MINUTE)
            yield start, end, phase.name == "continuous"
            start = end
