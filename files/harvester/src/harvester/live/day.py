"""All of today that the live page shows, read on from the journal."""

import time
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import in_force
from harvester.brokers.numbers import PAISE_PER_RUPEE
from harvester.calendar import TradingCalendar
from harvester.calendar.bars import BarDay
from harvester.config.feeds import HISTORIES, STREAM
from harvester.config.hours import DayHours
from harvester.config.settings import Settings
from harvester.indicators.averages import averages_of, round_price
from harvester.journal.format import CONTROL, Record, day_directory
from harvester.lake.day.segments import Source
from harvester.lake.layout import RAW, Partition
from harvester.live.bars import LiveBars, Minute
from harvester.live.gaps import LiveGap, LiveGaps
from harvester.live.ladders import Ladders
from harvester.live.quotes import MINUTE_NS, QuoteMinutes
from harvester.live.tail import JournalTail

QUOTES = "last prices"
QUIET_NS = 10 * NS_PER_SECOND
"""A symbol of a socket may be quiet for so long without a look: nothing is lost by that."""
GRACE_NS = 30 * NS_PER_SECOND
"""After the round in which a bar is due, before it counts as unanswered here."""


class Point(NamedTuple):
    """A bar of the chart: prices in the currency, to the cent or paisa; None where there is no average."""

    begin_ns: int
    price: float
    volume: int
    sma9: float | None
    vwap: float | None


class LiveDay:
    """Of one host and one date. Not for several threads at once."""

    def __init__(self, settings: Settings, calendar: TradingCalendar, day: date) -> None:
        self.date = day
        self._settings = settings
        partition = Partition(day, settings.host_id)
        self._tail = JournalTail(day_directory(settings.journal_dir, day), settings.lake_dir / partition.path(RAW))
        self._candle_hours = DayHours(settings, calendar, day)
        self._minute_hours = DayHours(settings, calendar, day, MINUTE_NS)
        self._candle_symbols = (
            frozenset(settings.symbols_of(settings.history)) if settings.history in settings.feeds else frozenset()
        )
        self._bars = LiveBars(self._candle_hours.of, settings.candles.width_ns)
        self._quotes = QuoteMinutes()
        self.ladders = Ladders(self._quotes)
        self._gaps = LiveGaps()
        self._records: Iterator[tuple[Source, Record]] = iter(())
        self.read_until_ns: int = 0
        """Wall ns of the newest record that was taken in."""

    def look(self, seconds: float) -> bool:
        """Take in what was written since, for so long at most; whether that is all. Raises OSError."""
        until = time.monotonic() + seconds
        taken = 0
        while True:
            found = next(self._records, None)
            if found is None:
                self._records = self._tail.records()
                if (found := next(self._records, None)) is None:
                    self.ladders.finish()
                    return True
            self._take(*found)
            taken += 1
            if taken % 256 == 0 and time.monotonic() >= until:
                self.ladders.finish()
                return False

    def _take(self, source: Source, record: Record) -> None:
        if record.kind == CONTROL:
            self._gaps.take(record)
        self._bars.take(source, record)
        self.ladders.take(source, record)
        self.read_until_ns = max(self.read_until_ns, record.wall_ns)

    def source_of(self, symbol: str) -> str:
        """Where the bars of a symbol come from."""
        return self._settings.history if symbol in self._candle_symbols else QUOTES

    def patience_ns(self, symbol: str) -> int:
        """How old the newest data of a symbol may be in the session before somebody should look."""
        settings = self._settings
        others = [feed for feed in settings.feeds if feed not in HISTORIES and feed != STREAM]
        socket_like = [feed for feed in others if symbol in settings.symbols_of(feed)]
        if not socket_like:
            return settings.candles.every_ns + GRACE_NS
        return 2 * settings.poll.interval_ns if socket_like == ["fyers-rest"] else QUIET_NS

    def hours(self, symbol: str) -> BarDay:
        """The bars that are due of a symbol."""
        return (self._candle_hours if symbol in self._candle_symbols else self._minute_hours).of(symbol)

    def points(self, symbol: str) -> list[Point]:
        """The bars of the session, with the averages after each."""
        is_candle = symbol in self._candle_symbols
        bars = self._bars.bars(symbol) if is_candle else self._quotes.bars(symbol)
        in_session = {bar.begin_ns for bar in self.hours(symbol).bars}
        return _points(
            [bar for bar in bars if bar.begin_ns in in_session], in_force().units if is_candle else PAISE_PER_RUPEE
        )

    def gaps(self, symbol: str, now_ns: int) -> list[LiveGap]:
        """By their begin: those that the recorder wrote down, and bars of the broker's that nobody has."""
        found = self._gaps.of(symbol)
        if symbol in self._candle_symbols:
            found += self._lacking(symbol, now_ns)
        return sorted(found, key=lambda gap: gap.from_ns)

    def _lacking(self, symbol: str, now_ns: int) -> Iterator[LiveGap]:
        """Bars that were due and not answered, and those of which the broker has none; neighbours are one gap."""
        feed, have = self._settings.history, {bar.begin_ns for bar in self._bars.bars(symbol)}
        answered_ns, gap = self._bars.answered_ns(symbol), None
        late_ns = self._settings.candles.every_ns + GRACE_NS
        for bar in self._candle_hours.of(symbol).bars:
            cause = "no_data" if bar.end_ns <= answered_ns else "no_answer"
            if bar.begin_ns in have or bar.end_ns + late_ns > now_ns:
                continue
            if gap and gap.cause == cause and gap.to_ns == bar.begin_ns:
                gap.to_ns = bar.end_ns
                continue
            if gap:
                yield gap
            gap = LiveGap([symbol], feed, cause, bar.begin_ns, bar.end_ns)
        if gap:
            yield gap


def _points(bars: list[Minute], units: int) -> list[Point]:
    averages = averages_of([(bar.close, bar.volume) for bar in bars])
    return [
        Point(
            bar.begin_ns,
            float(round_price(bar.close, units)),
            bar.volume,
            float(round_price(each.sma9, units)),
            None if each.vwap is None else float(round_price(each.vwap, units)),
        )
        for bar, each in zip(bars, averages, strict=True)
    ]
