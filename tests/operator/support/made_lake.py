"""A small lake of made-up days, written as a host's close job writes it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from harvester.lake.layout import Partition
from harvester.lake.manifest import FileEntry, Manifest, describe_file, load_manifest, write_manifest
from harvester.lake.schema import DEPTH_TABLE, GAPS_SCHEMA

IST = ZoneInfo("Asia/Kolkata")
SYMBOLS = ("NSE:INFY-EQ", "NSE:SBIN-EQ")
INTERVAL_NS = 5_000_000_000
SLOTS = 60
CLOSED_SLOTS = range(20, 26)


def open_ns(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T09:15:00").replace(tzinfo=IST).timestamp()) * 10**9


@dataclass
class LakeMaker:
    """Writes days as a host's close job does; `raw_bytes` of made-up segment per day."""

    root: Path
    host: str = "lab1"
    raw_bytes: int = 300_000
    claim_too_much: bool = False

    def add_day(self, day: str, *, mark: str = "") -> Path:
        files = [self._depth(day), self._gaps(day), self._certificate(day), self._raw(day, mark)]
        rows = [self._row(path) for path in files]
        return self._manifest(day, rows)

    def _folder(self, kind: str, day: str) -> Path:
        folder = self.root / kind / f"date={day}" / f"host={self.host}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _depth(self, day: str) -> Path:
        slots = [slot for slot in range(SLOTS) if slot not in CLOSED_SLOTS]
        rows = []
        for index, symbol in enumerate(SYMBOLS):
            for slot in slots:
                scheduled = open_ns(day) + slot * INTERVAL_NS
                price = 150_000 + index * 1000 + slot * 5
                row = {
                    "recv_ns": scheduled + 12_000_000,
                    "sched_ns": scheduled,
                    "symbol": symbol,
                    "seq": slot,
                    "run_id": "r",
                }
                row |= {
                    "seq": slot,
                    "run_id": "r",
                    "ltp": price,
                    "ltq": 1,
                    "ltt": scheduled // 10**9,
                    "volume": slot,
                    "feed": "fyers-rest",
                }
                row |= dict.fromkeys(("open", "high", "low", "prev_close", "atp", "upper_ckt", "lower_ckt"), price)
                row |= {"mono_offset_ns": slot, "entry": 0, "connection": None, "in_session": True}
                row |= {"exchange_time": None}
                row |= {"sent_ns": scheduled, "total_buy_qty": 900, "total_sell_qty": 800, "oi": 0}
                levels = range(1, 6)
                row |= {"bid_px": [price - 5 * n for n in levels], "ask_px": [price + 5 * n for n in levels]}
                row |= {"bid_qty": [100 * n for n in levels], "ask_qty": [90 * n for n in levels]}
                row |= {"bid_ord": [*levels], "ask_ord": [*levels]}
                rows.append(row)
        path = self._folder("depth", day) / "depth.parquet"
        with pq.ParquetWriter(path, DEPTH_TABLE.schema, compression="zstd") as writer:
            for symbol in SYMBOLS:
                of_one = [row for row in rows if row["symbol"] == symbol]
                writer.write_table(pa.Table.from_pylist(of_one, DEPTH_TABLE.schema))
        return path

    def _gaps(self, day: str) -> Path:
        first, last = CLOSED_SLOTS.start, CLOSED_SLOTS.stop
        begin, end = (open_ns(day) + slot * INTERVAL_NS for slot in (first, last))
        rows = [
            {"symbol": symbol, "feed": "fyers-rest", "from_ns": begin, "to_ns": end, "slots": last - first}
            | {"cause": "no_token", "detail": "", "source": "recorded"}
            for symbol in SYMBOLS
        ]
        path = self._folder("gaps", day) / "gaps.parquet"
        pq.write_table(pa.Table.from_pylist(rows, GAPS_SCHEMA), path)
        return path

    def _certificate(self, day: str) -> Path:
        missed = len(CLOSED_SLOTS)
        facts = {
            "expected": SLOTS,
            "updates": SLOTS - missed + self.claim_too_much,
            "recorded_slots": SLOTS - missed,
            "duplicates": 0,
            "coverage": (SLOTS - missed) / SLOTS,
            "longest_silence_ns": (missed + 1) * INTERVAL_NS,
            "gaps_by_cause": {"no_token": missed},
            "bad_records": 0,
            "poll_deviation_ms": {"p50": 1.0, "p99": 4.5, "max": 9.0},
        }
        content = {
            "format": 1,
            "date": day,
            "host": self.host,
            "release": "dev",
            "windows": [[open_ns(day), open_ns(day) + SLOTS * INTERVAL_NS]],
            "interval_ns": INTERVAL_NS,
            "schedule": [
                {
                    "from_ns": open_ns(day),
                    "to_ns": open_ns(day) + SLOTS * INTERVAL_NS,
                    "anchor_ns": open_ns(day),
                    "interval_ns": INTERVAL_NS,
                }
            ],
            "symbols": dict.fromkeys(SYMBOLS, facts),
            "unexplained_slots": 0,
        }
        path = self._folder("certificate", day) / "certificate.json"
        path.write_text(json.dumps(content))
        return path

    def _raw(self, day: str, mark: str) -> Path:
        path = self._folder("raw", day) / f"{open_ns(day)}-1.seg.zst"
        seed = hashlib.shake_256(f"{day}{mark}{self.host}".encode())
        path.write_bytes(seed.digest(self.raw_bytes))
        return path

    def _row(self, path: Path) -> FileEntry:
        return describe_file(self.root, path, pq.read_metadata(path).num_rows if path.suffix == ".parquet" else 1)

    def write_manifest_naming(self, day: str, path: str) -> Path:
        """A manifest, sealed as it should be, that names a file at this path."""
        return self._manifest(day, [FileEntry(path, 3, hashlib.sha256(b"abc").hexdigest(), 1)])

    def _manifest(self, day: str, files: list[FileEntry]) -> Path:
        partition = Partition(date.fromisoformat(day), self.host)
        self._folder("manifest", day)
        before = load_manifest(self.root, partition)
        generation = before.generation + 1 if before else 1
        manifest = Manifest(day, self.host, generation, "dev", tuple(files), ())
        return write_manifest(self.root, partition, manifest)


def trading_days(count: int, last: str = "2026-11-20") -> list[str]:
    """So many weekdays, oldest first, up to `last`."""
    days, day = [], date.fromisoformat(last)
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day.isoformat())
        day -= timedelta(days=1)
    return days[::-1]


def tree(root: Path) -> dict[str, str]:
    """Every file below `root` with its hash."""
    found = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
