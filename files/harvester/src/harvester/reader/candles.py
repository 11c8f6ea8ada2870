"""The broker's own bars: of each the revision in force, as stored or put together to longer ones."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvester.lake.layout import CANDLES
from harvester.reader.convert import price
from harvester.reader.errors import FinerThanDataError, QuestionError
from harvester.reader.rows import Part, Rows
from harvester.reader.sessions import Span

_OF_BAR = [
    *((name, "first") for name in ("ts_begin", "symbol", "open")),
    *(("high", "max"), ("low", "min"), ("close", "last"), ("volume", "sum")),
    *(("final", "all"), ("revision", "max"), ("source", "last"), ("resolution_ns", "last")),
]


class Candles(NamedTuple):
    """Bars of `every_ns`, counted from the opening of each phase; None: as they are stored."""

    stored: Rows
    every_ns: int | None

    @property
    def schema(self) -> pa.Schema:
        return self.stored.schema

    def most_rows(self) -> int:
        return self.stored.most_rows()

    def batches(self) -> Iterator[pa.RecordBatch]:
        exact = self.stored.look._replace(prices="paise")
        for part in self.stored.parts:
            pieces = list(self.stored._replace(parts=[part], look=exact).batches())
            if not pieces:
                continue
            bars = _in_force(pa.Table.from_batches(pieces))
            yield from self._finish(self._merge(bars, part) if self.every_ns else bars, part).to_batches()

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
    """Of each bar the last revision; rows are by begin and revision."""
    begins = bars.column("ts_begin").cast(pa.int64()).to_numpy()
    return bars.filter(pa.array(np.append(begins[1:] != begins[:-1], True)[: len(begins)]))


def make(stored: Rows, every_ns: int | None) -> Candles:
    """The spans reach back to the begin of the bar in which they open."""
    parts = [
        part._replace(spans=part.spans and [_from_bar(span, part) for span in part.spans]) for part in stored.parts
    ]
    look = stored.look
    if look.origin:
        raise QuestionError(
            "origin=True is for rows as they were received. Where each revision of a bar is in the journal is in the"
            " table candles: ./inv query."
        )
    return Candles(stored._replace(parts=parts, time="ts_begin"), every_ns)


def _from_bar(span: Span, part: Part) -> Span:
    section = part.day.certificate.get("candles") or {"due": {}}
    due = section["due"].get(part.day.segments[part.symbol], ())
    opens_ns = next((begin for begin, end in due if begin <= span.open_ns < end), span.open_ns)
    return span._replace(open_ns=opens_ns)
