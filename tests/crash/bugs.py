"""Mistakes to plant, so that the harnesses are seen to catch them."""

import os
from pathlib import Path

from harvester.journal import reader, recovery, repair, segment
from harvester.lake.tables import parquet


def plant(name: str) -> None:
    """Put the named mistake into this process's code; "" plants none."""
    if name:
        BUGS[name]()


def _acknowledge_before_writing() -> None:
    """A buffer in the process: gone with it."""
    held: list[bytes] = []

    def write(self: segment.SegmentFile, encoded: bytes, seq: int, records: int = 1) -> None:
        held.append(encoded)
        if len(held) >= 16:
            segment.write_all(self._descriptor, b"".join(held))
            held.clear()
        self.size += len(encoded)
        self.records += records
        self.first_seq = self.first_seq or seq

    segment.SegmentFile.write = write  # type: ignore[method-assign]


def _cut_the_last_record_too() -> None:
    """Recovery that takes the last whole record for torn."""
    scan = reader.scan

    def short(path: Path) -> reader.SegmentScan:
        found = scan(path)
        return found._replace(valid_end=max(0, found.valid_end - 50))

    recovery.scan = short  # type: ignore[attr-defined]


def _overwrite_sealed_segments() -> None:
    """Recovery that starts segments from nothing instead of sealing them."""

    def seal_as(path: Path) -> Path:
        path.write_bytes(b"")
        return repair.seal_as(path)

    recovery.seal_as = seal_as  # type: ignore[attr-defined]


def _skip_the_checksum() -> None:
    """A reader that believes lengths: torn tails become records, or hide what follows."""
    reader.decode = lambda frame: reader.Record(0, 1, 0, int.from_bytes(frame[16:24], "little"), 0, 0, frame[40:])  # type: ignore[attr-defined,assignment]


def _drop_the_last_row() -> None:
    """Compaction that forgets the last row of each batch."""
    write = parquet.TableWriter._write
    parquet.TableWriter._write = lambda self, parts: write(self, [(name, rows[:, :-1]) for name, rows in parts])  # type: ignore[method-assign]


def _never_sync() -> None:
    """No fsync anywhere: a kill cannot show it, a power cut must."""
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    os.fdatasync = lambda descriptor: None  # type: ignore[assignment]


BUGS = {
    "acknowledge before writing": _acknowledge_before_writing,
    "cut the last record too": _cut_the_last_record_too,
    "overwrite sealed segments": _overwrite_sealed_segments,
    "skip the checksum": _skip_the_checksum,
    "drop the last row": _drop_the_last_row,
    "never sync": _never_sync,
}
