"""A program of ours whose wall clock is ahead of the machine's: moved_clock.py NANOSECONDS PROGRAM ARGUMENTS...

`time.time` and `time.time_ns` are moved, which `SystemClock` and the sockets read; certificates go by the machine's own
clock, at both ends.
"""

import runpy
import sys
import time


def move(by_ns: int) -> None:
    """From now on in this process."""
    wall, wall_ns = time.time, time.time_ns
    time.time = lambda: wall() + by_ns / 10**9
    time.time_ns = lambda: wall_ns() + by_ns


if __name__ == "__main__":
    move(int(sys.argv[1]))
    del sys.argv[:2]
    runpy.run_path(sys.argv[0], run_name="__main__")
