"""The broker's own candles as rows of the table candles, symbol by symbol, with their gaps and certificate entries."""

from collections import Counter
from collections.abc import Iterator
from heapq import merge
from operator import itemgetter

import numpy as np

from harvester.base.market import in_force
from harvester.brokers.bars import History
from harvester.calendar.bars import NO_BARS, BarDay
from harvester.decode.candles import READERS, BarBook, Place
from harvester.decode.frames import Ints
from harvester.journal.format import FEED_NAMES, SCHWAB_STREAM, Record, decode_candles
from harvester.lake.certificate.candles import certify_candles, certify_section
from harvester.lake.certificate.chart import certify_chart, certify_chart_feed
from harvester.lake.certificate.day import of_segment
from harvester.lake.certificate.streams import Json
from harvester.lake.day.chart import Streamed
from harvester.lake.day.model import Day
from harvester.lake.day.segments import Source
from harvester.lake.gaps.bars import BarGaps
from harvester.lake.gaps.polls import GapRow
from harvester.lake.gaps.streams import Reception, StreamGaps
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
        self._chart_gaps = {
            name: StreamGaps(SCHWAB_STREAM, grid.windows, day.events) for name, grid in day.grids.items()
        }
        self._chart_seen = day.index.chart.seen(day.events.connections)
        self._chart_entries: dict[str, Json] = {}

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
        for found in self._in_order(symbol):
            if isinstance(found, Streamed):
                book.see_streamed(self._place_of(found), found.candle)
            else:
                bad_answers += not self._see(*found, book, bad)
        gaps = self._gaps.rows(symbol, bar_day.bars, book, bad)
        unsettled = self._gaps.unsettled(symbol, bar_day.bars, book, bad)
        entry = certify_candles(book, bar_day.bars, gaps, bad_answers, unsettled)
        self._entries[symbol] = entry | of_segment(segment)
        return self._matrix(book), gaps + self._account_chart(symbol, book)

    def _in_order(self, symbol: str) -> Iterator[tuple[Source, Record] | Streamed]:
        """Answers and streamed minutes, in the order of the journal."""
        positions = self._day.index.candles.get(symbol)
        places = zip(positions.source, positions.offset, strict=True) if positions else ()
        answers = zip(places, read_in_order(self._day.index.sources, positions, self._spool), strict=True)
        minutes = (((each.source, each.offset), each) for each in self._day.index.chart.minutes(symbol))
        both: list[Iterator[tuple[tuple[int, int], tuple[Source, Record] | Streamed]]] = [answers, minutes]
        return (found for _, found in merge(*both, key=itemgetter(0)))

    def _place_of(self, minute: Streamed) -> Place:
        run_id = self._day.index.sources[minute.source].run_id
        return Place(minute.recv_ns, self._run_numbers[run_id], minute.seq)

    def _account_chart(self, symbol: str, book: BarBook) -> list[GapRow]:
        """The gaps of the symbol on the stream, where it was to be on one."""
        chart, seen = self._day.index.chart, self._chart_seen.get(symbol, {})
        if symbol not in self._day.sockets[SCHWAB_STREAM] and symbol not in chart.symbols:
            return []
        segment = self._day.segment_of(symbol)
        coverage = self._chart_gaps[segment].account(symbol, Reception(seen))
        received = [each.recv_ns for each in chart.minutes(symbol)]
        streamed = book.streamed + chart.flaws.get(symbol, Counter())
        entry = certify_chart(coverage, self._day.grids[segment].windows, streamed, received)
        self._chart_entries[symbol] = entry | of_segment(segment)
        return coverage.gaps

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

    def certify_chart(self) -> dict[str, Json]:
        """The section of the stream by its name, where there was to be one."""
        chart = self._day.index.chart
        if not self._chart_entries and not chart.frames:
            return {}
        return {FEED_NAMES[SCHWAB_STREAM]: certify_chart_feed(self._chart_entries, chart, self._day.events)}
