"""One changer of a lake at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory
from harvester.lake.layout import LOCK_NAME


@contextmanager
def locked(lake: Path) -> Iterator[None]:
    """Hold the lake for this process. Raises HarvesterError when another one does, or when it cannot be written."""
    path = lake / LOCK_NAME
    try:
        make_directory(lake)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise HarvesterError(
            f"{path}: the lake cannot be written ({error.strerror}). Run the command as the user that owns the lake."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HarvesterError(
            f"{path}: another close or clean-up is at work here. Run the command again later."
        ) from None
    else:
        yield
    finally:
        os.close(descriptor)
