"""Whether a day's certificate of what a backfill brought agrees with its table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester.config.resolutions import parse_resolution
from harvester.lake.layout import HISTORY
from harvester.lake.manifest import FileEntry
from harvester.lake.schema import HISTORY_TABLE
from harvester.lake.tables.parquet import plain, read_batches

COLUMNS = ("symbol", "ts_begin", "resolution_ns", "revision")


def check_history(lake: Path, certificate: Mapping[str, Any], files: Sequence[FileEntry]) -> list[str]:
    """Flaws, in sentences: each count must be that of the rows. Raises HarvesterError for a file that is no table."""
    bars, revised = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    seen: set[tuple[str, int, int, int]] = set()
    for entry in files:
        if entry.folder.startswith(f"{HISTORY}_"):
            for batch in read_batches(lake / entry.path, HISTORY_TABLE, COLUMNS):
                columns = [plain(batch.column(name)).to_pylist() for name in COLUMNS]
                for symbol, begin, width, revision in zip(*columns, strict=True):
                    bars[symbol, width] += not revision
                    revised[symbol, width] += revision > 0
                    seen.add((symbol, begin, width, revision))
    flaws = []
    if len(seen) != bars.total() + revised.total():
        flaws.append(f"{bars.total() + revised.total() - len(seen)} rows are there twice")
    for symbol, entry in certificate["history"]["symbols"].items():
        for name, counts in entry["resolutions"].items():
            key = symbol, parse_resolution(name).width_ns
            for what, found in (("recorded", bars.pop(key, 0)), ("revised", revised.pop(key, 0))):
                if counts[what] != found:
                    flaws.append(f"{symbol}, resolution {name}: {what} is {counts[what]}, counted {found}")
    flaws += [f"{symbol}: {count} bars that the certificate does not name" for (symbol, _), count in bars.items()]
    return flaws
