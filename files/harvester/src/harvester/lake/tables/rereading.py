"""Records of a day read a second time, each where the index says it lies: polls go into tables symbol by symbol."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.journal.format import Record, decode
from harvester.journal.reader import ARCHIVED, CHUNK_BYTES, open_segment
from harvester.lake.day.segments import DayIndex, Positions, Source


class Spool:
    """Gives archived segments back their uncompressed form, in temporary files, for reading at random."""

    def __init__(self, directory: Path) -> None:
        """`directory` is made when it is needed, and anew: what a killed process left in it is of no use."""
        self._directory = directory

    def __enter__(self) -> "Spool":
        shutil.rmtree(self._directory, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def plain(self, source: Source) -> Path:
        """Path of the uncompressed bytes. Raises OSError."""
        if source.path.suffix not in ARCHIVED:
            return source.path
        path = self._directory / source.name
        if not path.exists():
            self._directory.mkdir(exist_ok=True)
            with closing(open_segment(source.path)) as packed, path.open("wb") as plain:
                shutil.copyfileobj(packed, plain, CHUNK_BYTES)
        return path


def read_in_order(index: DayIndex, symbol: str, spool: Spool) -> Iterator[tuple[Source, Record]]:
    """The data records of one symbol by receive time. Raises HarvesterError when a segment changed under us."""
    positions = index.symbols.get(symbol, Positions())
    current, descriptor = -1, -1
    try:
        for at in positions.in_order():
            if positions.source[at] != current:
                if descriptor >= 0:
                    os.close(descriptor)
                current = positions.source[at]
                descriptor = os.open(spool.plain(index.sources[current]), os.O_RDONLY | os.O_CLOEXEC)
            source = index.sources[current]
            record = decode(os.pread(descriptor, positions.length[at], positions.offset[at]))
            if record is None:
                raise HarvesterError(f"{source.path}: the segment changed while it was read. Run the command again.")
            yield source, record
    finally:
        if descriptor >= 0:
            os.close(descriptor)
