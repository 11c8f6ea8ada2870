"""A folder that the worker and its overseer both reach: five verbs, whatever lies behind it.

`look`, `read`, `put` and `clear` are a mailbox's own; `take` is the same over each of them. What cannot be reached
raises MailboxError, which is another thing than a file that is not there.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from harvester.base.errors import HarvesterError
from harvester.base.files import replace_file

MAX_BYTES = 64 * 1024 * 1024
"""What is read of one file: a notebook with its outputs; a larger one is refused."""


class MailboxError(HarvesterError):
    """A mailbox cannot be reached, or refuses. The message says why, and what to do."""


class Entry(NamedTuple):
    """A file of a mailbox. `id` is what its place calls it, where names are not unique; else its name."""

    name: str
    size: int
    id: str


class Mailbox(Protocol):
    """Each verb raises MailboxError."""

    def look(self) -> Sequence[Entry]:
        """What is in it, without folders."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content; None: it is not there, or is gone."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write it, in place where there is one: who holds its id goes on seeing the same file."""
        ...

    def clear(self, name: str) -> None:
        """Remove it; nothing happens where it is not there."""
        ...


def duplicates(entries: Sequence[Entry]) -> list[str]:
    """Names that are there more than once, which some places allow."""
    counted = Counter(entry.name for entry in entries)
    return sorted(name for name, count in counted.items() if count > 1)


def take(mailbox: Mailbox, name: str, act: Callable[[bytes], None]) -> bool:
    """Act on a file and remove it; False: it is not there. `act` must know by the content what it did before.

    A crash between the two leaves the file, and it is acted on again. What was written anew meanwhile is acted on, too.
    """
    data = mailbox.read(name)
    if data is None:
        return False
    act(data)
    while (now := mailbox.read(name)) is not None and now != data:
        data = now
        act(data)
    mailbox.clear(name)
    return True


class FolderMailbox:
    """A folder of this machine, such as one that another program keeps in step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def look(self) -> list[Entry]:
        try:
            found = [path for path in self._folder.iterdir() if path.is_file() and not path.name.startswith(".")]
            return sorted(Entry(path.name, path.stat().st_size, path.name) for path in found)
        except OSError as error:
            raise self._refused("cannot be looked at", error) from error

    def read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            with path.open("rb") as file:
                return bounded(file.read(MAX_BYTES + 1), str(path))
        except FileNotFoundError as error:
            if not self._folder.is_dir():
                raise self._refused("cannot be read", error) from error
            return None
        except OSError as error:
            raise self._refused(f"{name} cannot be read", error) from error

    def put(self, name: str, data: bytes) -> None:
        try:
            replace_file(self._folder / name, data, 0o660)
        except OSError as error:
            raise self._refused(f"{name} cannot be written", error) from error

    def clear(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._refused(f"{name} cannot be removed", error) from error

    def _refused(self, what: str, error: OSError) -> MailboxError:
        return MailboxError(
            f"{self._folder}: {what} ({error.strerror}). Correct the folder, its owner, or the mailbox."
        )


def bounded(data: bytes, where: str) -> bytes:
    """The data, unless it is too large. Raises MailboxError."""
    if len(data) > MAX_BYTES:
        raise MailboxError(f"{where}: larger than {MAX_BYTES // 1024**2} MiB, so it is not read. Clear its outputs.")
    return data
