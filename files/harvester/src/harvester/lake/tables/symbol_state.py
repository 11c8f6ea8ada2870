"""What of one symbol goes on from one slice of a day to the next, and what each slice adds to the day.

A symbol's rows are read in the order of the journal, and what becomes of a row may rest on all rows before it: copies
on another connection, the volume that trades are inferred from, numbers of messages. `msgspec` keeps it.
"""

import msgspec

from harvester.lake.tables.sequence import Chain

Waiting = list[tuple[int, bytes, bytes]]
"""By stream: states that may have a copy yet (uint64), and when they came (int64, wall ns)."""


class FeedState(msgspec.Struct, frozen=True):
    """Figures of one feed. `updates`, `off_session` and `times` are of the day so far, the rest of the slice alone."""

    updates: dict[str, int]
    off_session: int
    times: dict[int, int]
    """The exchange's time last seen on each connection."""
    moments: bytes = b""
    """int64[3, stretches]: the times of receipt, see `symbol_rows.shorten`."""
    skew: bytes = b""
    """int64: the skews of live updates."""


class CopyState(msgspec.Struct, frozen=True):
    """Of each stream, of the day so far: what it brought first of two and alone; by table: what waits for its copy."""

    first: dict[int, int]
    alone: dict[int, int]
    waiting: dict[str, Waiting]


class TradeState(msgspec.Struct, frozen=True):
    """The quote that the next one is compared with, and the figures of the day so far."""

    last: bytes
    figures: dict[str, int]
    span: tuple[int, int] | None = None
    """Receipt of the first and the last quote that the slice compared, in wall ns."""
    seen: list[int] = []
    """When the symbol was seen in this time, by windows and gaps: see `Watched.between`."""


class SymbolState(msgspec.Struct, frozen=True):
    """One symbol after a slice."""

    feeds: dict[int, FeedState]
    copies: CopyState
    chains: list[Chain]
    """Numbers of messages by connection, of the day so far."""
    trades: TradeState
    session: list[int] = []
    """The windows of the symbol in the time of the slice: see `Watched.between`."""
    breaks: list[tuple[int, int | None, str]] = []
    """Breaks of the numbers that the slice has."""
    bars: bytes = b""
    """int64[10, bars]: bars of the slice's quotes."""

    def running(self) -> "SymbolState":
        """Without what the slice adds: what the next slice begins with."""
        feeds = {feed: FeedState(each.updates, each.off_session, each.times) for feed, each in self.feeds.items()}
        trades = TradeState(self.trades.last, self.trades.figures)
        return SymbolState(feeds, self.copies, self.chains, trades)
