"""What systemd tells the program that it starts after a unit: the record that a killed run could not write itself.

`$SERVICE_RESULT`, `$EXIT_CODE` and `$EXIT_STATUS`: systemd.exec(5), "Environment Variables Set or Propagated".
"""

from collections.abc import Mapping

from harvester.jobs.records import Record, Records, Result
from harvester.jobs.run import INVOCATION

KILLED: Mapping[str, str] = {
    "oom-kill": "the kernel ended it, because it needed more memory than its unit may have",
    "timeout": "systemd ended it, because the unit took too long",
    "watchdog": "systemd ended it, because it gave no sign of life",
}
SUCCESS = "success"


def ended_well(environment: Mapping[str, str]) -> bool:
    """Whether systemd counts this run of the unit as well."""
    return environment.get("SERVICE_RESULT", SUCCESS) in (SUCCESS, "exec-condition")


def close_record(records: Records, environment: Mapping[str, str], now_ns: int) -> Record | None:
    """Write the record of a run that could not do so itself; None where there is none to write. Raises OSError.

    A run that another process began, such as a person's by hand, is not of this unit.
    """
    running = records.running()
    if running is None or running.invocation != environment.get(INVOCATION, ""):
        return None
    result = environment.get("SERVICE_RESULT", "")
    how = f"{environment.get('EXIT_CODE', '')} {environment.get('EXIT_STATUS', '')}".strip()
    cause = KILLED.get(result, f"it ended without a word ({result or 'no result'}{', ' if how else ''}{how})")
    kind: Result = "timeout" if result == "timeout" else "killed"
    record = running.end(now_ns, kind, cause=cause)
    records.append(record)
    return record
