"""A table of books of the harvester's lake, with the quotes that were known: what an answer of /depth has."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from exchange.market.instruments import Instrument
from exchange.quotes import recorded_row, recorded_sides
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from harvester.lake.columns import PAISE
from harvester.lake.layout import DEPTH, PARTITION, QUOTES, SCHEMA_VERSION, Partition, table_of
from harvester.lake.manifest import load_manifest
from harvester.lake.schema import version_of
from harvester.lake.tables.parquet import plain

DEFAULT_TICK = 5
RECV, TRADE = ("ts_recv", "recv_ns"), "ts_trade"


class BookTable:
    """The rows of a file of books in order of receipt. Raises ConfigError for a file that is none."""

    def __init__(self, path: Path) -> None:
        try:
            self._books, version = _read(path)
            self.symbols: list[str] = self._books.column("symbol").cast(pa.string()).to_pylist()
            self.times: list[int] = self._books.column(RECV[version < SCHEMA_VERSION]).to_pylist()
            self._books.column("bid_px" if version < SCHEMA_VERSION else f"bid_px{PAISE}")
        except (pa.ArrowInvalid, KeyError, HarvesterError) as error:
            raise ConfigError(
                f"{path}: not a table of books of the lake ({error}). Name a Parquet file of depth_v3/, in its lake, or"
                " of depth/."
            ) from error
        self._quotes = _read_quotes(path) if version >= SCHEMA_VERSION else None
        self._known = self._find_quotes()

    def _find_quotes(self) -> list[int]:
        """For each book the place of the symbol's quote that was received last by then, -1 for none."""
        if self._quotes is None:
            return [-1] * len(self.symbols)
        names = np.array(self._quotes.column("symbol").cast(pa.string()).to_pylist(), dtype=object)
        received = self._quotes.column(RECV[0]).to_numpy()
        order = np.argsort(received, kind="stable")
        mine = {name: order[names[order] == name] for name in {*self.symbols}}
        places = []
        for symbol, time_ns in zip(self.symbols, self.times, strict=True):
            place = int(np.searchsorted(received[mine[symbol]], time_ns, side="right")) - 1
            places.append(int(mine[symbol][place]) if place >= 0 else -1)
        return places

    def answer(self, place: int, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
        """The broker's JSON of one row; what no quote said is 0."""
        values = self._books.slice(place, 1).to_pylist()[0]
        quote = (
            self._quotes.slice(self._known[place], 1).to_pylist()[0]
            if self._quotes is not None and self._known[place] >= 0
            else {}
        )
        values = {name.removesuffix(PAISE): value for name, value in ({**quote, **values}).items()}
        if traded := values.get(TRADE):
            values["ltt"] = traded // NS_PER_SECOND
        item = instruments.get(values["symbol"])
        tick, expiry = (item.tick, item.expiry) if item else (DEFAULT_TICK, "")
        levels = {
            f"{side}_{what}_{level + 1}": value
            for side in ("bid", "ask")
            for what in ("px", "qty", "ord")
            for level, value in enumerate(values[f"{side}_{what}"])
        }
        known = {name: value for name, value in values.items() if value is not None}
        return recorded_row(_Known(known), recorded_sides(levels, "px_", "qty_", "ord_"), tick, expiry)


class _Known(dict[str, Any]):
    """Values of which those that are not known are 0."""

    def __missing__(self, name: str) -> int:
        return 0


def _read(path: Path) -> tuple[pa.Table, int]:
    with pq.ParquetFile(path) as file:
        table = file.read()
    names = table.column_names
    return pa.table({name: plain(table.column(name)) for name in names}), version_of(path, table.schema)


def _read_quotes(path: Path) -> pa.Table | None:
    """The quotes of the same day and host; None where the day has none. Raises ConfigError outside a lake."""
    found = PARTITION.match(path.parent.relative_to(path.parents[2]).as_posix()) if len(path.parents) > 3 else None
    if found is None or table_of(path.parents[2].name) != DEPTH:
        raise ConfigError(f"{path}: the quotes of its day are beside it in the lake, and it is in none. Name it there.")
    lake = path.parents[3]
    try:
        manifest = load_manifest(lake, Partition(date.fromisoformat(found[1]), found[2]))
    except HarvesterError as error:
        raise ConfigError(str(error)) from error
    files = manifest.find(QUOTES) if manifest else []
    return _read(lake / files[0].path)[0] if files else None
