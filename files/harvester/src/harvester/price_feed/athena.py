"""The table by which Amazon Athena reads the feed's csv.gz; its projected partitions are the keys, and no crawler runs.

The keys have the names of columns in them (symbol, year, month, day), which a table may have once: the partitions have
names of their own, and storage.location.template says where they lie (Athena user guide, "Use partition projection").
"""

from collections.abc import Iterable

from harvester.price_feed.layout import ANALYTICS, COLUMNS
from harvester.reader.athena import Definition

TABLE = "ohlcv_data"
YEARS = "2020,2039"
TYPES = {
    **dict.fromkeys(("timestamp_unix", "volume"), "bigint"),
    **dict.fromkeys(("open", "high", "low", "close"), "double"),
    **dict.fromkeys(("year", "month", "day", "hour"), "int"),
}
"""Of columns that are no text."""
PARTITIONS = {
    "symbol_partition": "string",
    **dict.fromkeys(("year_partition", "month_partition", "day_partition"), "int"),
}


def name_of(prefix: str) -> str:
    """The table of a place's prefix: of the bucket's top, ohlcv_data."""
    return "_".join([TABLE, *(part.replace("-", "_").lower() for part in prefix.split("/") if part)])


def define_feed(bucket: str, prefix: str, symbols: Iterable[str]) -> Definition:
    """The table; `symbols` as keys have them."""
    location = f"s3://{bucket}/{prefix}{ANALYTICS}/csv/"
    ranges = {"year": (YEARS, "4"), "month": ("1,12", "2"), "day": ("1,31", "2")}
    properties = {
        "skip.header.line.count": "1",
        "projection.enabled": "true",
        "projection.symbol_partition.type": "enum",
        "projection.symbol_partition.values": ",".join(sorted(symbols)),
    }
    for name, (span, digits) in ranges.items():
        key = f"projection.{name}_partition"
        properties |= {f"{key}.type": "integer", f"{key}.range": span, f"{key}.digits": digits}
    folders = "/".join(f"{name}=${{{name}_partition}}" for name in ("symbol", *ranges))
    properties["storage.location.template"] = f"{location}{folders}/"
    columns = {name: TYPES.get(name, "string") for name in COLUMNS}
    return Definition(name_of(prefix), columns, location, properties, PARTITIONS, is_text=True, delimiter=",")
