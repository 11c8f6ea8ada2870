"""Closes a day in a process of its own and says what that took: DIR SECONDS INTERVAL_NS, 0 for no polls."""

import json
import sys
import time
from pathlib import Path

from tests.journals import DAY, OPEN_NS

from harvester.base.clock import NS_PER_SECOND
from harvester.lake.close import close_day
from harvester.lake.day.model import Expectation
from harvester.lake.layout import Partition

root, seconds, interval_ns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
end_ns = OPEN_NS + seconds * NS_PER_SECOND
began = time.process_time()
closing = close_day(
    journal=root / "journal",
    lake=root / "lake",
    partition=Partition(DAY, "lab1"),
    expectation=Expectation((), ((OPEN_NS, end_ns),), interval_ns or None, 2 * interval_ns),
    now_ns=end_ns,
)
assert closing.certificate is not None
# Not ru_maxrss: that remembers the process which started this one.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
report = {
    "rss_mib": int(status["VmHWM"].split()[0]) / 1024,
    "cpu_seconds": time.process_time() - began,
    "updates": sum(entry["updates"] for entry in closing.certificate["symbols"].values()),
    "unexplained": closing.certificate["unexplained_slots"],
    "streams": closing.certificate["streams"],
    "gap_slots": sum(sum(entry["gaps_by_cause"].values()) for entry in closing.certificate["symbols"].values()),
}
print(json.dumps(report))
