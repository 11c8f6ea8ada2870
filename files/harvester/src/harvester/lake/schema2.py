"""Columns of the lake's tables, schema 2, which releases up to November 2026 wrote: read, and never written again.

Prices are paise (rupees x 100), times int64 ns since 1970 UTC, but `ltt`, `exchange_time`, `feed_time` and `send_time`
seconds. A row of `depth` has the quote beside the book.
"""

import pyarrow as pa

from harvester.lake.columns import Column, Table, optional, plain, sides, with_metadata
from harvester.lake.layout import BARS, DEPTH, DEPTH50, GAPS, INDICES, QUOTES

VERSION = 2
_ORIGIN = (
    *plain("recv_ns", "mono_offset_ns"),
    Column("feed", "name"),
    Column("run_id", "name"),
    *plain("seq"),
    Column("entry", "int32"),
    Column("connection", "int32", nullable=True),
    Column("in_session", "bool"),
)
_DEPTH = (
    *optional("sched_ns", "sent_ns", "ltp", "total_buy_qty", "total_sell_qty"),
    *sides(5, "px"),
    *optional("ltq", "ltt", "volume", "open", "high", "low", "prev_close", "atp", "upper_ckt", "lower_ckt", "oi"),
    *optional("exchange_time"),
)
_QUOTE = optional(
    *("ltp", "volume", "ltt", "exchange_time", "bid_qty", "ask_qty", "bid_px", "ask_px", "ltq"),
    *("total_buy_qty", "total_sell_qty", "atp", "oi", "low", "high", "year_high", "year_low"),
    *("lower_ckt", "upper_ckt", "open", "prev_close"),
)
_INDEX = optional("ltp", "prev_close", "exchange_time", "high", "low", "open", "year_high", "year_low")
_DEPTH50 = (
    *optional("sequence", "feed_time", "send_time"),
    Column("snapshot", "bool"),
    Column("suspect", "bool"),
    *optional("total_buy_qty", "total_sell_qty"),
    *sides(50, "px"),
)
_BARS = (
    *plain("begin_ns"),
    *optional("open", "high", "low", "close", "volume", "bid_px", "ask_px"),
    *plain("updates", "gap_ns"),
)
TABLES = {
    table.name: table
    for table in (
        Table(DEPTH, (*_ORIGIN, *_DEPTH), VERSION, lead="recv_ns"),
        Table(QUOTES, (*_ORIGIN, *_QUOTE), VERSION, lead="recv_ns"),
        Table(INDICES, (*_ORIGIN, *_INDEX), VERSION, lead="recv_ns"),
        Table(DEPTH50, (*_ORIGIN, *_DEPTH50), VERSION, lead="recv_ns"),
        Table(BARS, _BARS, VERSION, lead="begin_ns"),
    )
}
GAPS_SCHEMA = with_metadata(
    pa.schema(
        [
            pa.field("symbol", pa.string(), nullable=False),
            pa.field("feed", pa.string(), nullable=False),
            pa.field("from_ns", pa.int64(), nullable=False),
            pa.field("to_ns", pa.int64(), nullable=False),
            pa.field("cause", pa.string(), nullable=False),
            pa.field("detail", pa.string(), nullable=False),
            pa.field("slots", pa.int64(), nullable=True),
            pa.field("source", pa.string(), nullable=False),
        ]
    ),
    VERSION,
)
FORMER = {
    "ts_recv": "recv_ns",
    "ts_sched": "sched_ns",
    "ts_send": "sent_ns",
    "ts_begin": "begin_ns",
    "ts_from": "from_ns",
    "ts_to": "to_ns",
    "ltp_paise": "ltp",
    **{f"{side}_px_paise": f"{side}_px" for side in ("bid", "ask")},
}
"""What columns of later schemas were called, where they held the same numbers."""
SCHEMAS = {GAPS: GAPS_SCHEMA, **{name: table.schema for name, table in TABLES.items()}}
