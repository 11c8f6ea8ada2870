"""Columns of the lake's tables, schema 1. Prices are paise (rupees x 100), times are ns UTC, quantities are shares."""

import pyarrow as pa

from harvester.decode.fyers_rest import LEVELS, PAISE_PER_RUPEE

SCHEMA_VERSION = 1
METADATA = {"schema": str(SCHEMA_VERSION), "price_scale": str(PAISE_PER_RUPEE)}
DICTIONARY = pa.dictionary(pa.int32(), pa.string())


def _field(name: str, kind: pa.DataType, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def _side_fields(side: str) -> list[pa.Field]:
    """`<side>_px_1` is the best level. An absent level has no price, quantity 0 and 0 orders."""
    return [
        field
        for level in range(1, LEVELS + 1)
        for field in (
            _field(f"{side}_px_{level}", pa.int64(), nullable=True),
            _field(f"{side}_qty_{level}", pa.int64()),
            _field(f"{side}_ord_{level}", pa.int32()),
        )
    ]


OPTIONAL = ("ltq", "ltt", "volume", "open", "high", "low", "prev_close", "atp", "upper_ckt", "lower_ckt", "oi")
"""Values that an answer may lack; null then."""

DEPTH_SCHEMA = pa.schema(
    [
        *(_field(name, pa.int64()) for name in ("recv_ns", "mono_ns", "sched_ns", "sent_ns")),
        _field("symbol", DICTIONARY),
        _field("feed", DICTIONARY),
        _field("run_id", DICTIONARY),
        _field("seq", pa.int64()),
        *(_field(name, pa.int64()) for name in ("ltp", "total_buy_qty", "total_sell_qty")),
        *_side_fields("bid"),
        *_side_fields("ask"),
        *(_field(name, pa.int64(), nullable=True) for name in OPTIONAL),
    ],
    metadata=METADATA,
)

GAPS_SCHEMA = pa.schema(
    [
        _field("symbol", pa.string()),
        _field("from_ns", pa.int64()),
        _field("to_ns", pa.int64()),
        _field("cause", pa.string()),
        _field("detail", pa.string()),
        _field("slots", pa.int64()),
        _field("source", pa.string()),
    ],
    metadata=METADATA,
)
