"""A writer killed again and again in one journal: run as `python -m tests.crash.kills DIR KILLS SEED [BUG]`.

Each life recovers what the one before left, then writes records under load and acknowledges each in shared memory.
It is killed after a random time: while recovering, creating, writing, syncing or sealing. What it acknowledged must
be readable then, and at the end, when a last recovery has made the journal whole. Prints one JSON object.
"""

import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tests.crash import bugs

from harvester.base.clock import SystemClock
from harvester.journal import JournalError, JournalWriter, RunInfo, read_segment, recover, scan
from harvester.journal.format import DATA

SEGMENT_BYTES = 65_536
"""Records written together, each time before one that is written alone."""
STATE = struct.Struct("<qqq")  # acknowledged seq, durable seq, phase
RECOVERING, WRITING = 1, 2
LIFE_SECONDS = (0.004, 0.15)


def payload(pid: int, number: int) -> bytes:
    """What the data record of that number holds, so that a wrong content is noticed, too."""
    return b"%d:%d:" % (pid, number) + b"x" * (number * 7919 % 900)


def is_whole(content: bytes, pid: int) -> bool:
    """Whether this is a payload of that life."""
    number = content.split(b":", 2)[1:2]
    return bool(number) and number[0].isdigit() and content == payload(pid, int(number[0]))


def live(journal: Path, shared: mmap.mmap) -> None:
    """The life of one writer, until it is killed."""
    clock = SystemClock()
    STATE.pack_into(shared, 0, 0, 0, RECOVERING)
    recover(journal, clock=clock)
    run = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"})
    writer = JournalWriter(journal, clock=clock, run=run, sync_interval_ms=10, segment_bytes=SEGMENT_BYTES)
    for number in count():
        content = payload(os.getpid(), number)
        seq = writer.append(1, 0, content, wall_ns=clock.wall_ns(), mono_ns=clock.mono_ns())
        STATE.pack_into(shared, 0, seq, writer.durable_seq, WRITING)


def kill_one(journal: Path, shared: mmap.mmap, seconds: float) -> tuple[int, int, int]:
    """Start a life and end it; pid, acknowledged seq and phase are returned."""
    STATE.pack_into(shared, 0, 0, 0, 0)
    pid = os.fork()
    if pid == 0:
        try:
            live(journal, shared)
        finally:
            os._exit(1)  # a life never ends by itself
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit(f"a life ended by itself, status {status}")
    acknowledged, _, phase = STATE.unpack_from(shared, 0)
    return pid, acknowledged, phase


def count_lost(journal: Path, pid: int, acknowledged: int) -> int:
    """Acknowledged records of a life that cannot be read any more, or whose content is another."""
    found = set()
    for path in _files_of(journal, pid):
        for record in read_segment(path):
            if record.kind != DATA or is_whole(record.payload, pid):
                found.add(record.seq)
    return len(set(range(1, acknowledged + 1)) - found)


def _files_of(journal: Path, pid: int) -> Iterator[Path]:
    return (path for path in journal.glob(f"2*/*-{pid}.*") if path.suffix in {".open", ".seg"})


def count_unreadable(journal: Path) -> int:
    """Files that a recovery left other than sealed and undamaged."""
    unreadable = 0
    for path in journal.glob("2*/*"):
        try:
            facts = scan(path)
        except JournalError:
            unreadable += 1
            continue
        unreadable += path.suffix != ".seg" or not facts.sealed or bool(facts.damaged) or not facts.records
    return unreadable


def main(directory: str, kills: str, seed: str, bug: str = "") -> None:
    journal, chance = Path(directory), random.Random(int(seed))
    journal.mkdir(parents=True, exist_ok=True)
    bugs.plant(bug)
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    acknowledged: dict[int, int] = {}
    lost_at_once = in_recovery = 0
    for _ in range(int(kills)):
        pid, seq, phase = kill_one(journal, shared, chance.uniform(*LIFE_SECONDS))
        acknowledged[pid] = max(seq, acknowledged.get(pid, 0))
        lost_at_once += count_lost(journal, pid, seq)
        in_recovery += phase == RECOVERING
    recover(journal, clock=SystemClock())
    second = recover(journal, clock=SystemClock())
    report = {
        "kills": int(kills),
        "in_recovery": in_recovery,
        "acknowledged": sum(acknowledged.values()),
        "lost": lost_at_once + sum(count_lost(journal, pid, seq) for pid, seq in acknowledged.items()),
        "unreadable": count_unreadable(journal),
        "files": len(list(journal.glob("2*/*"))),
        "set_aside": len(list(journal.glob("quarantine/*"))),
        "second_recovery_changed": second.changed or bool(second.problems),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
