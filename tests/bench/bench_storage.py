"""Bytes per update at rest: the archived journal in both forms, and what others make of the same updates."""

import csv
import gzip
import io
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tests.bench.bench_capture import row_of
from tests.bench.market import Update, updates
from tests.bench.recorded import real_streams
from tests.bench.report import Report
from tests.bench.sinks import COLUMNS
from tests.bench.wire import arrivals, record
from tests.conftest import ROOT

from harvester.lake.day.segments import Source, read_index
from harvester.lake.publish.archive import Form, archive_segment

DAY = 200_000
PEERS_GENERATOR = ROOT.parent / "shared" / "prototypes" / "bench" / "feedgen.py"
PEERS_ROW = struct.Struct("<Bqqdiq" + "dii" * 10)


def csv_gz(made: Iterable[Update]) -> int:
    """Bytes as compressed CSV, level 9."""
    target = io.BytesIO()
    with gzip.open(target, "wt", compresslevel=9, newline="") as file:
        csv.writer(file).writerows(map(row_of, made))
    return len(target.getvalue())


def tuned_parquet(made: Iterable[Update]) -> int:
    """Bytes as one Parquet file of whole numbers by symbol and time, delta-coded, zstd 9."""
    rows = [[*update[:6], *_by_level(update)] for update in sorted(made, key=lambda update: update.share)]
    table = pa.table(dict(zip(COLUMNS, map(pa.array, zip(*rows, strict=True)), strict=True)))
    target = io.BytesIO()
    encodings = dict.fromkeys(COLUMNS, "DELTA_BINARY_PACKED")
    pq.write_table(
        table, target, compression="zstd", compression_level=9, use_dictionary=False, column_encoding=encodings
    )
    return len(target.getvalue())


def _by_level(update: Update) -> Iterator[int]:
    for level in zip(update.prices, update.sizes, update.orders, strict=True):
        yield from level


def archived(made: Iterable[Update], form: Form, **limits: int) -> tuple[int, int, float]:
    """Bytes of the journal, bytes of its archived segments, CPU seconds to archive and verify them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        paths = record(Path(folder) / "journal", list(arrivals(made)), **limits)
        sources = read_index([Source(path.stem, path) for path in paths]).sources
        began = time.process_time()
        targets = [archive_segment(source, Path(folder) / "raw", form) for source in sources]
        spent = time.process_time() - began
        return sum(source.bytes for source in sources), sum(path.stat().st_size for path in targets), spent


def peers_day(count: int) -> list[Update]:
    """The day that the peers were measured on, from its own generator where that is at hand."""
    if not PEERS_GENERATOR.is_file():
        return []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = [sys.executable, str(PEERS_GENERATOR), str(count), "7", "2.5", str(Path(folder, "day"))]
        subprocess.run(command, check=True)
        return [_peers_update(row) for row in PEERS_ROW.iter_unpack(Path(folder, "day.bin").read_bytes())]


def _peers_update(row: tuple[int, ...]) -> Update:
    share, exchange_s, recv_ns, ltp, ltq, volume, *levels = row
    prices = [round(price * 100) for price in levels[::3]]
    return Update(share, exchange_s, recv_ns, round(ltp * 100), ltq, volume, prices, levels[1::3], levels[2::3])


def run(report: Report, *, long: bool) -> None:
    """Sizes on the made-up day, on the peers' day and on real books."""
    days = {"made-up day": list(updates(DAY)), "peers' day": peers_day(DAY if long else DAY // 5)}
    if not days["peers' day"]:
        report.skip("the peers' day", "its generator is not beside this checkout")
        del days["peers' day"]
    real = real_streams()
    if not real:
        report.skip("real books", "the recorded data is not beside this checkout")
    rows, packed = [], 0.0
    for name, made in [*days.items(), *real]:
        count = len(made)
        journal, small, spent = archived(made, Form.PACKED)
        _, plain, _ = archived(made, Form.ZSTD)
        sizes = (csv_gz(made), tuned_parquet(made), journal, plain, small)
        rows.append([name, count, *(size / count for size in sizes), round(count / spent)])
        packed = packed or small / count
    columns = ["stream", "updates", "csv.gz", "tuned Parquet", "journal", "zstd", "packed", "packed per CPU-s"]
    report.table("Bytes per update at rest; journal and archives hold whole frames", columns, rows)
    report.figure("archive_bytes_per_update", round(packed, 2), bound="<= 20", unit="bytes")
