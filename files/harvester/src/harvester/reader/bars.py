"""Bars of whole minutes, put together from those of a minute that the lake keeps."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from harvester.lake.layout import BARS
from harvester.reader.arguments import UNITS_NS
from harvester.reader.convert import price
from harvester.reader.errors import FinerThanDataError, QuestionError
from harvester.reader.rows import Part, Rows
from harvester.reader.sessions import Span

MINUTE_NS = UNITS_NS["m"]
_OF_BAR = [
    *((name, "first") for name in ("ts_begin", "symbol", "open")),
    *(("high", "max"), ("low", "min")),
    *((name, "last") for name in ("close", "bid_px", "ask_px")),
    *((name, "sum") for name in ("volume", "updates", "gap_ns")),
]


class Bars(NamedTuple):
    """Bars of `every_ns`, counted from the opening of each phase; put together while prices are integers."""

    minutes: Rows
    every_ns: int

    @property
    def schema(self) -> pa.Schema:
        return self.minutes.schema

    def most_rows(self) -> int:
        return self.minutes.most_rows()

    def batches(self) -> Iterator[pa.RecordBatch]:
        exact = self.minutes.look._replace(prices="paise")
        for part in self.minutes.parts:
            pieces = list(self.minutes._replace(parts=[part], look=exact).batches())
            if pieces:
                yield from self._merge(pa.Table.from_batches(pieces), part).to_batches()

    def _merge(self, minutes: pa.Table, part: Part) -> pa.Table:
        begins = minutes.column("ts_begin").cast(pa.int64()).to_numpy()
        spans = part.spans or []
        opens = np.array([span.open_ns for span in spans] or [0])
        phase = opens[np.maximum(np.searchsorted(opens, begins, side="right") - 1, 0)]
        groups = phase + (begins - phase) // self.every_ns * self.every_ns
        keyed = minutes.append_column("group", pa.array(groups))
        merged: Any = keyed.group_by("group", use_threads=False).aggregate([*_OF_BAR])
        columns = {name: merged.column(f"{name}_{how}") for name, how in _OF_BAR}
        zone = self.schema.field("ts_begin").type
        columns["ts_begin"] = merged.column("group").cast(zone)
        for name, scale in part.day.require(BARS)[0].scales.items():
            columns[name] = price(columns[name], scale, self.minutes.look.prices)
        return pa.table([columns[name] for name in self.schema.names], self.schema.names).cast(self.schema)


def make(minutes: Rows, every_ns: int) -> Bars:
    """Raises FinerThanDataError or QuestionError."""
    if every_ns < MINUTE_NS:
        raise FinerThanDataError(
            "The lake's bars are of a minute. Ask for every=1m or longer, or grid() for what is finer."
        )
    if every_ns % MINUTE_NS:
        raise QuestionError("A bar is put together from whole minutes. Ask for every=1m, 5m, 1h or so.")
    parts = [part._replace(spans=part.spans and [_from_minute(span) for span in part.spans]) for part in minutes.parts]
    return Bars(minutes._replace(parts=parts, time="ts_begin"), every_ns)


def _from_minute(span: Span) -> Span:
    """The stretch from the begin of the minute in which it opens."""
    return span._replace(open_ns=span.open_ns // MINUTE_NS * MINUTE_NS)
