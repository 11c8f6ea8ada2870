"""The sockets' frames of a day, decoded in one pass over its segments and spooled by table and symbol."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import groupby
from pathlib import Path
from typing import Any

from harvester.base.errors import HarvesterError
from harvester.decode.connections import HSM_FRAMES, TBT_FRAMES, Received, Rounds
from harvester.decode.fyers_hsm import HsmDecoder
from harvester.decode.fyers_tbt import TbtDecoder
from harvester.journal.format import CONTROL, FYERS_HSM, FYERS_TBT, SOCKETS, JournalError, Record
from harvester.journal.reader import read_segment
from harvester.lake.columns import Table
from harvester.lake.day.connections import Connection, Connections
from harvester.lake.day.earlier import Earlier
from harvester.lake.day.segments import Source
from harvester.lake.schema import TABLES
from harvester.lake.tables.origin import FeedContent, Origin, Piece
from harvester.lake.tables.prepared import Part, Prepared
from harvester.lake.tables.spool import RowSpool
from harvester.lake.tables.stream_rows import HsmRows, TbtRows

DECODERS: dict[int, Any] = {FYERS_HSM: (HsmDecoder, HSM_FRAMES), FYERS_TBT: (TbtDecoder, TBT_FRAMES)}
"""Of each socket its decoder, and how many frames a round has."""
_READERS: dict[int, type[HsmRows | TbtRows]] = {FYERS_HSM: HsmRows, FYERS_TBT: TbtRows}


class NotAsSlicedError(Exception):
    """The day is not as it was when slices of it were made: the close makes them anew."""


class Streams:
    """The decoded rows of a day's sockets, in temporary files."""

    def __init__(
        self,
        directory: Path,
        origin: Origin,
        connections: Connections,
        earlier: Earlier,
        prepared: Prepared | None = None,
    ) -> None:
        """`prepared`: what was decoded while the day ran."""
        self.origin = origin
        self.contents = {feed: FeedContent() for feed in SOCKETS}
        self._directory = directory
        self._connections = connections
        self._earlier = earlier
        self._prepared = prepared
        self._topics = connections.topics()
        self._readers: dict[tuple[int, int], tuple[Connection, HsmRows | TbtRows]] = {}
        """Of each feed and stream that of the connection that was read last."""
        self._spools: dict[str, RowSpool] = {}
        self._open = ExitStack()

    def read(self, sources: Sequence[Source]) -> None:
        """Decode the segments that hold frames of sockets. Raises HarvesterError."""
        for run_id, group in groupby(sources, key=lambda source: source.run_id):
            self._read_run(run_id, list(group))

    def _read_run(self, run_id: str, sources: list[Source]) -> None:
        feeds = set(SOCKETS) & {feed for source in sources for feed in source.feeds}
        rounds: dict[int, Rounds[Any]] = {feed: Rounds(feed, *DECODERS[feed]) for feed in feeds}
        if not rounds:
            return
        self._resume(run_id, rounds)
        for source in sources[self._take_parts(run_id, sources, rounds) :]:
            self.read_source(run_id, source, rounds)

    def read_source(self, run_id: str, source: Source, rounds: dict[int, Rounds[Any]]) -> None:
        """Decode a segment's frames of these feeds; no round outlasts it, so that a part is what the close makes."""
        for record in _records([source]):
            if record.kind == CONTROL:
                for feed, each in rounds.items():
                    self._take(run_id, feed, each.control(record))
            elif record.feed in rounds:
                self.contents[record.feed].frames += 1
                self._take(run_id, record.feed, rounds[record.feed].data(record))
        for feed, each in rounds.items():
            self._take(run_id, feed, each.finish())

    def _take_parts(self, run_id: str, sources: list[Source], rounds: dict[int, Rounds[Any]]) -> int:
        """Take over what was decoded of the run while the day ran; how many of its segments that is."""
        if self._prepared is None:
            return 0
        goes_back = bool(self._earlier.sources.get(run_id))
        found = None if goes_back else self._prepared.find(run_id, sources, self._connections, self.origin)
        if found is None:
            if any(source.name in self._prepared.sliced for source in sources):
                raise NotAsSlicedError
            return 0
        count = len(found.parts)
        while found.parts:
            part = found.parts.popleft()  # of a large day, all of them are many megabytes
            self.take_part(part)
            part.drop()
        for feed, stream, number, opened_seq, decoder in found.decoders:
            if feed in rounds:  # else no frame of it came
                rounds[feed].resume(stream, number, opened_seq, decoder)
        return count

    def take_part(self, part: Part) -> None:
        """Take over a part: its rows, where it has them, and what it says besides."""
        part.join(self.contents)
        for name, file, saved in part.tables():
            self.spool(TABLES[name]).take(file, saved, part.symbols, part.order, part.translate)

    def _resume(self, run_id: str, rounds: dict[int, Rounds[Any]]) -> None:
        """Decode what the run's connections brought on earlier days: only the state after it is of this day."""
        sources = self._earlier.sources.get(run_id, [])
        for record in _records(sources):
            if record.kind == CONTROL:
                for feed, each in rounds.items():
                    self._remember(run_id, feed, each.control(record))
            elif record.feed in rounds:
                self._remember(run_id, record.feed, rounds[record.feed].data(record))
        for feed, each in rounds.items() if sources else ():
            self._remember(run_id, feed, each.finish())

    def _remember(self, run_id: str, feed: int, received: list[Received[Any]]) -> None:
        for each in received:
            if connection := self._connections.get(run_id, (feed, each.stream), each.opened_seq):
                for piece in self._reader(connection, FeedContent()).read(each):
                    self._note(piece, connection)

    def _take(self, run_id: str, feed: int, received: list[Received[Any]]) -> None:
        for each in received:
            connection = self._connections.find(run_id, (feed, each.stream), each.opened_seq, int(each.wall_ns[0]))
            connection.last_ns = max(connection.last_ns, int(each.wall_ns[-1]))
            for piece in self._reader(connection, self.contents[feed]).read(each):
                self._note(piece, connection)
                self.spool(piece.table).add(piece.symbols, piece.matrix)

    def _reader(self, connection: Connection, content: FeedContent) -> HsmRows | TbtRows:
        """The connection's reader, which tells `content` what is no row."""
        stream = connection.feed, connection.stream
        known, reader = self._readers.get(stream, (None, None))
        if reader is None or known is not connection:
            reader = _READERS[connection.feed](connection, self.origin, content, self._topics)
            self._readers[stream] = connection, reader
        reader.content = content
        return reader

    def _note(self, piece: Piece, connection: Connection) -> None:
        """Keep the time of the first snapshot of each symbol on the connection."""
        if piece.snapshot.any():
            snapshots = self.contents[connection.feed].snapshots
            snapshots.add(connection.number, piece.symbols[piece.snapshot], piece.matrix[0][piece.snapshot])

    def spool(self, table: Table) -> RowSpool:
        """Where the rows of a table are."""
        if table.name not in self._spools:
            self._spools[table.name] = self._open.enter_context(closing(RowSpool(self._directory, table.height)))
        return self._spools[table.name]

    @property
    def tables(self) -> list[str]:
        """Names of the tables that have rows."""
        return [name for name in TABLES if name in self._spools]

    def rows(self, table: str, symbol: str) -> Iterator[Any]:
        """The rows of one symbol in the order of the journal, in matrices."""
        number = self.origin.find(symbol)
        if table in self._spools and number is not None:
            yield from self._spools[table].read(number)

    def close(self) -> None:
        """Delete the temporary files."""
        self._open.close()


def _records(sources: list[Source]) -> Iterator[Record]:
    for source in sources:
        skipped = source.numbers.skipped
        try:
            for record in read_segment(source.path):
                if not skipped or not source.numbers.has_skipped(record.seq):
                    yield record
        except JournalError as error:
            raise HarvesterError(f"{error} The day is not closed.") from error
