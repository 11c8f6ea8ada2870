"""Arguments and environments of the processes of this machine, looked at again and again while a test runs."""

import re
import threading
import time
from contextlib import suppress
from pathlib import Path

from lab.claims import find_hosts

GROUP = re.compile(r"\bah-\d+\b")
"""The control group of a booted host, above all of its processes."""


class Watch(threading.Thread):
    """Reads arguments and environment of every process that it can see, again and again.

    With `lab`, a lab's state: of booted hosts those of that lab alone, for tests beside have tokens of their own.
    """

    def __init__(self, every_seconds: float = 0.05, lab: Path | None = None) -> None:
        super().__init__(daemon=True)
        self._lab = lab
        self.began = time.time()
        self.seen: set[bytes] = set()
        self._every_seconds = every_seconds
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._every_seconds):
            ours = {host.group for host in find_hosts(self._lab)} if self._lab else set()
            for process in Path("/proc").glob("[0-9]*"):
                self._look(process, ours)

    def _look(self, process: Path, ours: set[str]) -> None:
        """Processes end while they are read, and some cannot be read."""
        with suppress(OSError):
            if self._lab and not {*GROUP.findall((process / "cgroup").read_text())} <= ours:
                return
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                self.seen.add((process / name).read_bytes())

    def stop(self) -> bytes:
        self._over.set()
        self.join()
        return b"\n".join(self.seen)
