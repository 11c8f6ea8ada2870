"""A writer whose power will be cut: run as `python -m tests.crash.powered JOURNAL ACK_FILE [BUG]`, until killed.

After each append the acknowledged and the durable sequence number and the moment go to ACK_FILE, outside the file
system that loses its power.
"""

import mmap
import os
import struct
import sys
import time
from pathlib import Path

from tests.crash import bugs

from harvester.base.clock import SystemClock
from harvester.journal import JournalWriter, RunInfo, recover

ACKNOWLEDGED = struct.Struct("<qqq")  # seq, durable seq, wall ns
RECORDS_PER_SECOND = 2_000
TICK_SECONDS = 0.005


def main(journal: str, acknowledged: str, bug: str = "") -> None:
    bugs.plant(bug)
    clock = SystemClock()
    shared = mmap.mmap(os.open(acknowledged, os.O_RDWR), mmap.PAGESIZE)
    recover(Path(journal), clock=clock)
    run = RunInfo("lab1", "r1", "c0ffee", {0: "NSE:SBIN-EQ"})
    with JournalWriter(Path(journal), clock=clock, run=run, sync_interval_ms=100, segment_bytes=262_144) as writer:
        while True:
            for _ in range(round(RECORDS_PER_SECOND * TICK_SECONDS)):
                now_ns = clock.wall_ns()
                seq = writer.append(1, 0, os.urandom(250), wall_ns=now_ns, mono_ns=clock.mono_ns())
                ACKNOWLEDGED.pack_into(shared, 0, seq, writer.durable_seq, now_ns)
            time.sleep(TICK_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
