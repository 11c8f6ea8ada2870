"""The broker's own bars: of each the revision in force, as stored or put together to longer ones."""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvester.base.errors import ConfigError
from harvester.config.resolutions import DAY_NS, parse_resolution
from harvester.lake.layout import CANDLES
from harvester.reader.convert import price
from harvester.reader.errors import FinerThanDataError, QuestionError
from harvester.reader.rows import Part, Rows
from harvester.reader.sessions import Span

_OF_BAR = [
    *((name, "first") for name in ("ts_begin", "symbol", "open")),
    *(("high", "max"), ("low", "min"), ("close", "last"), ("volume", "sum")),
    *(("final", "all"), ("revision", "max"), ("source", "last"), ("resolution_ns", "last")),
    ("ts_recv", "max"),
]


class Candles(NamedTuple):
    """Bars of `every_ns`, counted from the opening of each phase; None: as they are stored, of `width_ns` if named."""

    stored: Rows
    every_ns: int | None
    width_ns: int | None

    @property
    def schema(self) -> pa.Schema:
        return self.stored.schema

    def most_rows(self) -> int:
        return self.stored.most_rows()

    def batches(self) -> Iterator[pa.RecordBatch]:
        exact = self.stored.look._replace(prices="paise")
        for parts in self._by_day():
            read = [(part, list(self.stored._replace(parts=[part], look=exact).batches())) for part in parts]
            pieces = [piece for _, found in read for piece in found]
            if not pieces:
                continue
            recorded = [piece for part, found in read for piece in found if not part.day.partition.is_history]
            bars = _in_force(self._of_one_width(pa.Table.from_batches(pieces), recorded))
            if bars.num_rows:
                yield from self._finish(self._merge(bars, parts[0]) if self.every_ns else bars, parts[0]).to_batches()

    def _by_day(self) -> list[list[Part]]:
        """A symbol's parts of each day: what was recorded, and what a backfill brought."""
        found: dict[tuple[date, str], list[Part]] = {}
        for part in self.stored.parts:
            found.setdefault((part.day.date, part.symbol), []).append(part)
        return list(found.values())

    def _of_one_width(self, bars: pa.Table, recorded: list[pa.RecordBatch]) -> pa.Table:
        """The bars of the width asked for; else as recorded; else the widest that `every` is made of, or the finest."""
        widths = sorted(pc.unique(bars.column("resolution_ns")).to_pylist())
        fits = [width for width in widths if self.every_ns and self.every_ns % width == 0]
        width_ns = self.width_ns or (fits[-1] if fits else widths[0])
        if recorded and not self.width_ns:
            width_ns = int(pc.max(pa.Table.from_batches(recorded).column("resolution_ns")).as_py())
        return bars.filter(pc.equal(bars.column("resolution_ns"), width_ns))

    def _merge(self, bars: pa.Table, part: Part) -> pa.Table:
        """Bars of `every_ns`. Raises FinerThanDataError or QuestionError where they cannot be put together."""
        every_ns = self.every_ns or 1
        width_ns = int(pc.max(bars.column("resolution_ns")).as_py())
        if every_ns < width_ns:
            raise FinerThanDataError(
                f"The broker's bars of {part.symbol} on {part.day.date} are of {width_ns // 10**9} s. Ask for"
                f" every={width_ns // 10**9}s or longer, or for source='ours'."
            )
        if every_ns % width_ns:
            raise QuestionError(
                f"A bar is put together from whole ones of {width_ns // 10**9} s, as the broker's of {part.day.date}"
                " are. Ask for a multiple of that."
            )
        begins = bars.column("ts_begin").cast(pa.int64()).to_numpy()
        opens = np.array([span.open_ns for span in part.spans or []] or [0])
        phase = opens[np.maximum(np.searchsorted(opens, begins, side="right") - 1, 0)]
        groups = phase + (begins - phase) // every_ns * every_ns
        keyed = bars.append_column("group", pa.array(groups))
        merged: Any = keyed.group_by("group", use_threads=False).aggregate(_OF_BAR)
        columns = {name: merged.column(f"{name}_{how}") for name, how in _OF_BAR}
        columns["ts_begin"] = merged.column("group").cast(bars.schema.field("ts_begin").type)
        columns["resolution_ns"] = pa.array([every_ns] * merged.num_rows, pa.int64())
        return pa.table([columns[name] for name in bars.schema.names], bars.schema.names)

    def _finish(self, bars: pa.Table, part: Part) -> pa.Table:
        for name, scale in part.day.require(CANDLES)[0].scales.items():
            at = bars.schema.get_field_index(name)
            bars = bars.set_column(at, name, price(bars.column(name), scale, self.stored.look.prices))
        return bars.cast(self.schema)


def _in_force(bars: pa.Table) -> pa.Table:
    """Of each bar the last word, by begin: of a day that was recorded and brought again the later one."""
    bars = bars.sort_by([("ts_begin", "ascending"), ("ts_recv", "ascending"), ("revision", "ascending")])
    begins = bars.column("ts_begin").cast(pa.int64()).to_numpy()
    return bars.filter(pa.array(np.append(begins[1:] != begins[:-1], True)[: len(begins)]))


def make(stored: Rows, every_ns: int | None, resolution: str | None = None) -> Candles:
    """The spans reach back to the begin of the bar in which they open; bars of a day and longer know no phases."""
    width_ns = _parse_width(resolution)
    if every_ns and width_ns:
        raise QuestionError("Give either a resolution, or every for bars that are put together; not both.")
    is_long = width_ns is not None and width_ns >= DAY_NS
    parts = [
        part._replace(spans=None if is_long else part.spans and [_from_bar(span, part) for span in part.spans])
        for part in stored.parts
    ]
    if stored.look.origin and every_ns:
        raise QuestionError("A bar that is put together is of no one answer. Ask for origin=True without every.")
    return Candles(stored._replace(parts=parts, time="ts_begin"), every_ns, width_ns)


def _parse_width(resolution: str | None) -> int | None:
    if resolution is None:
        return None
    try:
        return parse_resolution(resolution).width_ns
    except ConfigError as error:
        raise QuestionError(str(error)) from None


def _from_bar(span: Span, part: Part) -> Span:
    section = part.day.certificate.get("candles") or {"due": {}}
    due = section["due"].get(part.day.segments[part.symbol], ())
    opens_ns = next((begin for begin, end in due if begin <= span.open_ns < end), span.open_ns)
    return span._replace(open_ns=opens_ns)
