"""Whether a call leaves a file open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def none_left_open() -> Iterator[None]:
    """At its end this process has as many descriptors as before."""
    before = _count()
    yield
    assert _count() == before


def _count() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
