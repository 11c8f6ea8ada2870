"""What a worker's status file says: its time, its step, whether it is done. Whatever is in it, reading never fails."""

import json
import math
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import one_line

FINISHED = ("finished", "completed", "done")
"""Values of `status` that say that the work is done."""


class Reading(NamedTuple):
    """`fault`: why it is no status. `foreign`: the name of the worker whose it is, where that is another one."""

    at_ns: int | None = None
    """The time that the worker wrote, by its clock."""
    without_zone: bool = False
    step: float | None = None
    finished: bool = False
    fault: str = ""
    foreign: str = ""


def read_status(data: bytes, worker: str, progress: tuple[str, ...], zone: str) -> Reading:
    """Read a status. The step is the first of `progress` that is a number; a time without a zone is one of `zone`."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return Reading(fault="it is empty" if not data.strip() else "it is no JSON, or half of it")
    if not isinstance(fields, dict):
        return Reading(fault="it is no JSON object")
    named = fields.get("worker")
    if isinstance(named, str) and named and named != worker:
        return Reading(foreign=one_line(named, 60))
    at_ns, without_zone = read_time(fields.get("timestamp"), zone)
    return Reading(
        at_ns=at_ns,
        without_zone=without_zone,
        step=next((step for key in progress if (step := _number(fields.get(key))) is not None), None),
        finished=fields.get("finished") is True or fields.get("status") in FINISHED,
        fault="" if at_ns is not None else "its timestamp is no time",
    )


def read_time(value: object, zone: str) -> tuple[int | None, bool]:
    """Wall ns of an ISO 8601 text or of seconds since 1970, and whether it had no zone. None: it is no time."""
    number = _number(value)
    try:
        if number is not None:
            return int(number * NS_PER_SECOND), False
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            return None, False
        without_zone = moment.tzinfo is None
        since = (moment.replace(tzinfo=ZoneInfo(zone)) if without_zone else moment) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * NS_PER_SECOND + since.microseconds * 1000, without_zone
    except (ValueError, OverflowError):
        return None, False


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond what a float holds
        return None
