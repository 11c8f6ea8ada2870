"""What clean-up took from a day's files, with the receipt that proved them elsewhere: so verify knows why they miss."""

import json
from dataclasses import asdict
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.files import write_new
from harvester.lake.layout import MANIFEST, Partition
from harvester.lake.manifest import FileEntry

REMOVALS_FORMAT = 1


def read_removals(lake: Path, partition: Partition) -> list[FileEntry]:
    """All files of the day that clean-up was allowed to delete. Raises HarvesterError for a damaged record."""
    entries = []
    for path in sorted((lake / partition.path(MANIFEST)).glob("removed-*.json")):
        try:
            value = json.loads(path.read_bytes())
            entries += [FileEntry(**entry) for entry in value["files"]]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise HarvesterError(
                f"{path}: the record of a clean-up cannot be read ({error}). Restore it from a backup, or move it away:"
                " the files it names then count as missing."
            ) from error
    return entries


def write_removals(lake: Path, partition: Partition, entries: list[FileEntry], receipt_sha256: str) -> Path:
    """Record, durably and before the deletion, what is going to be deleted and by which receipt. Raises OSError."""
    directory = lake / partition.path(MANIFEST)
    number = 1
    while (path := directory / f"removed-{number}.json").exists():
        number += 1
    value = {
        "format": REMOVALS_FORMAT,
        "receipt_sha256": receipt_sha256,
        "files": [asdict(entry) for entry in entries],
    }
    write_new(path, (json.dumps(value, indent=1) + "\n").encode())
    return path
