"""The exchange's order books: for any symbol at any instant, a pure function of the seed, the symbol and the time."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from exchange.market.book import Book
from exchange.market.instruments import Instrument
from exchange.market.ladder import Ladder
from exchange.market.path import closing_ticks
from exchange.market.plan import DayPlan, Slice, circuit_limits, plan_day
from exchange.market.profile import LEVELS, Profile, build_profile
from exchange.market.randomness import uniform
from exchange.market.sessions import Sessions, always_open, previous_session
from exchange.market.tape import Print, Tape, record_tape
from harvester.base.market import to_local

PLANS = 4096
TAPES = 2048
LADDERS = 1024
YEAR = 366
RESTING_SHARE = (0.03, 0.05)
"""Resting orders beyond the shown levels, as a share of a day's volume: least, and how far it swings."""


class PriceLimits(NamedTuple):
    """In the instrument's units of price."""

    previous_close: int
    lower: int
    upper: int


@dataclass(frozen=True)
class Playback:
    """The books of one slice of a plan, kept apart from the model's caches for who goes through them one by one."""

    model: "BookModel"
    plan: DayPlan
    index: int
    tape: Tape
    ladder: Ladder

    @property
    def times(self) -> list[int]:
        """Wall ns of each book."""
        return self.tape.times

    def book(self, place: int) -> Book:
        """One of them, by its place in `times`."""
        return self.model.make_book(self.plan, self.index, place, self.tape, self.ladder)


class BookModel:
    """Books of the given instruments on the days of `sessions`.

    Plans and tapes are cached, never changed: dropping them costs time, not sameness. Not for several threads at once.
    """

    def __init__(
        self, seed: int, instruments: Mapping[str, Instrument], sessions: Sessions, *, busy: float = 1.0
    ) -> None:
        """`busy`: how many times the measured number of updates a second; another market than with 1."""
        self.seed = seed
        self.busy = busy
        self.instruments = instruments
        self.sessions = sessions
        self.profile = lru_cache(maxsize=PLANS)(self._profile)
        self.forget()

    def forget(self) -> None:
        """Drop what depends on the calendar, after that has changed."""
        self._stand_in = lru_cache(maxsize=PLANS)(self._make_stand_in)
        self._plan = lru_cache(maxsize=PLANS)(self._make_plan)
        self._tape = lru_cache(maxsize=TAPES)(self._make_tape)
        self._ladder = lru_cache(maxsize=LADDERS)(self._make_ladder)

    def _profile(self, symbol: str) -> Profile:
        profile = build_profile(self.seed, self.instruments[symbol])
        return profile._replace(rate=profile.rate * self.busy)

    def plan(self, symbol: str, day: date) -> DayPlan | None:
        """The plan of one day, None when the market is closed. Raises KeyError for an unknown symbol."""
        return self._plan(symbol, day)

    def _make_plan(self, symbol: str, day: date) -> DayPlan | None:
        session = self._sessions_of(symbol).session(day)
        if not session or not session.phases:
            return None
        previous = self._day_before(symbol, day)
        plan = plan_day(self.seed, self.instruments[symbol], self.profile(symbol), session, previous)
        return plan if len(plan) else None

    def _sessions_of(self, symbol: str) -> Sessions:
        return self.sessions.of(self.instruments[symbol])

    def _day_before(self, symbol: str, day: date) -> date:
        before = previous_session(self._sessions_of(symbol), day)
        return before.date if before else day - timedelta(days=1)

    def tape(self, plan: DayPlan, index: int) -> Tape:
        """The updates of one slice."""
        return self._tape(plan, index)

    def _make_tape(self, plan: DayPlan, index: int) -> Tape:
        return record_tape(self.seed, plan, index)

    def locate(self, symbol: str, wall_ns: int) -> tuple[DayPlan, int, int]:
        """Plan, slice and update in force at a moment; the last session's last update while the market is closed."""
        day = to_local(wall_ns).date()
        plan = self.plan(symbol, day)
        index = plan.find(wall_ns) if plan else -1
        if plan and index >= 0:
            times = self.tape(plan, index).times
            place = bisect_right(times, wall_ns) - 1
            if place >= 0:
                return plan, index, place
            if index > 0:
                return plan, index - 1, plan[index - 1].updates - 1
        return self._end_of_previous(symbol, day)

    def _end_of_previous(self, symbol: str, day: date) -> tuple[DayPlan, int, int]:
        session = previous_session(self._sessions_of(symbol), day)
        plan = self.plan(symbol, session.date) if session else None
        if plan is None:
            plan = self._stand_in(symbol, day - timedelta(days=1))
        return plan, len(plan) - 1, plan[len(plan) - 1].updates - 1

    def _make_stand_in(self, symbol: str, day: date) -> DayPlan:
        """A day to show when the calendar knows no earlier one."""
        session = always_open(day)
        return plan_day(self.seed, self.instruments[symbol], self.profile(symbol), session, day - timedelta(days=1))

    def book_at(self, symbol: str, wall_ns: int, levels: int = LEVELS) -> Book:
        """The book in force at a moment. Raises KeyError for an unknown symbol."""
        plan, index, place = self.locate(symbol, wall_ns)
        return self.play(plan, index, levels).book(place)

    def play(self, plan: DayPlan, index: int, levels: int) -> "Playback":
        """The books of one slice."""
        return Playback(self, plan, index, self.tape(plan, index), self._ladder(plan, index, levels))

    def limits(self, symbol: str, wall_ns: int) -> PriceLimits:
        """Previous close and circuit limits of the moment's day, in the instrument's units, unplanned."""
        day = to_local(wall_ns).date()
        instrument = self.instruments[symbol]
        close = closing_ticks(self.seed, instrument, self.profile(symbol), self._day_before(symbol, day))
        return PriceLimits(*(ticks * instrument.tick for ticks in (close, *circuit_limits(close))))

    def year_range(self, symbol: str, day: date) -> tuple[int, int]:
        """Highest and lowest close of the year before a day, in the instrument's units."""
        instrument, profile = self.instruments[symbol], self.profile(symbol)
        closes = [closing_ticks(self.seed, instrument, profile, day - timedelta(days=back)) for back in range(1, YEAR)]
        return max(closes) * instrument.tick, min(closes) * instrument.tick

    def updates(self, symbol: str, from_ns: int, to_ns: int, levels: int = LEVELS) -> Iterator[Book]:
        """Every change of the book in [from_ns, to_ns), in order, at any length: days follow each other."""
        day, last = to_local(from_ns).date(), to_local(to_ns - 1).date()
        while day <= last:
            plan = self.plan(symbol, day)
            if plan:
                yield from self._updates_of(plan, from_ns, to_ns, levels)
            day += timedelta(days=1)

    def _updates_of(self, plan: DayPlan, from_ns: int, to_ns: int, levels: int) -> Iterator[Book]:
        for index in range(max(0, plan.find(from_ns)), len(plan)):
            if plan[index].start_ns >= to_ns:
                return
            playback = self.play(plan, index, levels)
            for place, time_ns in enumerate(playback.times):
                if from_ns <= time_ns < to_ns:
                    yield playback.book(place)

    def _make_ladder(self, plan: DayPlan, index: int, levels: int) -> Ladder:
        before = self.tape(plan, index - 1) if index else None
        return Ladder(self.seed, plan, index, self.tape(plan, index), before, levels)

    def make_book(self, plan: DayPlan, index: int, place: int, tape: Tape, ladder: Ladder) -> Book:
        """One book, from the tape and the ladder of its slice."""
        piece = plan[index]
        tick, print_ = plan.instrument.tick, tape.prints[place]
        traded = self._last_trade(plan, index, print_)
        bids, asks = ladder.at(place)
        buys, sells = self._resting(plan, piece, tape.times[place])
        average = print_.turnover * tick // print_.volume if print_.volume else 0
        return Book(
            symbol=plan.instrument.ticker,
            time_ns=tape.times[place],
            sequence=piece.updates_before + place,
            bids=bids,
            asks=asks,
            last_price=print_.price * tick,
            last_quantity=traded.quantity,
            last_trade_ns=traded.time_ns,
            volume=print_.volume,
            average_price=average,
            open=plan.open * tick if print_.volume else 0,
            high=print_.high * tick,
            low=print_.low * tick,
            previous_close=plan.previous_close * tick,
            total_buy=buys + sum(level.quantity for level in bids),
            total_sell=sells + sum(level.quantity for level in asks),
            lower_circuit=plan.lower * tick,
            upper_circuit=plan.upper * tick,
            open_interest=self.open_interest(plan, print_.volume),
            previous_open_interest=plan.profile.open_interest // plan.lot * plan.lot,
        )

    def _last_trade(self, plan: DayPlan, index: int, print_: Print) -> Print:
        """The last print with a trade; an auction's slices look back, before the first trade to the day before."""
        while not print_.time_ns and index > 0:
            index -= 1
            print_ = self.tape(plan, index).prints[-1]
        if print_.time_ns:
            return print_
        session = previous_session(self._sessions_of(plan.instrument.ticker), plan.day)
        before = self.plan(plan.instrument.ticker, session.date) if session else None
        if before and any(piece.trading for piece in before.slices()):
            return self._last_trade(before, len(before) - 1, self.tape(before, len(before) - 1).prints[-1])
        return print_

    def _resting(self, plan: DayPlan, piece: Slice, time_ns: int) -> tuple[int, int]:
        """Resting quantity beyond the shown levels of each side, moving from minute to minute."""
        share = (time_ns - piece.start_ns) / (piece.end_ns - piece.start_ns)
        symbol, volume, lot = plan.instrument.ticker, plan.profile.daily_volume, plan.lot
        left = _resting_shares(self.seed, symbol, piece.start_ns)
        right = _resting_shares(self.seed, symbol, piece.end_ns)
        buy, sell = (int(volume * (a * (1 - share) + b * share)) // lot * lot for a, b in zip(left, right, strict=True))
        return buy, sell

    def open_interest(self, plan: DayPlan, volume: int) -> int:
        """Open contracts after so much volume of a day; 0 where there are none."""
        if not plan.profile.open_interest:
            return 0
        direction = 1 if uniform(self.seed, plan.instrument.ticker, plan.day, "oi") > 0.5 else -1
        return (plan.profile.open_interest + direction * volume // 50) // plan.lot * plan.lot


@lru_cache(maxsize=8192)
def _resting_shares(seed: int, symbol: str, wall_ns: int) -> tuple[float, float]:
    least, swing = RESTING_SHARE
    return least + swing * uniform(seed, symbol, "buy", wall_ns), least + swing * uniform(seed, symbol, "sell", wall_ns)
