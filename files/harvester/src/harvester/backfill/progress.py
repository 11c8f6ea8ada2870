"""How far the asking is: one file, for whoever looks. What is done is in the journal and the lake, not here."""

from pathlib import Path
from typing import Literal

import msgspec

from harvester.backfill.order import FOLDER
from harvester.base.clock import NS_PER_SECOND
from harvester.base.files import replace_file
from harvester.base.market import to_local

FILE = "progress.json"
EVERY_NS = NS_PER_SECOND
MOST_REFUSED = 500
State = Literal["asking", "waiting", "done", "ended"]


class RefusedPiece(msgspec.Struct, frozen=True):
    """Days of a symbol that the broker did not give: the last request's, and why."""

    symbol: str
    first: str
    last: str
    why: str


class Progress(msgspec.Struct, kw_only=True):
    """Of the last run. `asked` and `left` are requests; `sent_today` of the day in India that `updated_ns` is of."""

    ordered_ns: int
    state: State = "asking"
    why: str = ""
    began_ns: int = 0
    updated_ns: int = 0
    asked: int = 0
    left: int = 0
    bytes: int = 0
    sent_today: int = 0
    spacing_ns: int | None = None
    refused: list[RefusedPiece] = []


def load_progress(data_dir: Path) -> Progress | None:
    """None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode((data_dir / FOLDER / FILE).read_bytes(), type=Progress)
    except (OSError, msgspec.MsgspecError):
        return None


class Reporter:
    """Writes the file, once a second at most."""

    def __init__(self, data_dir: Path, progress: Progress) -> None:
        self.progress = progress
        self._path = data_dir / FOLDER / FILE

    def say(self, wall_ns: int, *, at_once: bool = False) -> None:
        """Raises OSError."""
        if at_once or not 0 <= wall_ns - self.progress.updated_ns < EVERY_NS:
            self.progress.updated_ns = wall_ns
            replace_file(self._path, msgspec.json.encode(self.progress), 0o640, synced=False)

    def refuse(self, piece: RefusedPiece) -> None:
        """Note what the broker did not give."""
        if len(self.progress.refused) < MOST_REFUSED:
            self.progress.refused.append(piece)


def sent_before(progress: Progress | None, wall_ns: int) -> int:
    """How many requests earlier runs have sent on this day in India."""
    if progress is None or to_local(progress.updated_ns).date() != to_local(wall_ns).date():
        return 0
    return progress.sent_today
