"""The steps that change a segment left open by a dead run. Each may be interrupted anywhere and is then done again."""

import os
import shutil
from pathlib import Path

from harvester.base.clock import Clock
from harvester.base.files import publish, sync_directory
from harvester.journal.format import CONTROL, Record, encode, encode_control
from harvester.journal.quarantine import keep_link
from harvester.journal.reader import CHUNK_BYTES, SegmentScan
from harvester.journal.segment import SEALED, SUSPECT


def rewrite(journal: Path, path: Path) -> Path:
    """Write a file anew whose sync failed once; the old one stays in quarantine under the name returned.

    The kernel may hold pages of it that it believes written and the disk does not have. Raises OSError.
    """
    kept = keep_link(journal, path)
    copy = path.with_name(f".{path.name}.tmp")
    with kept.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, CHUNK_BYTES)
        target.flush()
        os.fsync(target.fileno())
    copy.replace(path)
    sync_directory(path.parent)
    path.with_suffix(SUSPECT).unlink()
    return kept


def cut_and_close(path: Path, found: SegmentScan, clock: Clock) -> None:
    """Replace what follows the last record by the records `damage` (one per range) and `seal`. Raises OSError.

    The bytes cut off must be in quarantine already.
    """
    ending = b"" if found.sealed else _ending(path, found, clock)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        written = 0
        while written < len(ending):
            written += os.pwrite(descriptor, ending[written:], found.valid_end + written)
        os.ftruncate(descriptor, found.valid_end + len(ending))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ending(path: Path, found: SegmentScan, clock: Clock) -> bytes:
    seq = found.last_seq or 0
    damage = [
        {"type": "damage", "file": path.stem, "from": start, "to": end, "bytes": end - start}
        for start, end in found.damaged
    ]
    records = found.records + len(damage)
    seal = {"type": "seal", "records": records, "first_seq": found.first_seq, "last_seq": seq + len(damage)}
    frames = (
        encode(Record(CONTROL, 0, 0, seq + number, clock.wall_ns(), clock.mono_ns(), encode_control(control)))
        for number, control in enumerate([*damage, {**seal, "recovered": True}], start=1)
    )
    return b"".join(frames)


def seal_as(path: Path) -> Path:
    """Sync an `.open` file and rename it to a free `.seg` name, which is returned. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sealed = path.with_suffix(SEALED)
    while sealed.exists():
        begun, _, pid = sealed.stem.partition("-")
        sealed = sealed.with_name(f"{int(begun) + 1}-{pid}{SEALED}")
    publish(path, sealed)
    return sealed
