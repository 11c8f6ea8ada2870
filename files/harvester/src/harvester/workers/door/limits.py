"""How often the door answers: so many requests a minute from one address, and so many from all, in bounded memory."""

import threading
from collections import OrderedDict, deque

from harvester.base.clock import NS_PER_SECOND

MINUTE_NS = 60 * NS_PER_SECOND
ADDRESSES = 1_000
"""Addresses that are remembered; the one that was quiet longest is forgotten first."""


class Limiter:
    """Windows that slide. `per_address` and `overall` are requests in any 60 seconds."""

    def __init__(self, per_address: int, overall: int) -> None:
        self._per_address, self._overall = per_address, overall
        self._seen: OrderedDict[str, deque[int]] = OrderedDict()
        self._all: deque[int] = deque(maxlen=overall)
        self._lock = threading.Lock()

    def admits(self, address: str, now_ns: int) -> bool:
        """Whether a request may be answered now; one that may counts."""
        with self._lock:
            own = self._seen.setdefault(address, deque(maxlen=self._per_address))
            self._seen.move_to_end(address)
            while len(self._seen) > ADDRESSES:
                self._seen.popitem(last=False)
            if _is_full(own, self._per_address, now_ns) or _is_full(self._all, self._overall, now_ns):
                return False
            own.append(now_ns)
            self._all.append(now_ns)
            return True


def _is_full(times: "deque[int]", most: int, now_ns: int) -> bool:
    return len(times) == most and 0 <= now_ns - times[0] < MINUTE_NS
