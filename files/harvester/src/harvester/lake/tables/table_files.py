"""A table as files: of a large day several, each with whole symbols, so that no footer grows with the day."""

from collections.abc import Sequence
from pathlib import Path

from harvester.decode.frames import Ints, give_back_heap
from harvester.lake.columns import Table
from harvester.lake.tables.parquet import TableWriter, check_written

MOST_GROUPS = 256
"""Row groups after which a file ends with its symbol: their footer takes 7 MiB of who writes it, 25 of who reads it."""

LARGE_BYTES = 4 << 20
"""Of a file's rows in memory: below, giving back what writing took costs more time than the memory is worth."""


class TableFiles:
    """Writes a table symbol by symbol; each file is read back and compared as soon as it is whole."""

    def __init__(self, path: Path, table: Table, run_ids: Sequence[str]) -> None:
        """`path` is of the first file; others lie beside it. What a close that was killed left of them is deleted."""
        self.files: list[tuple[Path, int]] = []
        """Of what is read back: path and rows."""
        self._path = path
        self._table = table
        self._run_ids = run_ids
        self._writer: TableWriter | None = None
        for left in path.parent.glob(self._name("*")):
            left.unlink()

    def _name(self, number: object) -> str:
        return self._path.name.replace(".parquet", f".{number}.parquet")

    def add(self, symbol: str, matrix: Ints) -> None:
        """More rows of a symbol, sorted after those before. Symbols must come in ascending order."""
        if matrix.shape[1]:
            self._begun().add(symbol, matrix)

    def end_symbol(self, symbol: str) -> None:
        """No more rows of it. Raises HarvesterError when a file that is whole is not what was written."""
        if self._writer:
            self._writer.end_symbol(symbol)
            if self._writer.groups >= MOST_GROUPS:
                self._finish(self._writer)

    def end(self, *, is_needed: bool = True) -> None:
        """No more rows: the last file ends; where a file `is_needed`, there is one without rows, too. Raises
        HarvesterError.
        """
        if self._writer or (is_needed and not self.files):
            self._finish(self._begun())

    def _begun(self) -> TableWriter:
        if self._writer is None:
            path = self._path.with_name(self._name(len(self.files) + 1)) if self.files else self._path
            self._writer = TableWriter(path, self._table, self._run_ids)
        return self._writer

    def _finish(self, writer: TableWriter) -> None:
        writer.close()
        self._writer = None
        if 8 * self._table.height * writer.rows >= LARGE_BYTES:
            give_back_heap()  # reading takes the same again elsewhere
        check_written(writer)
        self.files.append((writer.path, writer.rows))

    def close(self) -> None:
        """Give up what is not whole."""
        if self._writer:
            self._writer.abandon()
