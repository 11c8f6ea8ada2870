"""What the close takes over of parts: all of a run's that follow each other from its begin, or none."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from harvester.decode.frames import Ints
from harvester.lake.day.connections import Connection, Connections
from harvester.lake.day.segments import Source
from harvester.lake.schema import DEPTH_TABLE, order_of
from harvester.lake.tables.origin import MOST_NOTICES, FeedContent, Origin
from harvester.lake.tables.part_files import (
    FeedFacts,
    PartFacts,
    RunState,
    SocketDecoder,
    first_key,
    folder_of_day,
    hash_or_nothing,
    holding,
    next_key,
    read,
    resumed,
    rows_file,
)
from harvester.lake.tables.spool import SavedRows

RUN, CONNECTION, IN_SESSION = (DEPTH_TABLE.at(name) for name in ("run_id", "connection", "in_session"))
"""Columns whose values are numbers within the day; they lie at the same place in each table of a socket."""


class Part:
    """One segment's part, with the numbers that its symbols, connections and run have in the day."""

    def __init__(
        self,
        stem: Path,
        facts: PartFacts,
        symbols: Ints,
        connections: Sequence[Connection],
        run: int,
        origin: Origin,
        *,
        has_rows: bool = True,
    ) -> None:
        self.symbols = symbols
        self._stem = stem
        self._facts = facts
        self._connections = connections
        self._numbers = np.array([connection.number for connection in connections], np.int64)
        self._run = run
        self._origin = origin
        self._has_rows = has_rows
        head = np.zeros((DEPTH_TABLE.height, 1), np.int64)
        head[RUN] = run
        self.order = int(order_of(head)[0])

    def join(self, contents: Mapping[int, FeedContent]) -> None:
        """Add what the part says besides rows."""
        for feed, facts in self._facts.feeds.items():
            self._join_feed(contents[feed], facts)
        for connection, (*_, last_ns) in zip(self._connections, self._facts.connections, strict=True):
            connection.last_ns = max(connection.last_ns, last_ns)

    def _join_feed(self, content: FeedContent, facts: FeedFacts) -> None:
        content.frames += facts.frames
        content.leftovers.update(facts.leftovers)
        content.undecoded.parts.update(facts.undecoded)
        times = [*content.undecoded.times, *facts.undecoded_times]
        content.undecoded.times = [min(times), max(times)] if times else []
        content.notices += islice(facts.notices, MOST_NOTICES - len(content.notices))
        symbols, connections, moments = (np.frombuffer(array, np.int64) for array in facts.snapshots)
        if len(moments):
            content.snapshots.add_pairs(self.symbols[symbols], self._numbers[connections], moments)

    def tables(self) -> Iterator[tuple[str, BinaryIO, SavedRows]]:
        """The rows by table."""
        for name, rows in self._facts.tables.items() if self._has_rows else ():
            with rows_file(self._stem, name).open("rb") as file:
                yield name, file, rows.saved

    def drop(self) -> None:
        """Delete the files of the rows. Raises OSError."""
        for name in self._facts.tables:
            rows_file(self._stem, name).unlink(missing_ok=True)

    def translate(self, rows: Ints) -> Ints:
        """Rows of the part, with the symbol of each first, as those of the day."""
        rows = rows.copy()
        rows[0] = self.symbols[rows[0]]
        matrix = rows[1:]
        matrix[RUN] = self._run
        matrix[CONNECTION] = self._numbers[matrix[CONNECTION]]
        matrix[IN_SESSION] = self._origin.in_session(matrix[0])
        return rows


class Found(NamedTuple):
    """The parts of a run, and the decoders that go on after them: feed, stream, number, connect record, decoder."""

    parts: deque[Part]
    decoders: list[tuple[int, int, int, int, SocketDecoder]]


class Prepared:
    """The parts of a day."""

    def __init__(self, folder: Path, release: str) -> None:
        """`release`: parts of another one are not taken."""
        self.folder = folder
        self.release = release
        self.sliced: frozenset[str] = frozenset()
        """Names of the segments whose rows are not taken over, for they are in finished files."""

    def find(self, run_id: str, sources: Sequence[Source], connections: Connections, origin: Origin) -> Found | None:
        """The parts of a run whose segments these are; None where one is missing, or not what it has to be."""
        state = read(self.folder / f"{run_id}.state", RunState)
        if state is None or not is_begin(sources[0]):
            return None
        key, parts = first_key(self.release, run_id), deque[Part]()
        for source in sources:
            if key == state.key or source.is_open or source.numbers.skipped:
                break
            key = next_key(key, source.sha256)
            part = self.read_part(source, key, run_id, connections, origin)
            if part is None:
                return None
            parts.append(part)
        if key != state.key or not parts:
            return None
        decoders = [
            (each.feed, each.stream, each.number, each.seq, resumed(each.feed, each.decoder))
            for each in state.connections
        ]
        return Found(parts, decoders)

    def read_part(self, source: Source, key: str, run_id: str, connections: Connections, origin: Origin) -> Part | None:
        """The part of a segment, whole and with numbers in the day."""
        stem = self.folder / source.name
        facts = read(stem.with_name(f"{source.name}.part"), PartFacts)
        is_sliced = source.name in self.sliced
        if facts is None or facts.key != key or (facts.is_sliced and not is_sliced):
            return None
        numbers = [origin.find(symbol) for symbol in facts.symbols]
        found = [connections.get(run_id, (feed, stream), seq) for feed, stream, seq, _ in facts.connections]
        known = [connection for connection in found if connection]
        if None in numbers or len(known) < len(found):
            return None
        symbols = np.array(numbers, np.int64)
        if (symbols[1:] <= symbols[:-1]).any():
            return None  # rows lie in the order of other numbers
        if not is_sliced and not all(
            hash_or_nothing(rows_file(stem, name)) == rows.sha256 for name, rows in facts.tables.items()
        ):
            return None
        return Part(stem, facts, symbols, known, origin.run_numbers[run_id], origin, has_rows=not is_sliced)


@contextmanager
def taking_parts(lake: Path, day: date, release: str) -> Iterator[Prepared]:
    """The parts of a day, when no build is at work on them. Raises OSError."""
    folder = folder_of_day(lake, day)
    with holding(folder, wait=True):
        yield Prepared(folder, release)


def is_begin(source: Source) -> bool:
    """Whether a segment is the first of its run: no connection in it began before."""
    return source.numbers.first is not None and source.numbers.first.seq == 1
