"""The gap ledger as a file: written symbol by symbol, read back and compared, however many gaps there are."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.base.errors import HarvesterError
from harvester.lake.gaps.losses import DAMAGED
from harvester.lake.gaps.polls import GapRow, stream_gaps
from harvester.lake.schema import GAPS_SCHEMA

GROUP_ROWS = 1 << 16


class LedgerWriter:
    """Writes the ledger to a new file. Symbols must come in ascending order, each with all of its gaps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.damaged: list[GapRow] = []
        """The gaps of what is lost by damage of the journal."""
        self._waiting: list[GapRow] = []
        self._digest = hashlib.sha256()
        self._writer = pq.ParquetWriter(path, GAPS_SCHEMA, compression="zstd")

    def add(self, rows: Iterable[GapRow]) -> None:
        """The gaps of one symbol; they are put in the order of feeds and times."""
        ordered = sorted(rows, key=lambda row: (row.feed, row.from_ns))
        self.damaged += [row for row in ordered if row.cause == DAMAGED]
        self._waiting += ordered
        if len(self._waiting) >= GROUP_ROWS:
            self._write()

    def _write(self) -> None:
        columns = list(zip(*self._waiting, strict=True)) or [()] * len(GAPS_SCHEMA)
        self._writer.write_table(pa.table(columns, schema=GAPS_SCHEMA))
        _feed(self._digest, self._waiting)
        self.rows += len(self._waiting)
        self._waiting = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None and (self._waiting or not self.rows):
                self._write()
        finally:
            self._writer.close()

    def check(self) -> None:
        """Read the file back and compare it with what was written. Raises HarvesterError when they differ."""
        again = hashlib.sha256()
        _feed(again, stream_gaps(self.path))
        if again.digest() != self._digest.digest():
            raise HarvesterError(f"{self.path}: reading the file back gives other gaps than were written.")


def _feed(digest: "hashlib._Hash", rows: Iterable[GapRow]) -> None:
    for row in rows:
        digest.update(repr(tuple(row)).encode())
