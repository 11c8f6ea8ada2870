"""Finished files that were made of a large day while it ran: the day is row for row what a close without them makes."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.journals import DAY, OPEN_NS
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import INFY, NIFTY, SBIN, SocketRecorder, ids_of, quote
from tests.storage.lake.test_parts import build, parts, record, without_parts

from exchange.wire import hsm
from harvester.base.release import release_id
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.layout import folder_of
from harvester.lake.manifest import load_manifest
from harvester.lake.slices import build_slices
from harvester.reader import open_lake
from harvester.reader.verify import verify_lake

KINDS = ("depth", "quotes", "trades", "indices", "depth50", "bars", "gaps")


def slice_up(place: StreamedPlace, **changes: Any) -> int:
    """Build parts of what is sealed, and a slice of each."""
    build(place)
    plain: dict[str, Any] = {"release": release_id(), "expectation": place.expectation(), "least_rows": 1}
    plain |= {"settled_ns": 0, **changes}
    return build_slices(journal=place.journal, lake=place.lake, partition=place.partition, **plain)


def files(place: StreamedPlace, kind: str) -> list[Path]:
    manifest = load_manifest(place.lake, place.partition)
    assert manifest
    return [place.lake / entry.path for entry in manifest.files if entry.folder == folder_of(kind)]


def rows(place: StreamedPlace, kind: str) -> pa.Table | None:
    """The rows of a table, those of a symbol in the order in which the files have them."""
    found = [pq.read_table(path, partitioning=None) for path in files(place, kind)]
    if not found:
        return None
    whole = pa.concat_tables([_plain(table) for table in found])
    order = [("symbol", "ascending"), ("place", "ascending")]
    return whole.append_column("place", pa.array(range(len(whole)))).sort_by(order).drop_columns("place")


def _plain(table: pa.Table) -> pa.Table:
    """Names as texts: files have different dictionaries."""
    kinds = [pa.string() if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(zip(table.schema.names, kinds, strict=True)))


def same_as_without(place: StreamedPlace) -> StreamedPlace:
    """Close the day, and beside it the same journal without anything built; the latter."""
    plain = without_parts(place)
    assert plain.close(explain="as told").outcome == "closed"
    assert place.close(explain="as told").outcome == "closed"
    for kind in KINDS:
        one, other = rows(place, kind), rows(plain, kind)
        assert (one is None) == (other is None), kind
        assert one is None or one.equals(other), kind
    assert place.certificate() == plain.certificate()
    assert verify_lake(place.lake).ok
    return plain


def test_a_day_of_slices_has_the_rows_of_one_without(streamed: StreamedPlace) -> None:
    made: list[int] = []
    record(streamed, lambda: made.append(slice_up(streamed)))
    assert made == [1, 1]
    same_as_without(streamed)
    assert [len(files(streamed, kind)) for kind in ("depth", "quotes", "trades", "depth50")] == [3, 3, 3, 3]


class Story:
    """A day that chance tells: twins, connections that break, books of 50 levels, silence, restarts, gaps written down.

    `sealed` is called after each segment.
    """

    SYMBOLS = (SBIN, INFY, "NSE:TCS-EQ")

    def __init__(self, place: StreamedPlace, seed: int, sealed: Callable[[], object]) -> None:
        self._chance = random.Random(seed)
        self._place = place
        self._sealed = sealed
        self._up: set[tuple[int, int]] = set()
        self._known: dict[tuple[int, int], set[str]] = {}
        self._volume = 0
        self._recorder = self._begin()

    def _begin(self) -> SocketRecorder:
        recorder = self._place.sockets()
        recorder.open((FYERS_HSM, FYERS_TBT))
        self._up.clear()
        self._known.clear()
        return recorder

    def tell(self) -> None:
        moments = sorted(self._chance.uniform(0, 95) for _ in range(self._chance.randint(60, 140)))
        steps = [self._books, self._quotes, self._quotes, self._books50, self._connect, self._snapshots]
        rare = [self._break, self._seal, self._lose, self._restart, self._back]
        for at in moments:
            self._recorder.at(at)
            self._chance.choices([*steps, *rare], [6, 6, 6, 4, 2, 3, 1, 4, 1, 0.4, 0.2])[0]()
        self._recorder.close()
        self._recorder.stop()

    def _stream(self, feed: int) -> int | None:
        up = sorted(stream for kind, stream in self._up if kind == feed)
        return self._chance.choice(up) if up else None

    def _connect(self) -> None:
        feed, stream = self._chance.choice([(FYERS_HSM, 0), (FYERS_HSM, 1), (FYERS_HSM, 1), (FYERS_TBT, 0)])
        symbols = self._chance.sample(self.SYMBOLS, self._chance.randint(1, 3))
        self._recorder.connect(stream, [*symbols, *([NIFTY] if feed == FYERS_HSM else [])], feed)
        self._up.add((feed, stream))
        self._known[feed, stream] = set()
        self._names = symbols
        if feed == FYERS_HSM and self._chance.random() < 0.7:
            self._recorder.snapshots(stream, *symbols, NIFTY, number=self._next())
            self._known[feed, stream] = set(symbols)

    def _next(self) -> int:
        self._volume += self._chance.choice([0, 1, 1, 2, 7, -1])
        return self._volume

    def _snapshots(self) -> None:
        stream = self._stream(FYERS_HSM)
        if stream is not None:
            symbol = self._chance.choice(self.SYMBOLS)
            self._recorder.snapshots(stream, symbol, number=self._next())
            self._known[FYERS_HSM, stream].add(symbol)

    def _copy(self, send: Callable[[int], object], symbol: str) -> None:
        """An update, often with its copy on the other connection, at once or later."""
        stream = self._stream(FYERS_HSM)
        if stream is None:
            return
        send(stream)
        other = 1 - stream
        if (FYERS_HSM, other) in self._up and self._chance.random() < 0.7:
            self._recorder.clock.now_ns += self._chance.choice([0, 1, 10**9, 3 * 10**9])
            if self._chance.random() < 0.3:
                self._seal()
            send(other)

    def _books(self) -> None:
        symbol, number = self._chance.choice(self.SYMBOLS), self._next()
        self._copy(lambda stream: self._recorder.books(stream, symbol, number), symbol)

    def _quotes(self) -> None:
        symbol, number = self._chance.choice(self.SYMBOLS), self._next()
        self._copy(lambda stream: self._recorder.quotes(stream, symbol, number, number + 1), symbol)

    def _books50(self) -> None:
        stream = self._stream(FYERS_TBT)
        if stream is not None:
            sequence = None if self._chance.random() < 0.8 else self._chance.randint(1, 50)
            is_snapshot = self._chance.random() < 0.2
            symbol = self._chance.choice(self.SYMBOLS)
            self._recorder.book50(stream, symbol, self._next(), sequence=sequence, snapshot=is_snapshot)

    def _break(self) -> None:
        if self._up:
            feed, stream = self._chance.choice(sorted(self._up))
            self._recorder.control("disconnect", feed=feed, stream=stream, cause="disconnect", detail="as told")
            self._up.remove((feed, stream))

    def _lose(self) -> None:
        """A gap that began some seconds before it was noticed."""
        now = (self._recorder.clock.now_ns - OPEN_NS) / 10**9
        feed = self._chance.choice([FYERS_HSM, FYERS_TBT])
        begin = max(0, now - self._chance.uniform(0, 8))
        self._recorder.lose(self._chance.choice(self.SYMBOLS), begin, self._chance.choice([None, now]), feed=feed)

    def _seal(self) -> None:
        self._recorder.writer.seal()
        self._sealed()

    def _restart(self) -> None:
        self._recorder.writer.close() if self._chance.random() < 0.5 else self._recorder.stop()
        self._sealed()
        self._recorder.clock.now_ns += 10**9
        self._recorder = self._begin()

    def _back(self) -> None:
        """The wall clock is set back."""
        self._recorder.clock.now_ns -= self._chance.randint(0, 5 * 10**9)


@pytest.mark.parametrize("seed", range(40))
def test_a_day_that_chance_tells_has_the_rows_of_one_without_slices(streamed: StreamedPlace, seed: int) -> None:
    made: list[int] = []
    Story(streamed, seed, lambda: made.append(slice_up(streamed, settled_ns=seed % 3 * 10**9))).tell()
    plain = same_as_without(streamed)
    print("USED", sum(made), len(files(streamed, "quotes")), len(files(plain, "quotes")))
