"""The pulled data on this machine: where verified files, partial ones and receipts are.

pulled/lake/        the same layout as a host's lake; a file is here only when its hash was checked
pulled/partial/     downloads under way, in the same layout
pulled/quarantine/  what did not match its hash
pulled/superseded/  verified files that a host built anew, with more data
pulled/receipts/    receipts for clean-up: what was verified here, and when
pulled/reports/     the HTML reports        pulled/csv/  exports
pulled/ledger.jsonl what was verified, so that the next pull need not hash it again
"""

import ctypes
import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, sync_directory

LOCK_TRIES, LOCK_PAUSE_SECONDS = 30, 0.1
FOLDER_MODE = 0o777
"""Of new folders here, less what the umask takes: pulled data is the operator's to share."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class LocalStore:
    """The local root, `pulled/` unless the operator names another."""

    root: Path

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def partial(self) -> Path:
        return self.root / "partial"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def superseded(self) -> Path:
        return self.root / "superseded"

    @property
    def receipts(self) -> Path:
        return self.root / "receipts"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def csv(self) -> Path:
        return self.root / "csv"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for this process; HarvesterError when another pull or clean-up holds it."""
        with writing(self.root / ".lock"):
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        os.set_inheritable(descriptor, True)  # by rsync, which may end a little later than this process
        try:
            _lock(descriptor, self.root)
            yield
        finally:
            os.close(descriptor)

    def set_aside(self, path: Path, *, verified: bool = False) -> Path:
        """Move a file away under a name of its own and return where it is: nothing here is ever overwritten.

        A verified file that a host's newer build replaced goes to superseded/, anything else to quarantine/.
        """
        folder = self.superseded if verified else self.quarantine
        make_directory(folder, FOLDER_MODE)
        name = "_".join(path.relative_to(self.root).parts)
        target = folder / name
        number = 1
        while target.exists():
            number += 1
            target = folder / f"{name}.{number}"
        path.rename(target)
        sync_directory(folder)
        sync_directory(path.parent)
        return target


def _lock(descriptor: int, root: Path) -> None:
    """Take the lock; a transfer whose pull was killed gives it up as soon as it notices."""
    for tries_left in range(LOCK_TRIES, -1, -1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tries_left:
                time.sleep(LOCK_PAUSE_SECONDS)
                continue
            raise HarvesterError(
                f"Another pull or clean-up is using {root}. Wait for it to end, or name another directory with "
                "--output."
            ) from None
        return


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder of `path`, durably; HarvesterError for what the operating system refuses to write there.

    What is written already stays.
    """
    try:
        make_directory(path.parent, FOLDER_MODE)
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise HarvesterError(
                f"There is no room left for {path} ({error.strerror}). Nothing verified is lost, and the partial "
                "download is kept: free some space or name another disk with --output, and run the command again."
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise HarvesterError(
                f"{error.filename or path} cannot be written ({error.strerror}). Correct its owner or mode, or name "
                "another directory with --output."
            ) from error
        raise


def sync_files(directory: Path, paths: Sequence[Path]) -> None:
    """Make many files below `directory` durable: by one call for their file system where there is one (Linux)."""
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None or len(paths) == 1:
        for path in paths:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(descriptor)
