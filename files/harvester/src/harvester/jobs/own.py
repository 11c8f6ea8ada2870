"""The record of a built-in job: the command writes it itself, where its unit says in $HARVESTER_JOB which job it is."""

import os
import sys
from collections.abc import Callable

from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.health.installed import find_installed
from harvester.jobs.records import JOBS, Records, Running
from harvester.jobs.run import INVOCATION

VARIABLE = "HARVESTER_JOB"


class OwnRecord:
    """From the begin of a command to its end. A record that cannot be written is said."""

    def __init__(self, name: str, records: Records) -> None:
        self._clock, self._records = SystemClock(), records
        self._running = Running(job=name, began_ns=self._clock.wall_ns(), invocation=os.environ.get(INVOCATION, ""))
        self._keep(lambda: records.begin(self._running))

    def end(self, code: int, message: str) -> None:
        """`message` is what standard error said, if anything."""
        cause = " ".join(message.split()) or f"it ended with {code}" if code else ""
        record = self._running.end(self._clock.wall_ns(), "failed" if code else "ok", cause=cause)
        self._keep(lambda: self._records.append(record))

    def _keep(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            print(
                f"harvester: {error.filename}: the record of this run cannot be written: {error.strerror}",
                file=sys.stderr,
            )


def own_record() -> OwnRecord | None:
    """A record that has begun; None where this is no run of a unit of a host. No child of this process has one."""
    name = os.environ.pop(VARIABLE, None)
    if name is None:
        return None
    try:
        installed = find_installed()
    except HarvesterError as error:
        print(f"harvester: this run has no record: {error}", file=sys.stderr)
        return None
    return OwnRecord(name, Records(installed.data_dir / JOBS / name)) if installed else None
