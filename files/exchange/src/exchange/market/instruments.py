"""What is traded: instruments in the broker's symbol master format (21 columns, no header), by ticker."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import ConfigError

OURS = "symbols.csv"
COLUMNS, MOST_COLUMNS = 21, 30
UNDERLYING = 17
"""Column with the fyToken of the underlying."""
TICKER = re.compile(r"^[A-Z]{3}:\S(.*\S)?$")
FUTURE_TYPES = {"11", "13"}
INDEX_TYPE = "10"
PAISE, FINE = 100, 10_000
NO_TICK = Decimal("0.05")
"""Rupees, where a row states none, or zero."""
"""Units of price in a rupee: of most segments, and of those whose tick is finer than a paisa (currency)."""


class Instrument(NamedTuple):
    """One row of the symbol master. `tick` and all prices of the instrument count units of 1 / `per_rupee` rupee."""

    ticker: str
    token: str
    kind: str
    lot: int
    tick: int
    expiry: str
    exchange: int
    segment: int
    row: tuple[str, ...]
    per_rupee: int = PAISE
    underlying: "Instrument | None" = None
    """Of a future, where the symbol master has it."""

    @property
    def is_future(self) -> bool:
        return self.kind in FUTURE_TYPES

    @property
    def is_index(self) -> bool:
        return self.kind == INDEX_TYPE

    @property
    def decimals(self) -> int:
        """Of a price in rupees."""
        return len(str(self.per_rupee)) - 1

    @property
    def short_name(self) -> str:
        return self.ticker.partition(":")[2]


def load_instruments(path: Path | None = None) -> dict[str, Instrument]:
    """Read a symbol master (CSV, also gzipped), or the small one in the package.

    Raises ConfigError naming file and line for rows that are not in the broker's format.
    """
    source = path or files("exchange.market").joinpath(OURS)
    try:
        raw = source.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(
            f"{source}: the symbol master cannot be read ({error}). Name a file in the format of the"
            " broker's NSE_CM.csv with --symbols-file."
        ) from error
    found = {item.ticker: item for item in _parse(csv.reader(io.StringIO(text)), str(source))}
    return _with_underlyings(found, found if path is None else load_instruments())


def _with_underlyings(found: dict[str, Instrument], ours: dict[str, Instrument]) -> dict[str, Instrument]:
    """Futures with what they follow: from their own file, else from the package, as the broker has a file a segment."""
    by_token = {item.token: item for item in (ours | found).values() if not item.is_future}
    return {
        ticker: item._replace(underlying=by_token.get(item.row[UNDERLYING])) if item.is_future else item
        for ticker, item in found.items()
    }


def _parse(rows: Iterable[list[str]], source: str) -> Iterable[Instrument]:
    for line, row in enumerate(rows, start=1):
        if not row:
            continue
        try:
            yield _instrument(row)
        except (ValueError, IndexError, InvalidOperation) as error:
            raise ConfigError(
                f"{source}, line {line}: not a row of the broker's symbol master ({error}). Each row has {COLUMNS}"
                " columns and no header: fyToken, description, instrument type, lot, tick size, ISIN, ..., ticker."
            ) from error


def _instrument(row: list[str]) -> Instrument:
    if not COLUMNS <= len(row) <= MOST_COLUMNS:
        raise ValueError(f"{len(row)} columns")
    if not TICKER.match(row[9]):
        raise ValueError(f"ticker {row[9]!r}")
    size = Decimal(row[4] or 0) or NO_TICK
    per_rupee = next((units for units in (PAISE, FINE) if size * units % 1 == 0), None)
    if size <= 0 or per_rupee is None:
        raise ValueError(f"tick size {row[4]!r} is not a multiple of 1/{FINE} rupee")
    return Instrument(
        ticker=row[9],
        token=row[0],
        kind=row[2],
        lot=int(row[3]),
        tick=int(size * per_rupee),
        expiry=row[8],
        exchange=int(row[10]),
        segment=int(row[11]),
        row=tuple(row),
        per_rupee=per_rupee,
    )
