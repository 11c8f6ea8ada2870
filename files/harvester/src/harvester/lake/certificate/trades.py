"""The certificate's entries of trades, and whether the table agrees with them and with itself."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvester.decode.frames import Ints
from harvester.lake.certificate.streams import Json
from harvester.lake.layout import TRADES
from harvester.lake.schema import PRINTS
from harvester.lake.tables.parquet import read_columns
from harvester.lake.tables.trades import RESETS, SHARES

BREAKS, ANEW = "breaks", "anew"
"""Rows whose volume is not that of the row before and their own shares: it is their own shares alone where it began
anew, and nothing else.
"""
_USED = ("symbol", "kind", "qty", "volume")


def check_trades(claimed: Mapping[str, Json], path: Path) -> list[str]:
    """Flaws of a table of trades: rows of each kind, their shares, and volumes that do not follow from them.

    Raises HarvesterError for a file that is no such table.
    """
    found = _count(path)
    flaws = [f"{symbol}: has trades, but no entry of them" for symbol in sorted({*found} - {*claimed})]
    for symbol, entry in claimed.items():
        counted = found.get(symbol, Counter())
        flaws += [
            f"{symbol}: {name} of its trades are {counted[name]}, the certificate says {entry[name]}"
            for name in (*PRINTS, SHARES)
            if counted[name] != entry[name]
        ]
        if counted[BREAKS] or counted[ANEW] > entry[RESETS]:
            flaws.append(f"{symbol}: {counted[BREAKS]} of its trades do not follow from the volume before")
    return flaws


def _count(path: Path) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    volumes: dict[str, int] = {}
    for symbol, rows in _by_symbol(path):
        qty, volume = (rows.column(name).to_numpy() for name in ("qty", "volume"))
        before: Ints = np.append(volumes.get(symbol, volume[0] - qty[0]), volume[:-1])
        volumes[symbol] = int(volume[-1])
        counts = found.setdefault(symbol, Counter())
        for pair in pc.value_counts(rows.column("kind").cast(pa.string())).to_pylist():
            counts[pair["values"]] += pair["counts"]
        follows, begins = before + qty == volume, qty == volume
        found_here = {SHARES: qty.sum(), BREAKS: (~follows & ~begins).sum(), ANEW: (begins & ~follows).sum()}
        counts.update({name: int(number) for name, number in found_here.items()})
    return found


def _by_symbol(path: Path) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Pieces of the table, each of one symbol."""
    for batch in read_columns(path, TRADES, _USED):
        symbols = batch.column("symbol").cast(pa.string())
        for symbol in symbols.unique().to_pylist():
            yield symbol, batch.filter(pc.equal(symbols, symbol))
