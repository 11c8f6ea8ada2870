"""Whether a job is due now: what goes by the market is asked at each time at which it can be."""

from collections.abc import Callable
from datetime import date, timedelta

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.jobs.model import Job
from harvester.jobs.records import Records
from harvester.jobs.schedule import Hours

DAY_NS = 86_400 * NS_PER_SECOND
EARLY_NS = 5 * NS_PER_SECOND
"""A timer's clock is systemd's; a run that begins so little before its time is of it."""


def is_due(job: Job, records: Records, hours: Callable[[date], Hours | None], now_ns: int) -> bool:
    """Whether its newest time, of today or yesterday, has had no run yet. Raises OSError."""
    try:
        since_ns = records.since_ns()
    except FileNotFoundError:
        return False  # the deploy that brings it is under way
    if since_ns > now_ns + DAY_NS:
        since_ns = 0  # it was put here by a clock that was ahead
    today = to_local(now_ns).date()
    days = [today - timedelta(days=1), today]
    passed = [
        at_ns
        for day in days
        if not (job.trading_days and hours(day) is None)
        for at_ns in job.when.schedule.moments(day, hours(day))
        if since_ns <= at_ns <= now_ns + EARLY_NS
    ]
    if not passed:
        return False
    newest = max(passed)
    return not any(
        record.began_ns >= newest - EARLY_NS for record in records.read(to_local(newest - EARLY_NS).date(), today)
    )
