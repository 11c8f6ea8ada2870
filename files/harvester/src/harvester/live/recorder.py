"""What the recorder says of itself in its status file: how old its data are, and how many come a second."""

from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import UnhealthyError
from harvester.capture.status import read_status

RATE_NS = 10 * NS_PER_SECOND
"""Rates are of so long."""
LATE_NS = 10 * NS_PER_SECOND
"""A status is replaced every second, and of thousands of symbols every five: an older one is nobody's."""


class SymbolNews(NamedTuple):
    """Of one symbol: when its newest data came (wall ns; None: nothing did), and how many a second of late."""

    last_ns: int | None
    rate: float | None


class RecorderNews:
    """The status file, read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._which = (0, 0)
        self._status: dict[str, Any] = {}
        self._counts: deque[tuple[int, dict[str, int]]] = deque()
        self.problem = "the recorder's state was not looked at yet"

    def look(self, now_ns: int) -> None:
        """Read it, where it is another one. What is in the way is in `problem`; empty: all is well."""
        try:
            found = self._path.stat()
            if (which := (found.st_ino, found.st_mtime_ns)) != self._which:
                self._status, self._which = read_status(self._path), which
                self._note()
            self.problem = ""
        except FileNotFoundError:
            self.problem = "the recorder does not run"
        except (OSError, UnhealthyError) as error:
            self.problem = str(error)
        age_ns = now_ns - self.written_ns
        if not self.problem and age_ns > LATE_NS:
            self.problem = f"the recorder has said nothing for {age_ns // NS_PER_SECOND} s"
        elif not self.problem and age_ns < -LATE_NS:
            self.problem = f"what the recorder said last is {-age_ns // NS_PER_SECOND} s ahead of this host's clock"

    def _note(self) -> None:
        counts = {name: int(each.get("updates", 0)) for name, each in self._symbols.items()}
        if self._counts and (
            self.written_ns < self._counts[-1][0]
            or any(counts.get(name, 0) < before for name, before in self._counts[-1][1].items())
        ):
            self._counts.clear()  # another run counts anew; and a clock that was set back has a new second
        self._counts.append((self.written_ns, counts))
        while len(self._counts) > 2 and self._counts[-1][0] - self._counts[1][0] >= RATE_NS:
            self._counts.popleft()

    @property
    def written_ns(self) -> int:
        """When it was written, in wall ns; 0: never."""
        return int(self._status.get("written_at_ns", 0))

    @property
    def _symbols(self) -> dict[str, Any]:
        found = self._status.get("symbols")
        return found if isinstance(found, dict) else {}

    def of(self, symbol: str) -> SymbolNews:
        """The news of a symbol; of one that is not recorded there are none."""
        last = self._symbols.get(symbol, {}).get("last_recv_ns")
        if not self._counts:
            return SymbolNews(last, None)
        (first_ns, first), (last_ns, counts) = self._counts[0], self._counts[-1]
        if symbol not in counts or last_ns <= first_ns:
            return SymbolNews(last, None)
        grown = counts[symbol] - first.get(symbol, 0)
        return SymbolNews(last, grown * NS_PER_SECOND / (last_ns - first_ns))

    def describe(self) -> dict[str, Any]:
        """The recorder's own facts that the page shows."""
        window, token = self._status.get("window") or {}, self._status.get("token") or {}
        return {
            "problem": self.problem,
            "release": self._status.get("release"),
            "open": window.get("open"),
            "phases": window.get("phases"),
            "token": token.get("state"),
            "open_gaps": len(self._status.get("open_gaps") or ()),
        }
