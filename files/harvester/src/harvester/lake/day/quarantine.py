"""What recovery has set aside of a day's segments."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from harvester.journal.quarantine import QUARANTINE

NAME = re.compile(r"^(?P<segment>(?P<begun>\d+)-\d+)(_(?P<range>\d+-\d+))?(\.suspect)?(\.\d+)?$")


class Kept(NamedTuple):
    """A file in the journal's quarantine."""

    name: str
    segment: str
    """Name of the segment that it is of."""
    range: str
    """The bytes [from, to) of it, as "from-to"; empty: the whole file."""
    bytes: int
    begun_ns: int | None
    """When the segment was begun, in wall ns."""


def find_kept(journal: Path, day: date) -> list[Kept]:
    """The files of one day, by name. Nothing where the quarantine cannot be read, or is not there."""
    return sorted(_read(journal / QUARANTINE, f"{day.isoformat()}_"))


def _read(directory: Path, prefix: str) -> Iterator[Kept]:
    try:
        paths = [path for path in directory.iterdir() if path.name.startswith(prefix)]
        sizes = [path.stat().st_size for path in paths]
    except OSError:
        return
    for path, size in zip(paths, sizes, strict=True):
        match = NAME.match(path.name.removeprefix(prefix))
        if match:
            yield Kept(path.name, match["segment"], match["range"] or "", size, int(match["begun"]))
        else:
            yield Kept(path.name, "", "", size, None)
