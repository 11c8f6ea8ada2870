"""What is traded: instruments in the broker's symbol master format (21 columns, no header), by ticker."""

import csv
import gzip
import io
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import ConfigError

COLUMNS = 21
TICKER = re.compile(r"^[A-Z]{3}:\S+$")
FUTURE_TYPES = {"11", "13"}
INDEX_TYPE = "10"


class Instrument(NamedTuple):
    """One row of the symbol master. `tick` is in paise."""

    ticker: str
    token: str
    kind: str
    lot: int
    tick: int
    expiry: str
    exchange: int
    segment: int
    row: tuple[str, ...]

    @property
    def is_future(self) -> bool:
        return self.kind in FUTURE_TYPES

    @property
    def is_index(self) -> bool:
        return self.kind == INDEX_TYPE

    @property
    def short_name(self) -> str:
        return self.ticker.partition(":")[2]


def load_instruments(path: Path | None = None) -> dict[str, Instrument]:
    """Read a symbol master (CSV, also gzipped), or the small one in the package.

    Raises ConfigError naming file and line for rows that are not in the broker's format.
    """
    source = path or files("exchange.market").joinpath("symbols.csv")
    try:
        raw = source.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise ConfigError(
            f"{source}: the symbol master cannot be read ({error}). Name a file in the format of the"
            " broker's NSE_CM.csv with --symbols-file."
        ) from error
    return {item.ticker: item for item in _parse(csv.reader(io.StringIO(text)), str(source))}


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
    if len(row) != COLUMNS:
        raise ValueError(f"{len(row)} columns")
    if not TICKER.match(row[9]):
        raise ValueError(f"ticker {row[9]!r}")
    tick = Decimal(row[4]) * 100
    if tick <= 0 or tick != int(tick):
        raise ValueError(f"tick size {row[4]!r} is not in whole paise")
    return Instrument(
        ticker=row[9],
        token=row[0],
        kind=row[2],
        lot=int(row[3]),
        tick=int(tick),
        expiry=row[8],
        exchange=int(row[10]),
        segment=int(row[11]),
        row=tuple(row),
    )
