"""Receipts: by these a host checks that verified copies of its lake's files are here.

{"format": 1, "host", "verified_at" (ISO, UTC), "files": [{"path" relative to lake/, "bytes", "sha256"}]}. Its
hashes are computed from the local files at that moment, never taken from a manifest or from ledger.jsonl.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from harvester.base.files import replace_file
from harvester.lake.manifest import FileEntry, hash_file
from runbook.pull.store import LocalStore, writing

FORMAT = 1


def verified(store: LocalStore, files: Iterable[FileEntry]) -> list[FileEntry]:
    """Those of `files` whose local copy, hashed now, has the size and hash that they state."""
    return [file for file in files if holds(store.lake / file.path, file)]


def holds(path: Path, file: FileEntry) -> bool:
    """Whether `path`, read now, has the size and the hash of `file`."""
    try:
        return path.stat().st_size == file.bytes and hash_file(path) == (file.bytes, file.sha256)
    except OSError:
        return False


def write(store: LocalStore, host: str, files: Iterable[FileEntry]) -> Path:
    """Write a receipt for files that `verified` returned, under a name of its own; its path is returned."""
    now = datetime.now(UTC)
    content = {
        "format": FORMAT,
        "host": host,
        "verified_at": now.isoformat(timespec="seconds"),
        "files": [{"path": file.path, "bytes": file.bytes, "sha256": file.sha256} for file in files],
    }
    path = store.receipts / f"{host}-{now:%Y%m%dT%H%M%S.%fZ}.json"
    with writing(path):
        replace_file(path, json.dumps(content, indent=1) + "\n")
    return path
