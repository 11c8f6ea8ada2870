"""Rows of a logical table: symbols on days, in the order of receipt, read a row group at a time."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from harvester.reader.convert import Look, convert, stored_names
from harvester.reader.days import Day, Table
from harvester.reader.sessions import Span


class Part(NamedTuple):
    """A symbol on a day: the stretches of time that count, wall ns; None: all rows."""

    day: Day
    symbol: str
    spans: list[Span] | None


class Rows(NamedTuple):
    """A question that can be read as often as wanted. `time` is the logical column that the spans are about."""

    parts: Sequence[Part]
    look: Look
    begin_ns: int
    end_ns: int
    time: str = "ts_recv"

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(self.look.fields(self._digits()))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The answer, piece by piece: day after day, symbol after symbol, in the order of receipt."""
        schema = self.schema
        for part in self.parts:
            for table in self._read(part):
                yield from table.cast(schema).combine_chunks().to_batches()

    def most_rows(self) -> int:
        """At most so many rows: those of the row groups that are read."""
        tables = ((part, table) for part in self.parts for table in part.day.tables(self.look.logical))
        return sum(table.rows(table.groups(part.symbol)) for part, table in tables)

    def _digits(self) -> int:
        tables = self.parts[0].day.tables(self.look.logical) if self.parts else []
        return max((table.digits for table in tables), default=2)

    def _read(self, part: Part) -> Iterator[pa.Table]:
        tables = part.day.require(self.look.logical)
        if len(tables) > 1:
            tables = [table for table in tables if table.groups(part.symbol)]
        if len({id(table.source) for table in tables}) == 1:  # files of one table are in the order of a symbol's rows
            for table in tables:
                for rows in read_groups(table, part.symbol, stored_names(self.look, table)):
                    yield convert(self._choose(rows, table, part), table, self.look)
            return
        pieces = [
            convert(self._choose(rows, table, part), table, self._sortable())
            for table in tables
            for rows in read_groups(table, part.symbol, stored_names(self._sortable(), table))
        ]
        if pieces:
            yield in_order(pa.concat_tables(pieces), part.day.runs).select(self.schema.names)

    def _sortable(self) -> Look:
        return self.look._replace(origin=True)

    def _choose(self, rows: pa.Table, table: Table, part: Part) -> pa.Table:
        """The rows inside the spans."""
        times = rows.column(table.source.columns[self.time].name).cast(pa.int64())
        spans = [(self.begin_ns, self.end_ns)] if part.spans is None else [span[1:] for span in part.spans]
        keep: Any = pa.array([False] * len(rows), pa.bool_())
        for opens, closes in spans:
            begin, end = max(opens, self.begin_ns), min(closes, self.end_ns)
            keep = pc.or_(keep, pc.and_(pc.greater_equal(times, begin), pc.less(times, end)))
        return rows.filter(keep)


def read_groups(table: Table, symbol: str, names: list[str]) -> Iterator[pa.Table]:
    """The stored rows of a symbol, a row group at a time. Raises DamagedFileError."""
    for number in table.groups(symbol):
        with table.day.readable(table.path):
            wanted = {*names, "symbol"} | ({"feed"} if table.source.feeds else set())
            rows = table.file.read_row_group(number, [*wanted])
        if (mine := of_symbol(rows, table, symbol)).num_rows:
            yield mine


def of_symbol(rows: pa.Table, table: Table, symbol: str) -> pa.Table:
    """The rows of a symbol, and of the feeds that the source is about."""
    names = rows.column("symbol").unique().to_pylist()
    if names != [symbol]:
        rows = rows.filter(pc.equal(rows.column("symbol").cast(pa.string()), symbol))
    if table.source.feeds:
        rows = rows.filter(pc.is_in(rows.column("feed").cast(pa.string()), pa.array(table.source.feeds)))
    return rows


def in_order(rows: pa.Table, runs: list[str]) -> pa.Table:
    """Rows by run, number of the record and place in its frame: no clock orders anything."""
    run = pc.index_in(rows.column("run_id"), pa.array(runs, pa.string()))
    keyed = rows.append_column("run", run)
    return keyed.sort_by([("run", "ascending"), ("seq", "ascending"), ("entry", "ascending")]).drop_columns("run")
