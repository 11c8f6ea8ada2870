"""The real recorder with a watch on its event loop: `python -m tests.bench.watched REPORT HARVESTER-ARGUMENTS`.

Every callback of the loop is timed: while one runs, no receive time is stamped. When the recorder ends, REPORT has the
longest ones as JSON, each with its wall and its CPU milliseconds: on a machine that others use, the wall time of a
callback holds what they took, its CPU time does not.
"""

import asyncio
import heapq
import json
import sys
from pathlib import Path
from time import monotonic_ns, thread_time_ns
from typing import Any

from harvester.base.clock import NS_PER_MS
from harvester.cli import run

KEPT = 40
Stall = tuple[int, int, str]
"""Wall ns, CPU ns and name of a callback."""


class Watch:
    """Times the callbacks of every loop of this process from now on, and keeps the longest by wall and by CPU time."""

    def __init__(self) -> None:
        self.by_wall: list[Stall] = []
        self.by_cpu: list[tuple[int, int, str]] = []
        run_handle = asyncio.Handle._run

        def run_timed(handle: asyncio.Handle) -> None:
            wall_ns, cpu_ns = monotonic_ns(), thread_time_ns()
            run_handle(handle)
            cpu_ns, wall_ns = thread_time_ns() - cpu_ns, monotonic_ns() - wall_ns
            if wall_ns > NS_PER_MS:
                self.take(wall_ns, cpu_ns, handle)

        asyncio.Handle._run = run_timed  # type: ignore[method-assign]

    def take(self, wall_ns: int, cpu_ns: int, handle: Any) -> None:
        """Keep a callback when it is among the longest."""
        name = _name(handle._callback)
        for kept, row in ((self.by_wall, (wall_ns, cpu_ns, name)), (self.by_cpu, (cpu_ns, wall_ns, name))):
            heapq.heappush(kept, row)
            if len(kept) > KEPT:
                heapq.heappop(kept)

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """The longest callbacks, longest first."""
        wall = [(wall, cpu, name) for wall, cpu, name in sorted(self.by_wall, reverse=True)]
        cpu = [(wall, cpu, name) for cpu, wall, name in sorted(self.by_cpu, reverse=True)]
        rows = {"by_wall": wall, "by_cpu": cpu}
        return {
            key: [
                {"wall_ms": round(wall / NS_PER_MS, 2), "cpu_ms": round(cpu / NS_PER_MS, 2), "name": name}
                for wall, cpu, name in found
            ]
            for key, found in rows.items()
        }


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
