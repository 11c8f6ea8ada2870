"""What the close takes of slices: all of a day, or none.

A slice is what the close would make as long as the day is what it was then: the same segments first, connections with
the same numbers, nothing that came later with an earlier clock, and for each symbol the same windows and gaps in the
time of its rows. Each of these is compared; the files are those that were read back when they were written.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import zstandard

from harvester.journal.format import FYERS_HSM, FYERS_REST, SOCKETS
from harvester.lake.day.model import Day
from harvester.lake.gaps.streams import Reception, StreamGaps
from harvester.lake.tables.part_files import SliceFacts, read_slices, slice_file
from harvester.lake.tables.prepared import Prepared
from harvester.lake.tables.stream_pass import NotAsSlicedError, Streams
from harvester.lake.tables.symbol_state import SymbolState
from harvester.lake.tables.trades import Watched

LEVEL = 3


class StateWriter:
    """Writes the states of a slice's symbols to a file; `places` has where each is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, tuple[int, int]] = {}
        self._file = path.open("wb")
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)

    def add(self, symbol: str, state: SymbolState) -> None:
        """The state of one more symbol. Raises OSError."""
        packed = self._compressor.compress(msgspec.msgpack.encode(state))
        self.places[symbol] = self._file.tell(), len(packed)
        self._file.write(packed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


class SymbolStates:
    """The states of a slice's symbols."""

    def __init__(self, folder: Path, number: int, facts: SliceFacts) -> None:
        self._places = facts.states
        self._path = slice_file(folder, number, "states")
        self._decompressor = zstandard.ZstdDecompressor()

    def read(self, symbol: str) -> SymbolState | None:
        """None for a symbol that the slice, and those before, know nothing of. Raises OSError."""
        if symbol not in self._places:
            return None
        offset, size = self._places[symbol]
        with self._path.open("rb", buffering=0) as file:
            file.seek(offset)
            packed = file.read(size)
        return msgspec.msgpack.decode(self._decompressor.decompress(packed), type=SymbolState)


class Slices:
    """The slices of a day, in order."""

    def __init__(self, folder: Path, facts: Sequence[SliceFacts]) -> None:
        self.tables = {name for each in facts for name, files in each.tables.items() if files}
        """Names of the tables that they have rows of."""
        self.segments = frozenset(name for each in facts for name, _ in each.segments)
        self._folder = folder
        self._facts = facts
        self._states = [SymbolStates(folder, number, each) for number, each in enumerate(facts, start=1)]

    def files(self, table: str) -> Iterable[tuple[Path, str, int]]:
        """Path, SHA-256 and rows of a table's files, in order."""
        for each in self._facts:
            for file in each.tables.get(table, []):
                yield self._folder / file.name, file.sha256, file.rows

    def states(self, symbol: str) -> list[SymbolState]:
        """The symbol after each slice that knows of it."""
        return [state for each in self._states if (state := each.read(symbol))]

    def check(self, day: Day, streams: Streams) -> None:
        """Raises NotAsSlicedError where windows or gaps of a symbol were others when its rows were written."""
        gaps = {name: StreamGaps(FYERS_HSM, grid.windows, day.events) for name, grid in day.grids.items()}
        for symbol in sorted({symbol for each in self._facts for symbol in each.states}):
            windows = day.grid_of(symbol).windows
            number = streams.origin.find(symbol)
            reception = Reception(streams.contents[FYERS_HSM].snapshots.of(number))
            lost = gaps[day.segment_of(symbol)].account(symbol, reception).gaps
            watched = Watched(windows, [(gap.from_ns, gap.to_ns) for gap in lost])
            polled = Watched(day.grid_of(symbol).polled if symbol in day.symbols else (), ())
            for facts, states in zip(self._facts, self._states, strict=True):
                state = states.read(symbol)
                if state and not _is_as_then(state, facts, Watched(windows, ()), watched, polled):
                    raise NotAsSlicedError


def _is_as_then(state: SymbolState, facts: SliceFacts, session: Watched, watched: Watched, polled: Watched) -> bool:
    if session.between(facts.first_ns, facts.last_ns + 1) != state.session:
        return False
    span = state.trades.span
    return span is None or (watched.between(*span) == state.trades.seen and polled.between(*span) == [0])


def find_slices(prepared: Prepared, day: Day) -> Slices | None:
    """The slices of a day, all of which are right as far as its segments say; None where there are none such."""
    facts = read_slices(prepared.folder, prepared.release)
    if not facts or not _is_begin(facts, day) or not _are_whole(prepared.folder, facts):
        return None
    for feed, stream, run_id, seq, number in (each for one in facts for each in one.connections):
        connection = day.events.connections.get(run_id, (feed, stream), seq)
        if connection is None or connection.number != number:
            return None
    return Slices(prepared.folder, facts)


def _is_begin(facts: Sequence[SliceFacts], day: Day) -> bool:
    """Whether the day begins with their segments, without polls, and goes on after their last moment."""
    sliced = [segment for each in facts for segment in each.segments]
    sources = day.index.sources
    mine, others = sources[: len(sliced)], sources[len(sliced) :]
    if [(source.name, source.sha256) for source in mine if not source.is_open] != sliced:
        return False
    if any(FYERS_REST in source.feeds or source.numbers.skipped for source in mine):
        return False
    last_ns = facts[-1].last_ns
    return all(source.first_ns >= last_ns for source in others if source.feeds & {*SOCKETS, FYERS_REST})


def _are_whole(folder: Path, facts: Sequence[SliceFacts]) -> bool:
    """Whether the files are what they were."""
    files = [each.states_file for each in facts]
    files += [file for each in facts for table in each.tables.values() for file in table]
    return all(file.is_whole(folder) for file in files)
