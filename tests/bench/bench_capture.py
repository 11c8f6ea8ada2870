"""Capture: frames per CPU second, bytes and memory of our journal beside the usual ways, in one run."""

import pickle
import statistics
import tempfile
from itertools import islice
from pathlib import Path

from tests.bench import child
from tests.bench.market import SHARES, Update, updates
from tests.bench.report import Report
from tests.bench.sinks import SINKS
from tests.bench.wire import book_frames

FRAMES = 40_000
CHUNK = 1_000
ROUNDS = 3
LABELS = {
    "journal": "our journal",
    "csv_flush": "CSV, flushed each row",
    "csv_gz": "csv.gz, level 9",
    "parquet_batches": "pyarrow, 10,000 rows a batch",
    "sdk_callback": "SDK decodes, callback writes CSV",
}


def row_of(update: Update) -> list[object]:
    """The update as a row of a table: 36 fields, prices in rupees."""
    levels = zip((price / 100 for price in update.prices), update.sizes, update.orders, strict=True)
    head = [SHARES[update.share].ticker, update.exchange_s, update.recv_ns, update.ltp / 100, update.ltq, update.volume]
    return [*head, *(value for level in levels for value in level)]


def write_input(path: Path) -> None:
    """The frames of FRAMES updates and the same as rows, chunk by chunk."""
    made = list(updates(FRAMES))
    pairs = zip(book_frames(made), map(row_of, made), strict=True)
    with path.open("wb") as file:
        while chunk := list(islice(pairs, CHUNK)):
            pickle.dump(chunk, file)


def measure(source: Path, name: str) -> dict[str, float]:
    """One way in a fresh process and directory."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return child.run("tests.bench.sinks", name, source, folder)


def run(report: Report, *, long: bool) -> None:
    """Measure all ways in turn, round by round; ratios are medians over the rounds."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        source = Path(folder) / "input"
        write_input(source)
        rounds = [{name: measure(source, name) for name in SINKS} for _ in range(ROUNDS * (3 if long else 1))]
    medians = {
        name: {key: statistics.median(each[name][key] for each in rounds) for key in rounds[0][name]} for name in SINKS
    }
    rows = [
        [label, *(medians[name][key] for key in ("per_cpu_second", "bytes", "rss_mib", "imports_mib"))]
        for name, label in LABELS.items()
    ]
    report.table("Capture of 133-byte frames", ["way", "per CPU-s", "bytes", "RSS MiB", "of it imports"], rows)
    ratio = statistics.median(
        each["journal"]["per_cpu_second"] / each["csv_flush"]["per_cpu_second"] for each in rounds
    )
    per_second = round(medians["journal"]["per_cpu_second"])
    report.figure("capture_frames_per_cpu_s", per_second, bound=">= 100000", unit="frames/CPU-s")
    report.figure("capture_vs_csv", round(ratio, 2), bound=">= 1.5", unit="x")
