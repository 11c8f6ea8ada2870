"""The lab boots in the background while site.yml is at AWS: an instance, too, runs before it has booted."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lab.demo.progress import Progress
from lab.labs import BOOTS_AT
from runbook.fleet.inventory import program


class Boot:
    """`lab up` with an AWS account. It is made when the stand-ins serve, a host boots, and the inventory names it.

    Raises HarvesterError when it ended badly before that.
    """

    def __init__(self, root: Path, progress: Progress) -> None:
        self._named = threading.Event()
        pool = ThreadPoolExecutor(max_workers=1)
        command = [program("lab"), "up", "--aws"]
        self._done: Future[None] = pool.submit(progress.run, command, cwd=root, hear=self._hear)
        pool.shutdown(wait=False)
        self._done.add_done_callback(lambda _: self._named.set())
        self._named.wait()
        if self._done.done():
            self._done.result()

    def _hear(self, line: str) -> None:
        if f" {BOOTS_AT} " in line:
            self._named.set()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """What happens inside may go on while the host boots; a boot that failed is the error that counts."""
        try:
            yield
        finally:
            self._done.result()
