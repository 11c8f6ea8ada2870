"""The certificate's entries of trades, and whether the table agrees with them and with itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

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


def check_trades(claimed: Mapping[str, Json], paths: Sequence[Path]) -> list[str]:
    """Flaws of a table of trades: rows of each kind, their shares, and volumes that do not follow from them.

    Raises HarvesterError for a file that is no such table.
    """
    found = _count(paths)
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


def _count(paths: Sequence[Path]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    volumes: dict[str, int] = {}
    for symbol, kinds, qty, volume in _by_symbol(paths):
        before: Ints = np.append(volumes.get(symbol, volume[0] - qty[0]), volume[:-1])
        volumes[symbol] = int(volume[-1])
        follows, begins = before + qty == volume, qty == volume
        found_here = {SHARES: qty.sum(), BREAKS: (~follows & ~begins).sum(), ANEW: (begins & ~follows).sum()}
        found.setdefault(symbol, Counter()).update(kinds | {name: int(number) for name, number in found_here.items()})
    return found


def _by_symbol(paths: Sequence[Path]) -> Iterator[tuple[str, dict[str, int], Ints, Ints]]:
    """Pieces of the table, each of one symbol: how many rows there are of each kind, their shares and volumes."""
    for batch in read_columns(paths, TRADES, _USED):
        symbols, kinds = batch.column("symbol"), batch.column("kind")
        names, texts = symbols.dictionary.to_pylist(), kinds.dictionary.to_pylist()
        codes, numbers, qty, volume = (
            column.to_numpy(zero_copy_only=False)
            for column in (symbols.indices, kinds.indices, batch.column("qty"), batch.column("volume"))
        )
        starts = np.append(0, np.flatnonzero(codes[1:] != codes[:-1]) + 1)[: len(codes)].tolist()
        for start, end in zip(starts, [*starts[1:], len(codes)], strict=True):
            counts = np.bincount(numbers[start:end], minlength=len(texts)).tolist()
            piece = slice(start, end)
            yield names[codes[start]], dict(zip(texts, counts, strict=True)), qty[piece], volume[piece]
