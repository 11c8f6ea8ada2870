"""What was verified here: one JSON line per file, so that a file needs hashing once and not at every pull.

A line counts only while the file has the size and the modification time that it had when it was hashed. The ledger
saves work; receipts never rest on it.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runbook.pull.store import LocalStore, writing


@dataclass(frozen=True)
class Entry:
    """A file under lake/ as it was when its hash was computed here."""

    path: str
    bytes: int
    sha256: str
    mtime_ns: int
    host: str


class VerifiedFiles:
    """The verified files of a store. A torn last line, left by a kill, is dropped."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._entries = _read(store.ledger)

    def sha256(self, path: str) -> str | None:
        """The hash a file had when it was verified, or None when it was not or has changed since."""
        entry = self._entries.get(path)
        if entry is None:
            return None
        try:
            status = (self._store.lake / path).stat()
        except OSError:
            return None
        unchanged = (status.st_size, status.st_mtime_ns) == (entry.bytes, entry.mtime_ns)
        return entry.sha256 if unchanged else None

    def add_all(self, files: Iterable[tuple[str, str]], host: str) -> None:
        """Note that these files (path, SHA-256) were hashed just now."""
        lines = []
        for path, sha256 in files:
            status = (self._store.lake / path).stat()
            entry = Entry(path, status.st_size, sha256, status.st_mtime_ns, host)
            self._entries[path] = entry
            lines.append(json.dumps(vars(entry), separators=(",", ":")) + "\n")
        with writing(self._store.ledger), self._store.ledger.open("ab") as file:
            file.write(("" if _ends_clean(file.name) else "\n").encode() + "".join(lines).encode())


def _read(path: Path) -> dict[str, Entry]:
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    entries = {}
    for line in lines:
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):
            continue  # torn by a kill; its file is hashed again
        entries[entry.path] = entry
    return entries


def _ends_clean(name: str) -> bool:
    """Whether the file is empty or ends with a whole line."""
    with Path(name).open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
