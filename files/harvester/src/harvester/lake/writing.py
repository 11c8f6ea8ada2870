"""The tables of a day, symbol by symbol, with the gaps of each and its entries of the certificate."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harvester.base.market import in_force
from harvester.calendar import NSE_CASH
from harvester.decode.frames import Ints, give_back_heap
from harvester.journal.format import FEED_NAMES, FYERS_HSM, FYERS_TBT, SOCKETS
from harvester.lake.candles import DayCandles
from harvester.lake.certificate.day import certify_symbol, of_segment
from harvester.lake.certificate.streams import Json, certify_feed, certify_stream
from harvester.lake.day.intervals import Interval
from harvester.lake.day.model import Day
from harvester.lake.explained import Explanation, demand_explanation, list_undecoded
from harvester.lake.gaps.ledger import LedgerWriter
from harvester.lake.gaps.polls import GapRow, PollGaps
from harvester.lake.gaps.streams import Coverage, StreamGaps
from harvester.lake.layout import BARS, CANDLES, DEPTH, DEPTH50, GAPS, INDICES, QUOTES, TRADES, folder_of
from harvester.lake.manifest import FileEntry
from harvester.lake.publish.files import Names, place, temporary_for
from harvester.lake.schema import QUOTES_TABLE, TABLES, order_of, table_of_market
from harvester.lake.tables.origin import Origin
from harvester.lake.tables.poll_rows import Spool, SymbolData, read_polls
from harvester.lake.tables.prepared import Prepared
from harvester.lake.tables.sliced import Slices, find_slices
from harvester.lake.tables.spool import RowSpool
from harvester.lake.tables.stream_pass import NotAsSlicedError, Streams
from harvester.lake.tables.symbol_rows import SymbolRows
from harvester.lake.tables.table_files import TableFiles
from harvester.lake.tables.trades import Trades, Watched


@dataclass
class Written:
    """Files, and the certificate's entries: of polls and trades by symbol, of sockets by the feed."""

    files: list[FileEntry] = field(default_factory=list)
    damaged: list[GapRow] = field(default_factory=list)
    """The gaps of what is lost by damage of the journal."""
    symbols: dict[str, Json] = field(default_factory=dict)
    streams: dict[str, Json] = field(default_factory=dict)
    trades: dict[str, Json] = field(default_factory=dict)
    candles: Json | None = None
    """The section of the broker's own candles, where there are any."""

    @property
    def named(self) -> set[str]:
        """The symbols that the certificate names."""
        sections = [*self.streams.values(), *([self.candles] if self.candles else [])]
        return {*self.symbols}.union(*(section["symbols"] for section in sections))


def write_tables(
    lake: Path, day: Day, grace_ns: int, names: Names, explanation: Explanation, prepared: Prepared
) -> Written:
    """Decode, write, read back and place all tables of a day; what is not decoded is added to its damage.

    Raises HarvesterError, OSError; UndecodedError, before anything is placed, where the explanation does not suffice.
    """
    slices = find_slices(prepared, day)
    try:
        return _write_all(lake, day, grace_ns, names, explanation, prepared, slices)
    except NotAsSlicedError:
        return _write_all(lake, day, grace_ns, names, explanation, prepared, None)


def _write_all(
    lake: Path,
    day: Day,
    grace_ns: int,
    names: Names,
    explanation: Explanation,
    prepared: Prepared,
    slices: Slices | None,
) -> Written:
    """All tables, with or without what slices have. Raises NotAsSlicedError, before anything is placed."""
    prepared.sliced = slices.segments if slices else frozenset()
    workplace = temporary_for(lake, day.partition, folder_of(DEPTH))
    run_ids = list(dict.fromkeys(source.run_id for source in day.index.sources))
    has_segments = any(segment != NSE_CASH for segment in day.grids)
    origin = Origin(run_ids, day.windows, (lambda symbol: day.grid_of(symbol).windows) if has_segments else None)
    for symbol in sorted({symbol for symbols in day.sockets.values() for symbol in symbols}):
        origin.number(symbol)  # in the order in which the tables have them: a spool reads neighbours together
    with (
        Spool(workplace.with_name(".spool")) as spool,
        closing(Streams(workplace.parent, origin, day.events.connections, day.earlier, prepared)) as streams,
        closing(RowSpool(workplace.parent, QUOTES_TABLE.height)) as polled,
    ):
        streams.read(day.index.sources)
        give_back_heap()
        if slices:
            slices.check(day, streams)
        undecoded = list_undecoded(day.index, {feed: each.undecoded for feed, each in streams.contents.items()})
        demand_explanation(undecoded, explanation, day.partition.date.isoformat())
        day.events.damage[:0] = undecoded
        return _SecondPass(lake, day, grace_ns, spool, streams, polled, slices).run(names)


class _SecondPass:
    """Rows were spooled by symbol; here they go into the tables in the order of the symbols."""

    def __init__(
        self,
        lake: Path,
        day: Day,
        grace_ns: int,
        spool: Spool,
        streams: Streams,
        polled: RowSpool,
        slices: Slices | None,
    ) -> None:
        """`polled` takes quotes of polls, while the books of the same answers are written; the rows of `slices` are in
        files already.
        """
        self._lake = lake
        self._day = day
        self._spool = spool
        self._streams = streams
        self._polled = polled
        self._slices = slices
        self._polls = sum(len(positions) for positions in day.index.symbols.values())
        self._poll_gaps = {segment: PollGaps(grid, day.events, grace_ns) for segment, grid in day.grids.items()}
        self._stream_gaps = {
            segment: {feed: StreamGaps(feed, grid.windows, day.events) for feed in SOCKETS}
            for segment, grid in day.grids.items()
        }
        self._stream_numbers = np.array([connection.stream for connection in day.events.connections], np.int64)
        self._slots = {segment: set(grid.slots) for segment, grid in day.grids.items()}
        self._candles = DayCandles(day, spool, streams.origin.run_numbers)
        named = (*(day.sockets[feed] for feed in SOCKETS), self._candles.symbols)
        self._symbols = sorted({*day.symbols, *streams.origin.symbols}.union(*named))
        self._numbers = {symbol: number for number, symbol in enumerate(self._symbols)}
        self._written = Written()
        self._entries: dict[int, dict[str, Json]] = {feed: {} for feed in SOCKETS}

    def run(self, names: Names) -> Written:
        """Write everything."""
        with ExitStack() as stack:
            writers = {name: stack.enter_context(closing(self._files(name))) for name in self._tables()}
            ledger = stack.enter_context(LedgerWriter(temporary_for(self._lake, self._day.partition, folder_of(GAPS))))
            for symbol in self._symbols:
                ledger.add(self._write_symbol(symbol, writers))
            for name, writer in writers.items():
                writer.end(is_needed=name not in self._sliced)
        ledger.check()
        for name, writer in writers.items():
            self._written.files += self._place_slices(name, names)
            self._written.files += [place(self._lake, path, rows, names) for path, rows in writer.files]
        self._written.files.append(place(self._lake, ledger.path, ledger.rows, names))
        self._written.damaged = ledger.damaged
        if self._candles.symbols:
            self._written.candles = self._candles.certify()
            self._written.streams |= self._candles.certify_chart()
        for feed, symbols in self._entries.items():
            if symbols or self._streams.contents[feed].frames:
                entry = certify_feed(symbols, self._streams.contents[feed], feed, self._day.events)
                self._written.streams[FEED_NAMES[feed]] = entry
        return self._written

    @property
    def _sliced(self) -> set[str]:
        """The tables of which slices have rows."""
        return self._slices.tables if self._slices else set()

    def _place_slices(self, table: str, names: Names) -> Iterator[FileEntry]:
        """The files of a table that slices have; a close that is killed finds them again."""
        for path, sha256, rows in self._slices.files(table) if self._slices else ():
            temporary = temporary_for(self._lake, self._day.partition, folder_of(table))
            temporary = temporary.with_name(temporary.name.replace(".parquet", ".slice.parquet"))
            temporary.unlink(missing_ok=True)
            temporary.hardlink_to(path)
            yield place(self._lake, temporary, rows, names, sha256)

    def _tables(self) -> list[str]:
        found = {*self._streams.tables} | self._sliced
        polled = {DEPTH, QUOTES} if self._polls else {DEPTH}
        inferred = ({TRADES} if QUOTES in found | polled else set()) | ({BARS} if QUOTES in found else set())
        asked = {CANDLES} if self._candles.symbols else set()
        return sorted(found | polled | inferred | asked, key=[*TABLES].index)

    def _files(self, name: str) -> TableFiles:
        path = temporary_for(self._lake, self._day.partition, folder_of(name))
        return TableFiles(path, table_of_market(name, in_force()), list(self._streams.origin.run_numbers))

    def _write_symbol(self, symbol: str, writers: dict[str, TableFiles]) -> list[GapRow]:
        """Its gaps."""
        before = self._slices.states(symbol) if self._slices else []
        rows = SymbolRows(symbol, self._streams, self._stream_numbers, before)
        polls = SymbolData()
        for matrix in merge(self._read_polls(symbol, polls), rows.read(DEPTH)):
            writers[DEPTH].add(symbol, matrix)
        missing = self._account_polls(symbol, polls)
        streamed = self._cover(symbol, FYERS_HSM, rows)
        trades = self._infer_trades(symbol, streamed.gaps, missing)
        if before:
            trades.resume(before[-1].trades)
        for matrix in merge(self._polled.read(self._numbers[symbol]), rows.read(QUOTES)):
            writers[QUOTES].add(symbol, matrix)
            writers[TRADES].add(symbol, trades.see(matrix))
        for name in (INDICES, DEPTH50):
            for matrix in rows.read(name):
                writers[name].add(symbol, matrix)
        if trades.figures.total():
            self._written.trades[symbol] = trades.certify()
        gaps = self._account_sockets(symbol, rows, streamed)
        if BARS in writers:
            writers[BARS].add(symbol, rows.bars.matrix(stretches_of(streamed.gaps)))
        if symbol in self._candles.symbols:
            matrix, unbarred = self._candles.read(symbol)
            writers[CANDLES].add(symbol, matrix)
            gaps += unbarred
        for writer in writers.values():
            writer.end_symbol(symbol)
        return missing + gaps

    def _read_polls(self, symbol: str, polls: SymbolData) -> Iterator[Ints]:
        """The books of a symbol's polls; their quotes wait."""
        for depth, quotes in read_polls(self._day.index, symbol, self._spool, self._streams.origin, polls):
            self._polled.add(np.full(quotes.shape[1], self._numbers[symbol]), quotes)
            yield depth

    def _account_polls(self, symbol: str, polls: SymbolData) -> list[GapRow]:
        if symbol not in self._day.symbols:
            return []
        segment = self._day.segment_of(symbol)
        missing = self._poll_gaps[segment].rows(symbol, self._slots[segment] & set(polls.sched_ns), polls.bad)
        entry = certify_symbol(polls, missing, self._day.grids[segment])
        self._written.symbols[symbol] = entry | of_segment(segment)
        return missing

    def _infer_trades(self, symbol: str, streamed: list[GapRow], missing: list[GapRow]) -> Trades:
        """The gaps of the symbol on the data socket and of its polls say what each saw."""
        grid = self._day.grid_of(symbol)
        polled = grid.polled if symbol in self._day.symbols else ()
        return Trades(Watched(grid.windows, stretches_of(streamed)), Watched(polled, stretches_of(missing)))

    def _cover(self, symbol: str, feed: int, rows: SymbolRows) -> Coverage:
        return self._stream_gaps[self._day.segment_of(symbol)][feed].account(symbol, rows.reception[feed])

    def _account_sockets(self, symbol: str, rows: SymbolRows, streamed: Coverage) -> list[GapRow]:
        """The entries of the certificate; the gaps. `streamed` is the coverage on the data socket."""
        gaps: list[GapRow] = []
        for feed in SOCKETS:
            is_known = symbol in self._day.sockets[feed] or rows.reception[feed].seen
            if not is_known and not rows.tracks[feed].updates:
                continue
            sequence: dict[str, Any] | None = rows.sequences.finish() if feed == FYERS_TBT else None
            segment = self._day.segment_of(symbol)
            coverage = streamed if feed == FYERS_HSM else self._cover(symbol, feed, rows)
            windows = self._day.grids[segment].windows
            entry = certify_stream(rows.tracks[feed], rows.receipts(feed), coverage, windows, sequence)
            self._entries[feed][symbol] = entry | of_segment(segment)
            gaps += coverage.gaps
        return gaps


def stretches_of(gaps: Iterable[GapRow]) -> list[Interval]:
    """The time of gaps."""
    return [(gap.from_ns, gap.to_ns) for gap in gaps]


def merge(one: Iterable[Ints], other: Iterable[Ints]) -> Iterator[Ints]:
    """The columns of both in the order of the journal; each is in that order."""
    sides = [_parts(one), _parts(other)]
    heads: list[Ints | None] = [next(side, None) for side in sides]
    while (first := heads[0]) is not None and (second := heads[1]) is not None:
        keys = order_of(first), order_of(second)
        limit = min(keys[0][-1], keys[1][-1])
        taken = []
        for side, part in enumerate((first, second)):
            count = int(np.searchsorted(keys[side], limit, side="right"))
            taken.append(part[:, :count])
            heads[side] = part[:, count:] if count < part.shape[1] else next(sides[side], None)
        together = np.concatenate(taken, axis=1)
        yield together[:, np.argsort(order_of(together), kind="stable")]
    for head, rest in zip(heads, sides, strict=True):
        if head is not None:
            yield head
        yield from rest


def _parts(matrices: Iterable[Ints]) -> Iterator[Ints]:
    return (matrix for matrix in matrices if matrix.shape[1])
