"""The broker's own candles as rows of the table candles, symbol by symbol, with their gaps and certificate entries."""

from collections.abc import Iterator

import numpy as np

from harvester.base.market import in_force
from harvester.brokers.bars import History
from harvester.calendar.bars import NO_BARS, BarDay
from harvester.decode.candles import READERS, BarBook, Place
from harvester.decode.frames import Ints
from harvester.journal.format import Record, decode_candles
from harvester.lake.certificate.candles import certify_candles, certify_section
from harvester.lake.certificate.day import of_segment
from harvester.lake.certificate.streams import Json
from harvester.lake.day.model import Day
from harvester.lake.day.segments import Source
from harvester.lake.gaps.bars import BarGaps
from harvester.lake.gaps.polls import GapRow
from harvester.lake.schema import CANDLES_TABLE, LIVE
from harvester.lake.tables.poll_rows import Spool, read_in_order
from harvester.ledger.outage import Outage


class DayCandles:
    """The candles of a day, one symbol at a time; `certify` is right after the last."""

    def __init__(self, day: Day, spool: Spool, run_numbers: dict[str, int]) -> None:
        self._day = day
        self._spool = spool
        self._run_numbers = run_numbers
        self._gaps = BarGaps(day.events)
        self._entries: dict[str, Json] = {}

    @property
    def symbols(self) -> frozenset[str]:
        """Of which candles are expected, or recorded."""
        return self._day.candles.symbols

    def read(self, symbol: str) -> tuple[Ints, list[GapRow]]:
        """The symbol's rows as a matrix of the table, and its gaps. Raises HarvesterError as `read_in_order`."""
        segment, candles = self._day.segment_of(symbol), self._day.candles
        bar_day = candles.days.get(segment, NO_BARS)
        ends = {bar.begin_ns: bar.end_ns for bar in bar_day.bars}
        book = BarBook(candles.width_ns, ends, candles.final_after_ns, bar_day.settles_ns)
        bad: list[tuple[int, Outage]] = []
        bad_answers = 0
        for source, record in self._records(symbol):
            bad_answers += not self._see(source, record, book, bad)
        gaps = self._gaps.rows(symbol, bar_day.bars, book, bad)
        entry = certify_candles(book, bar_day.bars, gaps, bad_answers)
        self._entries[symbol] = entry | of_segment(segment)
        return self._matrix(book), gaps

    def _records(self, symbol: str) -> Iterator[tuple[Source, Record]]:
        return read_in_order(self._day.index.sources, self._day.index.candles.get(symbol), self._spool)

    def _see(self, source: Source, record: Record, book: BarBook, bad: list[tuple[int, Outage]]) -> bool:
        """Whether the record is an answer with data, of the day's resolution."""
        poll = decode_candles(record.payload)
        answer = READERS[record.feed](poll.status, poll.body) if poll else None
        if isinstance(answer, Outage):
            bad.append((record.wall_ns, answer))
        if not poll or not isinstance(answer, History) or poll.bar_seconds * 1_000_000_000 != book.width_ns:
            return False
        place = Place(record.wall_ns, self._run_numbers[source.run_id], record.seq)
        book.see(poll.sent_ns, place, answer)
        return True

    def _matrix(self, book: BarBook) -> Ints:
        rows = [
            (row.begin_ns, book.width_ns, *row.values, row.is_final, row.revision, LIVE, *row.place)
            for row in book.rows()
        ]
        return np.array(rows, np.int64).reshape(-1, CANDLES_TABLE.height).T

    def certify(self) -> Json:
        """The certificate's section."""
        segments = {self._day.segment_of(symbol) for symbol in self.symbols}
        days: dict[str, BarDay] = {name: self._day.candles.days.get(name, NO_BARS) for name in segments}
        return certify_section(self._entries, days, self._day.candles.width_ns, in_force().history)
