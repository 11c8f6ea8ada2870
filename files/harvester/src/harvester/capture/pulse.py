"""When data came for a group of symbols, and when none did: a silence is judged by it. Times are monotonic ns."""

from dataclasses import dataclass


@dataclass(eq=False)
class Pulse:
    """Of one group of one feed; all other groups see it."""

    feed: int
    symbols: frozenset[str]
    segments: frozenset[str]
    """Of the symbols."""
    stale_ns: int
    """A silence is longer than this."""
    heard_ns: int = 0
    """Its last data; 0: it is not up, or trading is not continuous."""
    flows_since_ns: int = 0
    """Since when there has been no silence."""
    rested_ns: int = 0
    """When its last silence ended in which, as far as is known, nothing was missed."""

    is_doubted: bool = False
    """Whether it seems to have missed something, and no update has come since."""

    def beat(self, heard_ns: int) -> None:
        """Data came last at `heard_ns`, see there."""
        if not heard_ns or not self.heard_ns:
            self.flows_since_ns = heard_ns
        elif heard_ns - self.heard_ns > self.stale_ns:
            self.flows_since_ns = self.rested_ns = heard_ns
        self.heard_ns = heard_ns

    def begin_anew(self, heard_ns: int) -> None:
        """What came before `heard_ns` says nothing of what comes from now on."""
        self.heard_ns = self.flows_since_ns = heard_ns

    @property
    def flow_ns(self) -> int:
        """How long there was data, up to the last, without a silence."""
        return self.heard_ns - self.flows_since_ns

    def explains(self, other: "Pulse") -> bool:
        """Whether it has all symbols of a group of a later feed, so that it is asked first whether they stand still."""
        is_known = self.heard_ns != 0 and not self.is_doubted
        return is_known and self.feed < other.feed and self.symbols >= other.symbols

    def speaks_against(self, other: "Pulse", silent_since_ns: int, now_ns: int) -> bool:
        """Whether it flows and shows that a market of the other group is open, which has been silent since a moment.

        It does when its data has come for half as long as a silence lasts, from that moment on or later.
        """
        flow_ns = self.heard_ns - max(self.flows_since_ns, silent_since_ns)
        flows = 2 * flow_ns > self.stale_ns >= now_ns - self.heard_ns
        return flows and not self.is_doubted and not self.segments.isdisjoint(other.segments)
