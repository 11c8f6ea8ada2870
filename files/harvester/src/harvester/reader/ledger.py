"""The gap ledger of some days, as rows."""

from collections.abc import Collection, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from harvester.lake.layout import GAPS
from harvester.reader.arguments import Range
from harvester.reader.convert import Look, convert, stored_names
from harvester.reader.days import Day


def read_gaps(days: Iterable[tuple[Day, Collection[str] | None]], asked: Range, tz: str) -> pa.Table:
    """Gaps that lie in the range, or reach into it, of these symbols on each day; None: of all. Raises ReaderError."""
    look = Look(GAPS, tz=tz)
    pieces = [pa.schema(look.fields()).empty_table()]
    for day, symbols in days:
        table = day.ledger()
        with day.readable(table.path):
            stored = table.file.read(stored_names(look, table))
        rows = convert(stored, table, look)
        begins, ends = (rows.column(name).cast(pa.int64()) for name in ("ts_from", "ts_to"))
        keep = pc.and_(pc.less(begins, asked.end_ns), pc.greater(ends, asked.begin_ns))
        if symbols is not None:
            keep = pc.and_(keep, pc.is_in(rows.column("symbol"), pa.array(sorted(symbols), pa.string())))
        pieces.append(rows.filter(keep))
    return pa.concat_tables(pieces)
