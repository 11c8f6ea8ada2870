"""One writer per journal: an advisory lock that ends with its process, however that ends."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from harvester.base.files import make_directory
from harvester.journal.format import JournalError

LOCK_NAME = ".lock"
ATTEMPTS = 10
PAUSE_SECONDS = 0.05


class JournalLock:
    """Holds `<journal>/.lock` from construction until `release`."""

    def __init__(self, journal: Path) -> None:
        """Take the lock. Raises JournalError when another process holds it for half a second, or on OSError."""
        path = journal / LOCK_NAME
        try:
            make_directory(journal)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        except OSError as error:
            raise JournalError(
                f"{path}: the journal's lock cannot be opened ({error.strerror}). Correct the owner and mode of the "
                "directory, or data_dir in the configuration."
            ) from error
        try:
            self._acquire(path)
        except BaseException:
            self.release()
            raise

    def _acquire(self, path: Path) -> None:
        for _ in range(ATTEMPTS):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(PAUSE_SECONDS)  # a reader asking whether the lock is held holds it for an instant
            else:
                return
        raise JournalError(
            f"{path}: another recorder is writing this journal. Only one may: stop it, or give this one a data_dir of "
            "its own."
        )

    def release(self) -> None:
        """Let go of the lock; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def is_locked(journal: Path) -> bool:
    """Whether a recorder is writing this journal now. Needs read access only. Raises OSError when it has none."""
    try:
        descriptor = os.open(journal / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
