"""How long to wait before the next attempt: longer each time, spread so that many do not return together."""

import random

from harvester.ledger.outage import Cause

FIRST_SECONDS, LAST_SECONDS, SLOW_SECONDS = 0.5, 30.0, 60.0
SLOW: frozenset[Cause] = frozenset({"refused", "not_listed", "rate_limited", "blocked", "mute", "no_snapshot"})
"""The server answers and does not deliver: frequent attempts change nothing and may look like an attack."""
REFUSED_START = 3


class Backoff:
    """Counts the attempts of one connection since it last did its work."""

    def __init__(self) -> None:
        self.failures = 0

    def succeed(self) -> None:
        """The connection delivered."""
        self.failures = 0

    def fail(self, cause: Cause) -> float:
        """Seconds to wait after an attempt, or a connection, that ended so."""
        if cause in ("refused", "rate_limited"):
            self.failures = max(self.failures, REFUSED_START)
        limit = SLOW_SECONDS if cause in SLOW else LAST_SECONDS
        seconds = min(limit, FIRST_SECONDS * 2.0 ** min(self.failures, 10))
        self.failures += 1
        return seconds * random.uniform(0.5, 1.0)
