"""Cuts the power of a writer's disk again and again: run as `python -m tests.crash.powercuts DIR CUTS SEED [BUG]`.

Must run in a mount namespace of its own (unshare --mount), or a namespace made meanwhile would keep the disk mounted.
The file system's shutdown call stops it without writing anything more, as when the power goes. Prints a JSON object.
"""

import fcntl
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.crash.powered import ACKNOWLEDGED

from harvester.base.clock import NS_PER_MS, SystemClock
from harvester.journal import read_segment, recover, scan

FS_IOC_SHUTDOWN = 0x8004587D
FLUSH_NOTHING = 2
IMAGE_BYTES = 64 << 20
READY_DEADLINE = 20
LIFE_SECONDS = (0.1, 1.2)
NO_DISK = 77


class Cut(NamedTuple):
    """What one power cut cost."""

    lost_ms: float
    durable_lost: int
    unreadable: int


@contextmanager
def mounted(image: Path, point: Path) -> Iterator[Path]:
    point.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop", str(image), str(point)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip(), file=sys.stderr)
        sys.exit(NO_DISK)
    try:
        yield point
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)


def cut_power(place: Path, number: int, seconds: float, bug: str) -> Cut:
    """Record on a fresh disk for so long, cut its power, and look at what it has."""
    image, after, ack = place / f"{number}.img", place / f"{number}-after.img", place / "ack"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    ack.write_bytes(bytes(4096))
    with mounted(image, place / "before") as disk:
        (disk / "journal").mkdir()
        os.sync()
        durable, last_ns = _run_until_cut(disk, ack, seconds, bug)
        # Look at a copy: after its shutdown the mounted file system may live on for a while.
        subprocess.run(["cp", "--sparse=always", str(image), str(after)], check=True)
    with mounted(after, place / "restored") as disk:
        cut = _examine(disk / "journal", durable, last_ns)
    image.unlink()
    after.unlink()
    return cut


def _run_until_cut(disk: Path, ack: Path, seconds: float, bug: str) -> tuple[int, int]:
    """The last durable number and the moment of the last acknowledged record."""
    command = [sys.executable, "-m", "tests.crash.powered", str(disk / "journal"), str(ack), bug]
    writer = subprocess.Popen(command)
    deadline = time.monotonic() + READY_DEADLINE
    while ACKNOWLEDGED.unpack_from(ack.read_bytes())[1] == 0:
        if time.monotonic() > deadline:
            sys.exit("the writer did not begin")
        time.sleep(0.01)
    time.sleep(seconds)
    descriptor = os.open(disk, os.O_RDONLY)
    writer.send_signal(signal.SIGSTOP)
    _, durable, last_ns = ACKNOWLEDGED.unpack_from(ack.read_bytes())
    fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", FLUSH_NOTHING))
    os.close(descriptor)
    writer.kill()
    writer.wait()
    return durable, last_ns


def _examine(journal: Path, durable: int, last_ns: int) -> Cut:
    report = recover(journal, clock=SystemClock())
    unreadable, newest_ns = len(report.problems), 0
    found: set[int] = set()
    for path in journal.glob("2*/*.seg"):
        unreadable += bool(scan(path).damaged)
        for record in read_segment(path):
            found.add(record.seq)
            if record.wall_ns <= last_ns:  # what recovery adds is later
                newest_ns = max(newest_ns, record.wall_ns)
    return Cut((last_ns - newest_ns) / NS_PER_MS, len(set(range(1, durable + 1)) - found), unreadable)


def main(directory: str, cuts: str, seed: str, bug: str = "") -> None:
    chance = random.Random(int(seed))
    done = [cut_power(Path(directory), number, chance.uniform(*LIFE_SECONDS), bug) for number in range(int(cuts))]
    ordered = sorted(cut.lost_ms for cut in done)
    report = {
        "cuts": len(done),
        "lost_ms_median": ordered[len(ordered) // 2],
        "lost_ms_max": ordered[-1],
        "durable_lost": sum(cut.durable_lost for cut in done),
        "unreadable": sum(cut.unreadable for cut in done),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
