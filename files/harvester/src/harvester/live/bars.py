"""The bars in force of one day as the journal has them by now: what answers and the stream say."""

from collections.abc import Callable
from typing import Any, NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.bars import History
from harvester.brokers.schwab.chart import read_frame
from harvester.calendar.bars import BarDay
from harvester.decode.candles import READERS, BarBook, Place
from harvester.journal.format import DATA, SCHWAB_STREAM, Record, decode_candles
from harvester.lake.day.segments import Source


class Minute(NamedTuple):
    """A bar in force: begin in wall ns, close in the market's units, shares."""

    begin_ns: int
    close: int
    volume: int


class Change(NamedTuple):
    """A symbol with new values, and when the answer came that has them, in wall ns."""

    symbol: str
    recv_ns: int


class LiveBars:
    """By symbol. `days` says the bars that are due of a symbol."""

    def __init__(self, days: Callable[[str], BarDay], width_ns: int) -> None:
        self._days, self._width_ns = days, width_ns
        self._books: dict[str, BarBook] = {}

    def take(self, source: Source, record: Record) -> list[Change]:
        """Take in a record of the journal; none where it has no candles of this width."""
        if record.kind != DATA:
            return []
        if record.feed == SCHWAB_STREAM:
            return self._take_streamed(source, record)
        symbol = source.candles.get(record.stream) if record.feed in READERS else None
        poll = decode_candles(record.payload) if symbol else None
        answer = READERS[record.feed](poll.status, poll.body) if poll else None
        if not symbol or not poll or not isinstance(answer, History):
            return []
        if poll.bar_seconds * NS_PER_SECOND != self._width_ns:
            return []
        self._book_of(symbol).see(poll.sent_ns, Place(record.wall_ns, 0, record.seq), answer)
        return [Change(symbol, record.wall_ns)]

    def _take_streamed(self, source: Source, record: Record) -> list[Change]:
        """Minutes that are provisional: the history's answer replaces them where it says otherwise."""
        frame, recorded = read_frame(record.payload), {*source.candles.values()}
        changed: dict[str, Change] = {}
        for symbol, sent in frame.minutes if frame else ():
            if symbol in recorded:
                self._book_of(symbol).see_streamed(Place(record.wall_ns, 0, record.seq), sent)
                changed[symbol] = Change(symbol, record.wall_ns)
        return [*changed.values()]

    def _book_of(self, symbol: str) -> BarBook:
        if symbol not in self._books:
            day = self._days(symbol)
            ends = {bar.begin_ns: bar.end_ns for bar in day.bars}
            # Whether a bar is final counts in the lake alone.
            self._books[symbol] = BarBook(self._width_ns, ends, 0, day.settles_ns)
        return self._books[symbol]

    def bars(self, symbol: str) -> list[Minute]:
        """In force, by their begin; none where nothing came."""
        book = self._books.get(symbol)
        found: dict[int, Any] = book.in_force() if book else {}
        return [Minute(begin, found[begin].values[3], found[begin].values[4]) for begin in sorted(found)]

    def answered_ns(self, symbol: str) -> int:
        """When the newest request was sent that was answered with data; 0: none was."""
        book = self._books.get(symbol)
        return max(book.sent_ns, default=0) if book else 0
