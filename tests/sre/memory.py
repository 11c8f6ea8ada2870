"""What each unit of a booted host takes of a gibibyte, seen from outside: the host itself runs nothing for it."""

import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab import cgroups

GIBIBYTE, MIB = 1 << 30, 1 << 20
PAUSE_SECONDS = 0.1
UNIT = re.compile(r"/((?:harvester-|ssh)[^/]*\.service)(?:/|$)", re.MULTILINE)
SIZES = re.compile(r"^(Rss|Pss): +(\d+) kB", re.MULTILINE)


@dataclass
class Peaks:
    """The most that was seen, in bytes: of each unit together (rss, pss), and of the host what cannot be reclaimed."""

    units: dict[str, tuple[int, int]] = field(default_factory=lambda: defaultdict(lambda: (0, 0)))
    host: int = 0
    killed: int = 0


def limit_of(group: str) -> Path | None:
    """The folder of the host's memory group where this machine enforces one."""
    folder = Path("/sys/fs/cgroup/memory") / group
    return folder if (folder / "memory.limit_in_bytes").exists() else None


@contextmanager
def watched(group: str, folder: Path, limit: int = GIBIBYTE) -> Iterator[Peaks]:
    """Hold the host of this control group to so many bytes, and look at its processes ten times a second."""
    peaks, over = Peaks(), threading.Event()
    (folder / "memory.limit_in_bytes").write_text(str(limit))

    def look() -> None:
        while not over.wait(PAUSE_SECONDS):
            sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
            for pid in cgroups.processes(group):
                if found := _sizes(pid):
                    unit, rss, pss = found
                    sums[unit][0] += rss
                    sums[unit][1] += pss
            for unit, (rss, pss) in sums.items():
                before = peaks.units[unit]
                peaks.units[unit] = max(before[0], rss), max(before[1], pss)
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            kept = sum(int(statistics.get(name, 0)) for name in ("total_rss", "total_shmem"))
            peaks.host = max(peaks.host, kept)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()
        peaks.killed = int(re.findall(r"^oom_kill (\d+)", (folder / "memory.oom_control").read_text(), re.MULTILINE)[0])


def _sizes(pid: int) -> tuple[str, int, int] | None:
    """Unit, resident and proportional size of a process; None when it has ended."""
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text()
        sizes = dict(SIZES.findall(Path(f"/proc/{pid}/smaps_rollup").read_text()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    unit = UNIT.search(groups)
    name = re.sub(r"@.*(?=\.service)", "@", unit[1]) if unit else "the rest of the host"
    return (name, int(sizes["Rss"]) << 10, int(sizes["Pss"]) << 10) if sizes else None


def table(peaks: Peaks) -> str:
    """The peaks as the document has them, in MiB."""
    rows = [f"| {name} | {rss / MIB:.0f} | {pss / MIB:.0f} |" for name, (rss, pss) in sorted(peaks.units.items())]
    return "\n".join(
        ["| unit | RSS | PSS |", "|---|---|---|", *rows, f"host, not reclaimable: {peaks.host / MIB:.0f} MiB"]
    )
