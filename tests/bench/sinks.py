"""Ways to keep market data, each in a process of its own: `python -m tests.bench.sinks NAME INPUT DIRECTORY`.

INPUT holds pickled lists of (frame, row) pairs. Only the way itself is timed, in CPU seconds, closing included.
Prints a JSON object.
"""

import contextlib
import csv
import gzip
import io
import json
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bench.child import peak_mib

Pair = tuple[bytes, list[object]]
Sink = Callable[[list[Pair]], None]
ROW_GROUP = 10_000
SIDES = [f"{side}_{what}{level}" for side in ("bid", "ask") for level in range(1, 6) for what in ("px", "qty", "ord")]
COLUMNS = ["symbol", "exchange_s", "recv_ns", "ltp", "ltq", "volume", *SIDES]


@contextlib.contextmanager
def journal(directory: Path) -> Iterator[Sink]:
    """Our journal, one call for each frame."""
    with _writer(directory) as writer:

        def put(pairs: list[Pair]) -> None:
            for frame, _ in pairs:
                writer.append(2, 0, frame, wall_ns=time.time_ns(), mono_ns=time.monotonic_ns())

        yield put


def _writer(directory: Path) -> Any:
    from harvester.base.clock import SystemClock
    from harvester.journal import JournalWriter, RunInfo

    return JournalWriter(directory, clock=SystemClock(), run=RunInfo("bench", "r1", "c0ffee", {}))


@contextlib.contextmanager
def csv_flush(directory: Path) -> Iterator[Sink]:
    """A CSV file kept open and flushed after each row."""
    with (directory / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)

        def put(pairs: list[Pair]) -> None:
            for _, row in pairs:
                row[2] = time.time_ns()
                writer.writerow(row)
                file.flush()

        yield put


@contextlib.contextmanager
def csv_gz(directory: Path) -> Iterator[Sink]:
    """A compressed CSV file, level 9, as pandas writes it."""
    with gzip.open(directory / "rows.csv.gz", "wb", compresslevel=9) as packed:
        file = io.TextIOWrapper(packed, newline="")  # type: ignore[arg-type]
        writer = csv.writer(file)

        def put(pairs: list[Pair]) -> None:
            for _, row in pairs:
                row[2] = time.time_ns()
                writer.writerow(row)

        yield put
        file.flush()
        file.detach()


@contextlib.contextmanager
def parquet_batches(directory: Path) -> Iterator[Sink]:
    """One Parquet file by pyarrow, a row group each 10,000 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    held: list[list[object]] = []
    writers: list[Any] = []

    def flush() -> None:
        table = pa.table(dict(zip(COLUMNS, map(list, zip(*held, strict=True)), strict=True)))
        if not writers:
            writers.append(pq.ParquetWriter(directory / "rows.parquet", table.schema, compression="zstd"))
        writers[0].write_table(table)
        held.clear()

    def put(pairs: list[Pair]) -> None:
        for _, row in pairs:
            row[2] = time.time_ns()
            held.append(row)
            if len(held) >= ROW_GROUP:
                flush()

    yield put
    if held:
        flush()
    writers[0].close()


@contextlib.contextmanager
def sdk_callback(directory: Path) -> Iterator[Sink]:
    """The broker's SDK decoding each frame, and a callback that writes a flushed CSV row."""
    from tests.bench.wire import TOPICS, book_snapshots
    from tests.differential.sdk import SdkHsm

    sdk = SdkHsm(TOPICS)
    with (directory / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)

        def keep(message: dict[str, object]) -> None:
            writer.writerow([time.time_ns(), *message.values()])
            file.flush()

        for frame in book_snapshots():
            sdk.receive(frame)
        sdk.socket.OnMessage = keep

        def put(pairs: list[Pair]) -> None:
            for frame, _ in pairs:
                sdk.receive(frame)

        yield put


SINKS = {sink.__name__: sink for sink in (journal, csv_flush, csv_gz, parquet_batches, sdk_callback)}


def main(name: str, source: str, directory: str) -> None:
    count, cpu = 0, 0.0
    began = time.process_time()
    with SINKS[name](Path(directory)) as put:
        imported, cpu_before = peak_mib(), time.process_time()
        with Path(source).open("rb") as file, contextlib.suppress(EOFError):
            while True:
                pairs = pickle.load(file)  # noqa: S301  # made by bench_capture a moment ago
                at = time.process_time()
                put(pairs)
                cpu += time.process_time() - at
                count += len(pairs)
        closing = time.process_time()
    cpu += time.process_time() - closing
    size = sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())
    print(
        json.dumps(
            {
                "per_cpu_second": count / cpu,
                "bytes": size / count,
                "rss_mib": peak_mib(),
                "imports_mib": imported,
                "startup_cpu_s": cpu_before - began,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
