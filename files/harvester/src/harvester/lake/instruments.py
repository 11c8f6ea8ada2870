"""The recorded symbols of a day by the broker's symbol master: what each was, and its permanent numbers.

The rows are kept in the lake, not the masters: those take 3 MB a day, and a host deletes them after 60 days. What a
former generation of the day knew is kept where the master is gone.
"""

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.base.errors import HarvesterError
from harvester.brokers.fyers.masters import KeptMasters
from harvester.brokers.fyers.successors import Last
from harvester.brokers.numbers import PAISE_PER_RUPEE
from harvester.lake.day.model import Day
from harvester.lake.layout import INSTRUMENTS
from harvester.lake.schema import INSTRUMENTS_SCHEMA, SCHEMAS_OF, version_of

Row = dict[str, Any]
OPTIONS = ("CE", "PE")


def find_instruments(day: Day, symbols: Collection[str], masters: Path | None, former: Path | None) -> list[Row]:
    """A row a symbol, sorted; what neither a master nor a former generation says is None.

    `masters` has the host's symbol masters by day, of which the newest counts that is not after the day; `former` is
    the table of the generation before. Raises HarvesterError where that is needed and cannot be read.
    """
    after = day.partition.date + timedelta(days=1)
    found = KeptMasters(masters).last_of(symbols, before=after) if masters else {}
    known: dict[str, Row] = {}
    if former and former.exists() and not found.keys() >= {*symbols}:
        known = {row["symbol"]: row for row in read_instruments(former)}
    rows = {name: _row(found[name]) if name in found else known.get(name, {}) for name in sorted(symbols)}
    return [{**row, "symbol": name, "segment": day.segment_of(name)} for name, row in rows.items()]


def _row(last: Last) -> Row:
    listing = last.listing
    is_option = listing.option in OPTIONS
    return {
        "fy_token": listing.fy_token,
        "isin": listing.isin or None,
        "name": listing.name,
        "tick_paise": _paise(listing.tick),
        "lot": listing.lot,
        "ts_expiry": listing.expires_ns,
        "root": listing.root,
        "underlying": listing.underlying,
        "strike_paise": _paise(listing.strike) if is_option else None,
        "option_type": listing.option if is_option else None,
        "hours": listing.session,
        "master_date": last.day,
    }


def _paise(rupees: Decimal | None) -> int | None:
    """None for what is no whole number of paise, as the ticks of currencies."""
    paise = None if rupees is None else rupees * PAISE_PER_RUPEE
    return int(paise) if paise is not None and paise == int(paise) else None


def make_instruments(rows: list[Row]) -> pa.Table:
    """The rows as the table."""
    return pa.Table.from_pylist(rows, INSTRUMENTS_SCHEMA)


def read_instruments(path: Path) -> list[Row]:
    """The rows of such a table. Raises HarvesterError for what is none."""
    try:
        with pq.ParquetFile(path) as file:
            schema = SCHEMAS_OF[version_of(path, file.schema_arrow)][INSTRUMENTS]
            rows: list[Row] = file.read([*schema.names]).cast(schema).to_pylist()
            return rows
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise HarvesterError(
            f"{path}: the table of instruments cannot be read ({str(error).splitlines()[0][:120]}). Restore it from its"
            " other copy, then run the command again."
        ) from error
