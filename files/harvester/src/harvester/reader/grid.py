"""Symbols x time for training: values as they were known at each moment, and a mask of where they were."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from harvester.reader import moments
from harvester.reader.errors import FinerThanDataError, QuestionError, TooLargeError
from harvester.reader.fields import Field, Floats, book_of, table_of
from harvester.reader.result import GIB, SHARE, load_package
from harvester.reader.rows import Part
from harvester.reader.sessions import Span

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Arrays(NamedTuple):
    """times: datetime64[ns] UTC [T]; values: float64 [T, S, F], NaN where the mask is false; mask: bool [T, S]."""

    times: NDArray[np.datetime64]
    values: Floats
    mask: Flags


@dataclass(frozen=True)
class Grid:
    """T moments x S symbols x F fields.

    `mask` [T, S] is true where every field is known and defined: a row had been received in the phase, and its feed
    has had no gap since. `values` [T, S, F] are rupees, shares or as docs/reading.md defines them, finite where the
    mask is true and NaN elsewhere. `times_ns` [T] is wall ns; `starts` are the places in it at which a stretch of
    equal steps begins.
    """

    times_ns: Ints
    symbols: tuple[str, ...]
    fields: tuple[str, ...]
    every_ns: int
    values: Floats
    mask: Flags
    starts: Ints
    tz: str = "UTC"

    def numpy(self) -> Arrays:
        """The arrays themselves; nothing is copied."""
        return Arrays(self.times_ns.view("datetime64[ns]"), self.values, self.mask)

    def arrow(self) -> pa.Table:
        """One row for each moment and symbol: time, symbol, mask, then the fields, null where the mask is false."""
        symbols = len(self.symbols)
        times = pa.array(np.repeat(self.times_ns, symbols)).cast(pa.timestamp("ns", self.tz))
        names = pa.DictionaryArray.from_arrays(
            np.tile(np.arange(symbols, dtype=np.int32), len(self.times_ns)), list(self.symbols)
        )
        mask = self.mask.reshape(-1)
        columns = [pa.array(self.values[:, :, at].reshape(-1), mask=~mask) for at in range(len(self.fields))]
        return pa.table(
            [times, names.cast(pa.string()), pa.array(mask), *columns], ["time", "symbol", "mask", *self.fields]
        )

    def polars(self) -> Any:
        """The same as a polars.DataFrame. Raises MissingPackageError."""
        return load_package("polars", ".polars()").from_arrow(self.arrow())

    def pandas(self) -> Any:
        """The same as a pandas.DataFrame. Raises MissingPackageError."""
        load_package("pandas", ".pandas()")
        return self.arrow().to_pandas()

    def split_at_gaps(self, *, together: bool = False) -> "list[Grid]":
        """Grids of one symbol, whose masks are all true and whose moments follow each other without a hole.

        `together`: grids of all symbols, of the stretches in which the mask is true of each.
        """
        if together:
            return list(self._stretches(np.all(self.mask, axis=1), slice(None)))
        columns = [slice(at, at + 1) for at in range(len(self.symbols))]
        return [piece for at, column in enumerate(columns) for piece in self._stretches(self.mask[:, at], column)]

    def _stretches(self, known: Flags, column: slice) -> "Iterator[Grid]":
        opens = np.zeros(len(known), np.bool_)
        opens[self.starts] = True
        before = np.append(False, known[:-1])
        begins = np.flatnonzero(known & (opens | ~before))
        following = np.append(known[1:] & ~opens[1:], False)
        ends = np.flatnonzero(known & ~following) + 1
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            yield Grid(
                self.times_ns[begin:end],
                self.symbols[column],
                self.fields,
                self.every_ns,
                self.values[begin:end, column],
                self.mask[begin:end, column],
                np.zeros(1, np.int64),
                self.tz,
            )


class Plan(NamedTuple):
    """What a grid is about: by symbol its day, ticker and spans on each date."""

    parts: Mapping[str, Sequence[Part]]
    begin_ns: int
    end_ns: int
    every_ns: int
    fields: Sequence[Field]
    tz: str


def make(plan: Plan, free_bytes: int) -> Grid:
    """Compute a grid, symbol after symbol and day after day. Raises ReaderError."""
    for part in (part for parts in plan.parts.values() for part in parts):
        _refuse_finer(part, plan.every_ns)
    times, starts = _times(plan)
    shape = len(times), len(plan.parts), len(plan.fields)
    wanted = shape[0] * (8 + shape[1] * (8 * shape[2] + 1))
    if wanted > SHARE * free_bytes:
        raise TooLargeError(
            f"The grid has {shape[0]:,} moments of {shape[1]} symbols and {shape[2]} fields, {wanted / GIB:.1f} GiB,"
            f" and {free_bytes / GIB:.1f} GiB are free. Ask for fewer days at a time, or a longer every."
        )
    values, mask = np.full(shape, np.nan), np.zeros(shape[:2], np.bool_)
    for at, parts in enumerate(plan.parts.values()):
        for part in parts:
            _fill(plan, part, times, values[:, at], mask[:, at])
    names = tuple(parts[-1].symbol for parts in plan.parts.values())
    return Grid(times, names, tuple(f.text for f in plan.fields), plan.every_ns, values, mask, starts, plan.tz)


def _fill(plan: Plan, part: Part, times: Ints, values: Floats, mask: Flags) -> None:
    """Put a symbol's day into its column of the grid."""
    own, opens = _of_part(plan, part)
    if not len(own):
        return
    places = np.searchsorted(times, own)
    at = moments.Moments(own, opens, plan.every_ns)
    gaps = part.day.gaps.get(part.symbol, {})
    book = book_of(plan.fields)
    known = np.ones(len(own), np.bool_)
    found = np.empty((len(own), len(plan.fields)))
    for table in sorted({table_of(field, book) for field in plan.fields}):
        columns = [place for place, field in enumerate(plan.fields) if table_of(field, book) == table]
        fields = [plan.fields[place] for place in columns]
        recorded = moments.load(part.day, part.symbol, table, fields)
        found[:, columns], seen = moments.look(recorded, at, gaps, fields)
        known &= seen
    known &= np.isfinite(found).all(axis=1)
    mask[places] = known
    values[places[known]] = found[known]


def _times(plan: Plan) -> tuple[Ints, Ints]:
    """All moments, ascending, and the places at which a stretch begins. Raises QuestionError where there are none."""
    spans = {
        (span.open_ns, span.close_ns) for parts in plan.parts.values() for part in parts for span in part.spans or ()
    }
    ranges = [_range(plan, opens, closes) for opens, closes in sorted(spans)]
    times = _sorted_once([np.zeros(0, np.int64), *ranges])
    if not len(times):
        raise QuestionError(
            "There is no moment of the session between since and until on the days of this lake. Ask for a longer time,"
            " or another session."
        )
    begins = np.array([each[0] for each in ranges if len(each)], np.int64)
    jumps = times[1:][np.diff(times) != plan.every_ns]
    return times, _sorted_once([np.searchsorted(times, np.concatenate([begins, jumps]))])


def _sorted_once(arrays: Sequence[Ints]) -> Ints:
    """All values, ascending, each once. Not by np.unique, which imports numpy.ma: a fifth of a grid of a day."""
    values = np.sort(np.concatenate(arrays))
    return values[np.append(True, values[1:] > values[:-1])] if len(values) else values


def _of_part(plan: Plan, part: Part) -> tuple[Ints, Ints]:
    """The moments of a symbol's day, and the opening of the phase of each."""
    spans: Sequence[Span] = part.spans or ()
    ranges = [_range(plan, span.open_ns, span.close_ns) for span in spans]
    opens = [np.full(len(times), span.open_ns) for span, times in zip(spans, ranges, strict=True)]
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *ranges]), np.concatenate([none, *opens])


def _range(plan: Plan, opens: int, closes: int) -> Ints:
    """Moments of a stretch: its opening, and each `every_ns` later before its end, as far as they are asked for."""
    times = np.arange(opens, closes, plan.every_ns, dtype=np.int64)
    return times[(times >= plan.begin_ns) & (times < plan.end_ns)]


def _refuse_finer(part: Part, every_ns: int) -> None:
    interval_ns = part.day.interval_ns(part.symbol)
    if interval_ns is not None and every_ns < interval_ns:
        raise FinerThanDataError(
            f"{part.symbol} was polled every {interval_ns / 1e9:g} s on {part.day.date} and streamed by no socket, so a"
            f" grid of {every_ns / 1e9:g} s would repeat itself. Ask for every={interval_ns // 1_000_000}ms or longer."
        )
