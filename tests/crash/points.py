"""Faults at the N-th system call, N = 1, 2, 3 ... until none is left, over record, seal, close and prune.

Run as `python -m tests.crash.points DIR FAULT STRIDE SHARE BUG`: FAULT is KILL, EIO or ENOSPC. Only every STRIDE-th N
is tried (of write, which Parquet needs much, every 5 x STRIDE-th), and of the calls only a SHARE such as "0/2". A
forked child stops, strace attaches with the fault, the child works; then another one recovers and closes, and
everything is counted. Prints one JSON object.
"""

import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.crash import bugs
from tests.journals import DAY, INTERVAL_NS, OPEN_NS, SYMBOLS, HandClock, HandRecorder
from tests.lake_rows import rows

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.journal import read_segment, recover
from harvester.journal.format import DATA, decode_poll
from harvester.lake.close import close_day
from harvester.lake.day.model import Expectation
from harvester.lake.layout import DEPTH, RAW, Partition
from harvester.lake.manifest import load_manifest
from harvester.lake.prune import delete_segments, judge_segments
from harvester.reader.verify import verify_lake

CALLS = ("write", "fsync", "mkdir", "rename", "fdatasync", "pwrite64", "unlink", "ftruncate", "link")
SLOTS = 5
PARTITION = Partition(DAY, "lab1")
WINDOW = (OPEN_NS, OPEN_NS + SLOTS * INTERVAL_NS)
EXPECTATION = Expectation(SYMBOLS, (WINDOW,), INTERVAL_NS, 9 * NS_PER_SECOND)
AFTER_NS = WINDOW[1] + NS_PER_SECOND
RESULT = struct.Struct("<qqq")
STRACE_DEADLINE = 10
WORKED, STOPPED, CRASHED = 0, 3, 4
LIMIT = 10_000


class Outcome(NamedTuple):
    """What was found after one fault."""

    lost: int
    twice: int
    flaws: int


def work(place: Path, shared: mmap.mmap) -> None:
    """Record a session after a crash, seal, close the day, prune: everything that changes files."""
    journal, lake = place / "journal", place / "lake"
    clock = HandClock()
    recover(journal, clock=clock)
    recorder = HandRecorder(journal, clock, segment_bytes=8_000, sync_interval_ms=10**7)
    recorder.open_window(SLOTS)
    polled = 0
    for slot in range(SLOTS):
        for symbol in SYMBOLS:
            recorder.poll(slot, symbol)
            polled += 1
            struct.pack_into("<q", shared, 0, polled)
        recorder.writer.sync()
    recorder.close_window(SLOTS)
    recorder.stop()
    close(place)
    delete_segments(judge_segments(journal, lake))


def close(place: Path) -> None:
    close_day(
        journal=place / "journal", lake=place / "lake", partition=PARTITION, expectation=EXPECTATION, now_ns=AFTER_NS
    )


def prepare(place: Path) -> None:
    """A journal that a run left torn, so that recovery has work, too."""
    shutil.rmtree(place, ignore_errors=True)
    recorder = HandRecorder(place / "journal", HandClock(OPEN_NS - 60 * NS_PER_SECOND), sync_interval_ms=10**7)
    segment = recorder.writer.segment
    recorder.die()
    with segment.open("ab") as file:
        file.write(b"\xf5AHJ torn")


def in_child(task: Callable[..., None], *arguments: object) -> int:
    """Run a function in a forked child that first stops itself; its pid is returned once it has stopped."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, os.WUNTRACED)
        return pid
    code = CRASHED
    try:
        os.kill(os.getpid(), signal.SIGSTOP)
        task(*arguments)
        code = WORKED
    except HarvesterError:
        code = STOPPED
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def trace_of(place: Path) -> Path:
    """Where strace writes what it saw."""
    return place.with_name("trace")


def run_with_fault(place: Path, shared: mmap.mmap, call: str, fault: str, number: int) -> int:
    """Do the work with the fault at the number-th such call; exit code, or minus the signal."""
    effect = "signal=KILL" if fault == "KILL" else f"error={fault}"
    pid = in_child(work, place, shared)
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:{effect}:when={number}"]
    command = ["strace", "-qq", "-f", "-p", str(pid), "-o", str(trace_of(place)), *inject]
    strace = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + STRACE_DEADLINE
    while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
        if strace.poll() is not None or time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise SystemExit("strace cannot attach here")
        time.sleep(0.001)
    os.kill(pid, signal.SIGCONT)
    _, status = os.waitpid(pid, 0)
    strace.wait()
    return os.waitstatus_to_exitcode(status)


def examine(place: Path, shared: mmap.mmap, acknowledged: int) -> None:
    """Recover, close again, and count what is lost, twice there or otherwise wrong; the outcome goes to `shared`."""
    journal, lake = place / "journal", place / "lake"
    recover(journal, clock=HandClock(AFTER_NS))
    second = recover(journal, clock=HandClock(AFTER_NS))
    close(place)
    flaws = second.changed + len(second.problems) + (not verify_lake(lake).ok)
    archived, rows = count_archived(lake), count_rows(lake)
    wanted = [(OPEN_NS + slot * INTERVAL_NS, symbol) for slot in range(SLOTS) for symbol in SYMBOLS][:acknowledged]
    lost = sum(key not in rows or key not in archived for key in wanted)
    twice = sum(number > 1 for number in (*rows.values(), *archived.values()))
    RESULT.pack_into(shared, 0, lost, twice, flaws)


def count_rows(lake: Path) -> "Counter[tuple[int, str]]":
    """How often each poll is in the depth table."""
    manifest = load_manifest(lake, PARTITION)
    assert manifest is not None
    return Counter((row["ts_sched"], row["symbol"]) for row in rows(lake / manifest.find(DEPTH)[0].path))


def count_archived(lake: Path) -> "Counter[tuple[int, str]]":
    """How often each poll is in the archived segments."""
    found: Counter[tuple[int, str]] = Counter()
    for path in (lake / PARTITION.path(RAW)).glob("[!.]*.zst"):
        for record in read_segment(path):
            poll = decode_poll(record.payload) if record.kind == DATA else None
            if poll:
                found[poll.sched_ns, SYMBOLS[record.stream]] += 1
    return found


def try_fault(place: Path, shared: mmap.mmap, call: str, fault: str, number: int) -> tuple[int, Outcome]:
    """One fault from a fresh start: how the work ended, and what was found afterwards."""
    prepare(place)
    RESULT.pack_into(shared, 0, 0, 0, 0)
    ended = run_with_fault(place, shared, call, fault, number)
    (acknowledged,) = struct.unpack_from("<q", shared, 0)
    RESULT.pack_into(shared, 0, 0, 0, 1)
    pid = in_child(examine, place, shared, acknowledged)
    os.kill(pid, signal.SIGCONT)
    _, status = os.waitpid(pid, 0)
    outcome = Outcome(*RESULT.unpack_from(shared, 0))
    return ended, outcome._replace(flaws=outcome.flaws + (status != 0))


def was_injected(place: Path, ended: int) -> bool:
    """Whether the fault happened at all."""
    return ended == -signal.SIGKILL or "(INJECTED)" in trace_of(place).read_text()


def main(directory: str, fault: str, stride: str, share: str, bug: str = "") -> None:
    place, shared = Path(directory) / "place", mmap.mmap(-1, mmap.PAGESIZE)
    part, parts = map(int, share.split("/"))
    bugs.plant(bug)
    report: Counter[str] = Counter({"points": 0, "lost": 0, "twice": 0, "flaws": 0, "crashed": 0})
    for call in CALLS[part::parts]:
        steps = int(stride) * (5 if call == "write" and int(stride) > 1 else 1)
        for number in range(1, LIMIT, steps):
            ended, outcome = try_fault(place, shared, call, fault, number)
            report.update(outcome._asdict())
            if not was_injected(place, ended):
                break  # there are not so many such calls
            report["points"] += 1
            report["crashed"] += ended == CRASHED
            if outcome != (0, 0, 0) or ended == CRASHED:
                print(f"{call} {number} {fault}: ended {ended}, {outcome}", file=sys.stderr, flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
