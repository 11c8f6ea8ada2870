"""Advisory locks between lab commands; the kernel frees them when their holder dies."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def _nothing() -> None:
    pass


@contextmanager
def wait_for_lock(
    path: Path, *, announce: Callable[[], None] = _nothing, make: Callable[[], None] = _nothing
) -> Iterator[None]:
    """Hold the lock at `path`: a folder, or a file called `.lock`.

    `announce` is called once when another process has it; `make` before each try, for a folder that its last holder
    may remove.
    """
    while True:
        try:
            make()
            descriptor = _open(path)
        except FileNotFoundError:
            continue  # its last holder removed it meanwhile
        try:
            if not _take(descriptor, wait=False):
                announce()
                _take(descriptor, wait=True)
            if not _is_still_at(descriptor, path):
                continue
            yield
            return
        finally:
            os.close(descriptor)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock at `path` if nobody else does; yields whether it is held."""
    descriptor = _open(path)
    try:
        yield _take(descriptor, wait=False)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    if path.suffix == ".lock":
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _take(descriptor: int, *, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _is_still_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
