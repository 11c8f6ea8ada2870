"""Arguments and environments of the processes of this machine, looked at again and again while a test runs."""

import threading
import time
from pathlib import Path


class Watch(threading.Thread):
    """Reads arguments and environment of every process that it can see, again and again."""

    def __init__(self, every_seconds: float = 0.05) -> None:
        super().__init__(daemon=True)
        self.began = time.time()
        self.seen: set[bytes] = set()
        self._every_seconds = every_seconds
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._every_seconds):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        self.seen.add((process / name).read_bytes())
                    except OSError:
                        continue

    def stop(self) -> bytes:
        self._over.set()
        self.join()
        return b"\n".join(self.seen)
