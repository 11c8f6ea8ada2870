"""Rows of many days on their way from answers, of a symbol each, to partitions, of a day each: a file a day."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from shutil import rmtree

import numpy as np

from harvester.base.files import make_directory
from harvester.decode.frames import Ints

FLUSH_BYTES = 24 << 20


class DaySpool:
    """Keeps matrices, int64[height, rows], by day and in the order in which they came."""

    def __init__(self, folder: Path, height: int) -> None:
        """What a build that was killed left in the folder is deleted."""
        self._folder, self._height = folder, height
        self._waiting: dict[date, list[Ints]] = {}
        self._bytes = 0
        rmtree(folder, ignore_errors=True)
        make_directory(folder)

    def add(self, day: date, rows: Ints) -> None:
        """Raises OSError."""
        self._waiting.setdefault(day, []).append(rows)
        self._bytes += rows.nbytes
        if self._bytes >= FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        for day, parts in self._waiting.items():
            with (self._folder / str(day)).open("ab") as file:
                file.write(np.concatenate(parts, axis=1).T.tobytes())
        self._waiting, self._bytes = {}, 0

    def days(self) -> Iterator[tuple[date, Ints]]:
        """Each day with its rows, oldest first; no more rows may come. Raises OSError."""
        self._flush()
        for path in sorted(self._folder.iterdir()):
            flat = np.fromfile(path, np.int64)
            yield date.fromisoformat(path.name), flat.reshape(-1, self._height).T

    def close(self) -> None:
        rmtree(self._folder, ignore_errors=True)
