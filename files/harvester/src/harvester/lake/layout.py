"""Where things lie in a lake. Partition folders are Hive style, so that engines read them as they are.

depth_v3/date=D/host=H/depth_v3-g1-<hash>.parquet    raw/date=D/host=H/<segment>.seg.zst or .seg.pack
gaps_v3, instruments_v3, sessions_v3                 certificate/date=D/host=H/certificate-g1-<hash>.json
and on days with data of that kind quotes_v3,        manifest/date=D/host=H/manifest.json
trades_v3, indices_v3, depth50_v3, bars_v3,
candles_v3, and of what a backfill brought
history_v3/date=D/host=H-history/...
superseded/...                                       what a later build of the day replaced

A table's folder has the version of its schema in its name: no folder mixes two sets of columns. Those of schema 2,
which releases up to November 2026 wrote, have none (`depth/`).

A built file's name has the generation that built it and the begin of its SHA-256: no name ever has two contents. In a
bucket nothing is replaced, moved or deleted; there the folder of a kind has the files of each day's first generation
alone, and `<kind>-rebuilt/` those of later ones, so that who reads a folder never counts a day twice.
"""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

DEPTH, GAPS, RAW, CERTIFICATE, MANIFEST = "depth", "gaps", "raw", "certificate", "manifest"
QUOTES, TRADES, INDICES, DEPTH50, BARS = "quotes", "trades", "indices", "depth50", "bars"
CANDLES = "candles"
"""The broker's own bars; `bars` are ours."""
HISTORY, HISTORY_HOST = "history", "-history"
"""The broker's bars of days past, and how the name of the host ends whose partitions have them: see `Partition`."""
BACKFILL_JOURNAL = Path("backfill", "journal")
"""In the data directory: the journal whose segments are archived with these partitions."""
INSTRUMENTS, SESSIONS = "instruments", "sessions"
WINDOW = "window"
"""In the column `phase` of sessions: what was, or should have been, recorded; other rows are the calendar's phases."""
SCHEMA_VERSION = 3
"""Of the tables that are written."""
FORMER_NAMES = {"index": INDICES}
"""What tables of schema 2 were called otherwise, as folders and in certificates."""
DATA_TABLES = (DEPTH, QUOTES, TRADES, INDICES, DEPTH50, BARS, CANDLES, HISTORY)
_TABLES_2 = {DEPTH: DEPTH, QUOTES: QUOTES, INDICES: "index", DEPTH50: DEPTH50, BARS: BARS, GAPS: GAPS}
FOLDERS: Mapping[int, Mapping[str, str]] = {
    2: _TABLES_2,
    SCHEMA_VERSION: {name: f"{name}_v{SCHEMA_VERSION}" for name in (*DATA_TABLES, GAPS, INSTRUMENTS, SESSIONS)},
}
"""The folder of each table by the version of its schema."""
BUILT = (*(folder for folders in FOLDERS.values() for folder in folders.values()), CERTIFICATE)
"""Folders of which a manifest lists exactly the current files; older ones move to superseded/."""
SUPERSEDED, REBUILT = "superseded", "-rebuilt"
LOCK_NAME = ".lock"
MANIFEST_NAME = "manifest.json"
SO_FAR_NAME = "so-far.json"
"""In the root of a folder that has a day which is not over."""
HASH_DIGITS = 16
LATER = re.compile(
    rf"^({'|'.join(BUILT)})(/date=[^/]+/host=[^/]+/\1-g(?:[2-9]|[1-9]\d+)-[0-9a-f]{{{HASH_DIGITS}}}\.\w+)$", re.ASCII
)
"""A file that a second or later generation built."""
PARTITION = re.compile(r"^date=(\d{4}-\d{2}-\d{2})/host=([a-z0-9][a-z0-9-]{0,62})$")


class Partition(NamedTuple):
    """One day of one host.

    What a backfill brings of a day is a partition of its own, with a manifest of its own, of the host's name with
    `-history`: so a closed day stays as it was closed, and whatever copies, checks or deletes days knows it.
    """

    date: date
    host: str

    def path(self, kind: str) -> Path:
        """Its folder of that kind, relative to the lake."""
        return Path(kind, f"date={self.date.isoformat()}", f"host={self.host}")

    @property
    def manifest(self) -> Path:
        """The manifest in force, relative to the lake."""
        return self.path(MANIFEST) / MANIFEST_NAME

    @property
    def is_history(self) -> bool:
        """Whether it is what a backfill brought."""
        return self.host.endswith(HISTORY_HOST)


def recorder_of(host: str) -> str:
    """The host that recorded the days of a name in the lake, or whose backfill brought them."""
    return host.removesuffix(HISTORY_HOST)


def history_of(day: date, host: str) -> Partition:
    """What a host's backfill brought of a day."""
    return Partition(day, f"{host}{HISTORY_HOST}")


def parse_partition(folder: str) -> Partition:
    """The partition of a folder such as date=2026-11-23/host=nse-1. Raises ValueError for another."""
    match = PARTITION.match(folder)
    if not match:
        raise ValueError(f"{folder!r} is no folder of a day and host")
    return Partition(date.fromisoformat(match[1]), match[2])


def folder_of(table: str, version: int = SCHEMA_VERSION) -> str:
    """The folder of a table, or of another kind of file. KeyError for a table that the schema has not."""
    return table if table in (RAW, CERTIFICATE, MANIFEST) else FOLDERS[version][table]


def table_of(folder: str) -> str:
    """The table, or other kind of file, whose files lie in a folder."""
    return next((name for each in FOLDERS.values() for name, place in each.items() if place == folder), folder)


def built_name(kind: str, generation: int, sha256: str) -> str:
    """The name of a file that a generation built."""
    suffix = "json" if kind == CERTIFICATE else "parquet"
    return f"{kind}-g{generation}-{sha256[:HASH_DIGITS]}.{suffix}"


def bucket_path(path: str) -> str:
    """Where a file of the lake lies in a bucket; a manifest has a path of its own there."""
    return LATER.sub(rf"\1{REBUILT}\2", path)


def lake_path(stored: str) -> str:
    """The path in the lake of what lies so in a bucket: the other way round of `bucket_path`."""
    path = stored.replace(f"{REBUILT}/", "/", 1)
    return path if bucket_path(path) == stored else stored


def find_partitions(lake: Path) -> list[Partition]:
    """The partitions that have a manifest, by date and host. Folders with other names are not partitions."""
    found = []
    for manifest in lake.glob(f"{MANIFEST}/*/*/{MANIFEST_NAME}"):
        folder = manifest.parent.relative_to(lake / MANIFEST).as_posix()
        if PARTITION.match(folder):
            found.append(parse_partition(folder))
    return sorted(found)
