"""The small tables of a day, whole: its instruments and its sessions."""

from collections.abc import Iterable

import pyarrow as pa

from harvester.lake.layout import INSTRUMENTS, SESSIONS
from harvester.reader.convert import Look, Prices, convert, stored_names
from harvester.reader.days import Day, Table

FEEDS = pa.field("feeds", pa.list_(pa.string()))
HOST = pa.field("host", pa.string())


def read_instruments(days: Iterable[Day], prices: Prices, tz: str) -> pa.Table:
    """One row a recorded symbol of each host; of days without the table what their certificates say."""
    look = Look(INSTRUMENTS, prices=prices, tz=tz)
    pieces = [_with_host(pa.schema(look.fields()).empty_table(), "").append_column(FEEDS, pa.array([], FEEDS.type))]
    for day in days:
        tables = day.tables(INSTRUMENTS)
        rows = _read(tables[0], look) if tables else _named(day, look)
        feeds = [day.feeds_of(symbol) for symbol in rows.column("symbol").to_pylist()]
        pieces.append(_with_host(rows, day.host).append_column(FEEDS, pa.array(feeds, FEEDS.type)))
    return pa.concat_tables(pieces)


def read_sessions(days: Iterable[Day], tz: str) -> pa.Table:
    """One row a phase and window of each segment of each host. Raises NotRecordedError for a day without them."""
    look = Look(SESSIONS, tz=tz)
    return pa.concat_tables([_with_host(_read(day.require(SESSIONS)[0], look), day.host) for day in days])


def _read(table: Table, look: Look) -> pa.Table:
    with table.day.readable(table.path):
        return convert(table.file.read(stored_names(look, table)), table, look)


def _named(day: Day, look: Look) -> pa.Table:
    rows = [{"symbol": symbol, "segment": segment} for symbol, segment in day.segments.items()]
    return pa.Table.from_pylist(rows, pa.schema(look.fields()))


def _with_host(rows: pa.Table, host: str) -> pa.Table:
    return rows.add_column(1, HOST, pa.array([host] * len(rows), pa.string()))
