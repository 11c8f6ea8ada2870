"""The real recorder with a watch on its event loop: `python -m tests.bench.watched REPORT HARVESTER-ARGUMENTS`.

Every callback of the loop is timed: while one runs, no receive time is stamped. The time for which the thread waited
for a processor that others used is subtracted (second field of /proc/PID/schedstat; source: kernel documentation,
scheduler/sched-stats): what is left is work, and waiting for a disk or a lock, on a busy machine as on an idle one.
When the recorder ends, REPORT has the longest callbacks as JSON.
"""

import asyncio
import gc
import heapq
import json
import os
import sys
from pathlib import Path
from time import monotonic_ns, thread_time_ns, time_ns
from typing import Any

from harvester.base.clock import NS_PER_MS
from harvester.cli import run

KEPT = 200
SCHEDSTAT = "/proc/self/schedstat"
"""Of the main thread, which runs the loop."""


class Watch:
    """Times the callbacks of every loop of this process from now on, and keeps the longest."""

    def __init__(self) -> None:
        self.longest: list[tuple[int, int, int, int, str]] = []
        """Nanoseconds without the wait for a processor, of wall time and of CPU time; wall ns of the end; name."""
        self._collecting_ns = self._collected_ns = 0
        self._schedstat = os.open(SCHEDSTAT, os.O_RDONLY)
        gc.callbacks.append(self._take_collection)
        run_handle, schedstat = asyncio.Handle._run, self._schedstat

        def run_timed(handle: asyncio.Handle) -> None:
            waited, wall_ns, cpu_ns = os.pread(schedstat, 80, 0), monotonic_ns(), thread_time_ns()
            run_handle(handle)
            cpu_ns, wall_ns = thread_time_ns() - cpu_ns, monotonic_ns() - wall_ns
            if wall_ns > NS_PER_MS:
                waited_ns = int(os.pread(schedstat, 80, 0).split()[1]) - int(waited.split()[1])
                self._take(wall_ns - waited_ns, wall_ns, cpu_ns, handle)

        asyncio.Handle._run = run_timed  # type: ignore[method-assign]

    def _take(self, stall_ns: int, wall_ns: int, cpu_ns: int, handle: Any) -> None:
        heapq.heappush(self.longest, (stall_ns, wall_ns, cpu_ns, time_ns(), _name(handle._callback)))
        if len(self.longest) > KEPT:
            heapq.heappop(self.longest)

    def _take_collection(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collecting_ns = thread_time_ns()
        else:
            self._collected_ns = max(self._collected_ns, thread_time_ns() - self._collecting_ns)

    def report(self) -> dict[str, Any]:
        """The longest callbacks, longest first, and the CPU time of the longest garbage collection; in ms."""
        rows = [
            {"stall_ms": stall / NS_PER_MS, "wall_ms": wall / NS_PER_MS, "cpu_ms": cpu / NS_PER_MS}
            | {"ended_ns": ended_ns, "name": name}
            for stall, wall, cpu, ended_ns, name in sorted(self.longest, reverse=True)
        ]
        return {"stalls": rows, "collection_ms": self._collected_ns / NS_PER_MS}


def _name(callback: Any) -> str:
    """What runs: of a task, its coroutine."""
    owner = getattr(callback, "__self__", None)
    coroutine = owner.get_coro() if isinstance(owner, asyncio.Task) else callback
    return str(getattr(coroutine, "__qualname__", coroutine))


def main(report: str, *arguments: str) -> int:
    watch = Watch()
    try:
        return run(arguments)
    finally:
        Path(report).write_text(json.dumps(watch.report()), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
