"""What is known of notices between two looks, and what is still to be sent: one file, written before each sending."""

from pathlib import Path

import msgspec
import structlog

from harvester.alerts.message import Message, Severity
from harvester.base.files import replace_file

log = structlog.get_logger()
WINDOW_SECONDS = 55
"""Less than the minute between two looks."""


class Entry(msgspec.Struct):
    """A notice by cause and source. Times in wall ns.

    `count`: how often it came since people were told. `lasts`: it is seen at each look until it ends. `held`: it waits
    for the digest. `believed`: people were told that it is so, and not yet that it is over.
    """

    cause: str
    source: str
    since_ns: int
    seen_ns: int = 0
    host: str = ""
    severity: int = 0
    text: str = ""
    remedy: str = ""
    count: int = 0
    told_ns: int = 0
    told_severity: int = 0
    open: bool = True
    ended_ns: int = 0
    end_text: str = ""
    lasts: bool = False
    held: bool = False
    believed: bool = False

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0]


class Letter(msgspec.Struct):
    """A message under way. `left`: the channels that have not taken it; None before the first try."""

    severity: int
    cause: str
    title: str
    body: str
    at_ns: int
    left: list[str] | None = None
    taken: bool = False

    @property
    def message(self) -> Message:
        return Message(Severity(self.severity), self.cause, self.title, self.body)


class Trial(msgspec.Struct):
    """How often a channel failed in a row, when it is tried again, in wall ns, its kind and its words."""

    failures: int
    next_ns: int
    channel: str = ""
    problem: str = ""


class Book(msgspec.Struct):
    """Entries by cause and source; the window in which only what is graver goes out at once; letters; failing channels.

    `beyond`: notices of further causes, for which there was no room. `suspects`: what was not true at the last look at
    the host, by cause, and since when, in wall ns. `taken`: when each channel took a message last, in wall ns.
    `edition` grows with each writing, whatever the clocks do.
    """

    entries: list[Entry] = []
    window_ns: int = 0
    window_seconds: int = WINDOW_SECONDS
    window_severity: int = 0
    beyond: int = 0
    letters: list[Letter] = []
    trials: dict[str, Trial] = {}
    suspects: dict[str, int] = {}
    taken: dict[str, int] = {}
    edition: int = 0

    def find(self, cause: str, source: str) -> Entry | None:
        return next((entry for entry in self.entries if (entry.cause, entry.source) == (cause, source)), None)


class BookFile:
    """The book on disk. While the disk is full it is kept in memory-backed `spare`, so that nobody is told twice."""

    def __init__(self, path: Path, spare: Path) -> None:
        self._path, self._spare = path, spare

    def read(self) -> Book:
        """The newest book; an empty one where there is none, or none that can be read."""
        found = []
        for path in (self._spare, self._path):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Book))
            except FileNotFoundError:
                continue
            except (OSError, msgspec.DecodeError) as error:
                log.warning("book_unreadable", path=str(path), detail=str(error))
        # The spare one is older where a process died after it wrote the other, and before it removed this one.
        return max(found, key=lambda book: book.edition, default=Book())

    def write(self, book: Book) -> None:
        """Keep it. Raises OSError where it can be kept in neither place."""
        book.edition += 1
        data = msgspec.json.encode(book)
        try:
            replace_file(self._path, data, 0o600)
            self._spare.unlink(missing_ok=True)
        except OSError as error:
            log.warning("book_not_on_disk", path=str(self._path), detail=str(error))
            replace_file(self._spare, data, 0o600, synced=False)
