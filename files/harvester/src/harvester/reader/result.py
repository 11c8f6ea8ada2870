"""An answer: it is read when it is used, as a frame of whichever library, or piece by piece."""

import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pyarrow as pa

from harvester.reader.errors import MissingPackageError, TooLargeError

SHARE = 0.8
"""Of the free memory, what an answer may take."""
GIB = 1 << 30
TEXT_BYTES = 24


class Pieces(Protocol):
    """What an answer is read from."""

    @property
    def schema(self) -> pa.Schema: ...

    def batches(self) -> Iterator[pa.RecordBatch]: ...

    def most_rows(self) -> int: ...


class Answer:
    """Rows that somebody asked for. Asked for anything a frame has, it is one: polars' where polars is installed, else
    pandas', else pyarrow's. `pl.DataFrame(answer)` and all else that reads Arrow streams takes it, too.
    """

    def __init__(self, pieces: Pieces, free: Callable[[], int]) -> None:
        self._pieces = pieces
        self._free = free
        self._frame: Any = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Piece by piece, so that any amount fits: a few MiB at a time."""
        return self._pieces.batches()

    def arrow(self) -> pa.Table:
        """A pyarrow.Table. Raises TooLargeError."""
        self._require_room()
        return pa.Table.from_batches(self.batches(), self._pieces.schema)

    def polars(self) -> Any:
        """A polars.DataFrame. Raises TooLargeError or MissingPackageError."""
        return load_package("polars", ".polars()").from_arrow(self.arrow())

    def pandas(self) -> Any:
        """A pandas.DataFrame with pyarrow's types, so that integers with nulls stay exact."""
        pandas = load_package("pandas", ".pandas()")
        return self.arrow().to_pandas(types_mapper=pandas.ArrowDtype)

    def duckdb(self) -> Any:
        """A relation of DuckDB's default connection, which reads the answer each time that it is asked."""
        return load_package("duckdb", ".duckdb()").from_arrow(self)

    def numpy(self) -> dict[str, Any]:
        """Arrays by column; where a column has nulls, floats have NaN, times NaT, integers become floats."""
        load_package("numpy", ".numpy()")
        table = self.arrow()
        return {name: table.column(name).to_numpy() for name in table.column_names}

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self._pieces.schema, self.batches())
        return reader.__arrow_c_stream__(requested_schema)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # such as what copy and pickle ask a half-made object for
            raise AttributeError(name)
        return getattr(self._best(), name)

    def __getitem__(self, key: Any) -> Any:
        return self._best()[key]

    def __len__(self) -> int:
        return len(self._best())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._best())

    def __repr__(self) -> str:
        return repr(self._best())

    def _repr_html_(self) -> str:
        show = getattr(self._best(), "_repr_html_", None)
        return str(show() if show else repr(self._best()))

    def _best(self) -> Any:
        if self._frame is None:
            for form in (self.polars, self.pandas, self.arrow):
                try:
                    self._frame = form()
                    break
                except MissingPackageError:
                    continue
        return self._frame

    def _require_room(self) -> None:
        rows = self._pieces.most_rows()
        wanted, free = rows * sum(_width(field.type) for field in self._pieces.schema), self._free()
        if wanted > SHARE * free:
            raise TooLargeError(
                f"The answer has up to {rows:,} rows of {len(self._pieces.schema)} columns, {wanted / GIB:.1f} GiB, and"
                f" {free / GIB:.1f} GiB are free. Read it with .batches() piece by piece, or ask for fewer days,"
                " symbols or levels."
            )


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, or of its control group where that has less."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as most, open("/sys/fs/cgroup/memory.current") as used:
            limit = most.read().strip()
            free = free if limit == "max" else min(free, int(limit) - int(used.read()))
    except (OSError, StopIteration, ValueError):
        pass
    return free


def _width(of: pa.DataType) -> int:
    return TEXT_BYTES if pa.types.is_string(of) or pa.types.is_list(of) else max(1, of.bit_width // 8)


def load_package(package: str, what: str) -> Any:
    """Import a package that not everybody has. Raises MissingPackageError, which says that `what` needs it."""
    try:
        return __import__(package)
    except ModuleNotFoundError:
        raise MissingPackageError(package, what) from None


class Held:
    """Rows that are in memory already."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema = table.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._table.to_batches())

    def most_rows(self) -> int:
        return int(self._table.num_rows)
