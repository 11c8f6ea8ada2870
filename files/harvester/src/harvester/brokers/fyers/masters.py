"""Symbol masters of the last days, kept as they came: <directory>/YYYY-MM-DD/NSE_CM.csv.gz.

They say what a symbol was that is gone, and stand in for a master that comes empty or cut.
"""

import gzip
import shutil
import zlib
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from harvester.base.files import make_directory, replacing
from harvester.brokers.fyers.successors import Last
from harvester.brokers.fyers.symbols import FILES, Listing, read_rows

GZIP = b"\x1f\x8b"
DAYS = 60
"""How many days are kept; one takes 3 MB at most, and a symbol that was renamed is noticed within a day."""


class MasterFile(NamedTuple):
    """A symbol master of one segment, plain or gzipped, as it was on a day."""

    day: date
    path: Path

    def rows(self, malformed: list[int] | None = None) -> Iterator[Listing]:
        """Its listings. Raises OSError, also where the file is damaged."""
        with self.path.open("rb") as raw:
            is_packed = raw.read(2) == GZIP
        opened = gzip.open if is_packed else open
        with opened(self.path, "rt", encoding="utf-8", errors="replace", newline="\n") as lines:
            try:
                yield from read_rows(lines, [] if malformed is None else malformed)
            except (EOFError, zlib.error) as error:
                raise OSError(f"{self.path}: the file is damaged ({error})") from error

    def size(self) -> int:
        """How many listings it has; 0 where it cannot be read."""
        try:
            return sum(1 for _ in self.rows())
        except OSError:
            return 0


class KeptMasters:
    """The directory of kept masters, which need not exist."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def of(self, name: str, *, before: date | None = None) -> list[MasterFile]:
        """The masters of this name, the newest first; only those of earlier days than `before`."""
        found = [MasterFile(day, self.directory / day.isoformat() / f"{name}.csv.gz") for day in self._days()]
        return [each for each in found if each.path.exists() and (before is None or each.day < before)]

    def keep(self, name: str, day: date, file: Path) -> None:
        """Keep a gzipped master as that of the day, in place of an earlier one. Raises OSError.

        A machine without a data directory, such as a laptop, keeps none.
        """
        if not self.directory.parent.is_dir():
            return
        folder = self.directory / day.isoformat()
        make_directory(folder)
        with file.open("rb") as source, replacing(folder / f"{name}.csv.gz", 0o640) as target:
            shutil.copyfileobj(source, target)
        for old in self._days()[DAYS:]:
            shutil.rmtree(self.directory / old.isoformat())

    def last_of(self, symbols: Collection[str], *, before: date | None = None) -> dict[str, Last]:
        """How each symbol was listed last, of those that a kept master lists. Masters that are damaged are passed.

        With `before`, by the newest master of an earlier day alone.
        """
        found: dict[str, Last] = {}
        for name in dict.fromkeys(name for symbol in symbols for name in FILES.get(symbol.partition(":")[0], ())):
            for master in self.of(name, before=before)[: 1 if before else None]:
                wanted = set(symbols) - found.keys()
                if not wanted:
                    break
                try:
                    found |= {row.ticker: Last(row, master.day) for row in master.rows() if row.ticker in wanted}
                except OSError:
                    continue
        return found

    def _days(self) -> list[date]:
        days = []
        for path in self.directory.glob("????-??-??"):
            try:
                days.append(date.fromisoformat(path.name))
            except ValueError:
                continue
        return sorted(days, reverse=True)
