"""Whether the socket feeds do their work, judged from the recorder's status file."""

from collections.abc import Iterator
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.schwab.chart import TAKEN
from harvester.health.remedies import CAUSE_FIXES, Check

PATIENCE_NS = 10 * NS_PER_SECOND
"""A connection that is cut is back within a second or two."""

END_OTHER = "End the program that logs in with the same user, or leave schwab-stream out of feeds: no bar gets lost."


def check_streams(status: dict[str, Any], wall_ns: int) -> Iterator[Check]:
    """One finding a feed: in session, no symbol may be without data for long."""
    for name, feed in status.get("feeds", {}).items():
        yield _check_feed(name, feed, status, wall_ns)


def _check_feed(name: str, feed: dict[str, Any], status: dict[str, Any], wall_ns: int) -> Check:
    running = [connection for connection in feed["connections"] if connection["state"] != "idle"]
    up = sum(1 for connection in running if connection["state"] in ("open", "subscribed"))
    state = f"{up} of {len(running)} connections up"
    if not status.get("window", {}).get("open"):
        return Check(name, True, state if feed["running"] else "closed until the next session")
    gaps = [gap for gap in status.get("open_gaps", []) if gap.get("feed") == name]
    old = [gap for gap in gaps if wall_ns - gap["from_ns"] > PATIENCE_NS]
    if not old:
        return Check(name, True, f"{state}, {len(gaps)} symbols without data")
    names = ", ".join(gap["symbol"] for gap in old[:5]) + (" ..." if len(old) > 5 else "")
    cause = f"{old[0]['cause']}: {old[0]['detail']}"
    fix = END_OTHER if TAKEN in cause else CAUSE_FIXES.get(old[0]["cause"], "See ./inv logs.")
    return Check(name, False, f"{state}; no data of {len(old)} symbols ({names}); {cause}", fix)
