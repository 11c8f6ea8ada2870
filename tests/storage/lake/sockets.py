"""Journals of sockets made by hand: a recorder whose connections, frames and gaps are told one by one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.journals import OPEN_NS, HandClock, HandRecorder

from exchange.wire import hsm, tbt
from harvester.base.clock import NS_PER_SECOND
from harvester.journal.format import FYERS_HSM, FYERS_TBT

SECONDS = 100
"""Length of the session."""
CLOSE_NS = OPEN_NS + SECONDS * NS_PER_SECOND
SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
TOKENS = {SBIN: 3045, INFY: 1594, "NSE:TCS-EQ": 11536}
NIFTY = "NSE:NIFTY50-INDEX"


def moment(seconds: float) -> int:
    """Wall ns so many seconds after the opening."""
    return OPEN_NS + round(seconds * NS_PER_SECOND)


def topics_of(symbols: Sequence[str]) -> dict[str, str]:
    """What a connect record says of them."""
    names = {
        f"{kind}|nse_cm|{TOKENS[symbol]}": symbol for symbol in symbols if symbol != NIFTY for kind in ("sf", "dp")
    }
    return names | ({"if|nse_cm|Nifty 50": NIFTY} if NIFTY in symbols else {})


def ids_of(symbol: str) -> dict[str, int]:
    """Topic ids of a symbol."""
    if symbol == NIFTY:
        return {"if": 60_000}
    base = 2 * list(TOKENS).index(symbol)
    return {"sf": base + 1, "dp": base + 2}


def quote(number: int, **changes: int | None) -> list[int | None]:
    """The 21 values of a quote, different for each number."""
    plain = [80_000 + number, 1_000 + number, OPEN_NS // NS_PER_SECOND + number, OPEN_NS // NS_PER_SECOND + number]
    rest = [10 + number, 20 + number, 79_995, 80_005, 7, 5_000, 6_000, 80_001, 0, 79_000, 81_000, 90_000, 60_000]
    values: list[int | None] = [*plain, *rest, 72_000, 88_000, 80_100, 80_050]
    for name, value in changes.items():
        values[hsm.FIELDS["sf"].index(name)] = value
    return values


def book(number: int) -> list[int]:
    """The 30 values of a book, different for each number."""
    bids, asks = (
        [79_995 - 5 * level + number for level in range(5)],
        [80_005 + 5 * level + number for level in range(5)],
    )
    return [*bids, *asks, *(100 * level + number for level in range(1, 11)), *range(1, 11)]


class SocketRecorder(HandRecorder):
    """One run of a recorder of sockets."""

    def __init__(self, journal: Path, clock: HandClock, *, polled: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(journal, clock, symbols=polled, **options)
        self._messages = 0
        self._sequences: dict[str, int] = {}
        self._gaps = 0
        self._connected: set[tuple[int, int]] = set()

    def open(self, feeds: Sequence[int] = (FYERS_HSM,), **extra: Any) -> None:
        """The session's window begins, without polls."""
        fields = {"open_ns": OPEN_NS, "close_ns": CLOSE_NS, "interval_ns": None, "feeds": list(feeds)}
        self.control("window_open", **{**fields, **extra})

    def close(self) -> None:
        """The window ends."""
        self.at(SECONDS)
        self.control("window_close", open_ns=OPEN_NS, close_ns=CLOSE_NS)

    def at(self, seconds: float) -> None:
        """The clock goes on to so many seconds after the opening."""
        self.clock.now_ns = max(self.clock.now_ns, moment(seconds))

    def frame(self, feed: int, stream: int, payload: bytes) -> int:
        now = self.clock.now_ns
        return self.writer.append(feed, stream, payload, wall_ns=now, mono_ns=self.clock.mono_ns())

    def connect(self, stream: int, symbols: Sequence[str], feed: int = FYERS_HSM, **extra: Any) -> None:
        """A connection is made; nothing came on it yet."""
        self._connected.add((feed, stream))
        named = {"topics": topics_of(symbols)} if feed == FYERS_HSM else {}
        self.control(
            "connect", **{"feed": feed, "stream": stream, "symbols": list(symbols), "attempt": 1, **named, **extra}
        )

    def stop(self) -> None:
        """End as on SIGTERM: the connections are closed before."""
        for feed, stream in sorted(self._connected):
            self.control("disconnect", feed=feed, stream=stream, cause="stopped", detail="")
        super().stop()

    def entries(self, stream: int, *entries: bytes) -> int:
        """A frame of the data socket."""
        self._messages += 1
        return self.frame(FYERS_HSM, stream, hsm.feed(self._messages, entries))

    def snapshots(self, stream: int, *symbols: str, number: int = 0) -> None:
        """A frame with the snapshots of these symbols."""
        parts = []
        for symbol in symbols:
            for (name, _), (kind, topic_id) in zip(topics_of([symbol]).items(), ids_of(symbol).items(), strict=True):
                values = {"sf": quote(number), "dp": book(number), "if": [2_500_000 + number, 1, 2, 3, 4, 5, 6, 7]}[
                    kind
                ]
                parts.append(hsm.snapshot(topic_id, hsm.Topic(name), values))
        self.entries(stream, *parts)

    def books(self, stream: int, symbol: str, *numbers: int) -> None:
        """A frame with updates of the book."""
        self.entries(stream, *(hsm.update(ids_of(symbol)["dp"], book(number)) for number in numbers))

    def quotes(self, stream: int, symbol: str, *numbers: int) -> None:
        """A frame with updates of the quote."""
        self.entries(stream, *(hsm.update(ids_of(symbol)["sf"], quote(number)) for number in numbers))

    def book50(
        self, stream: int, symbol: str, number: int, *, sequence: int | None = None, snapshot: bool = False
    ) -> None:
        """A message of the 50-level socket; sequence numbers go on by themselves."""
        following = self._sequences.get(symbol, 0) + 1 if sequence is None else sequence
        self._sequences[symbol] = following
        slots = range(50) if snapshot else range(3)
        feed = tbt.Feed(
            symbol,
            [tbt.Level(slot, 80_000 - 5 * slot, 10 + slot + number, 1) for slot in slots],
            [tbt.Level(slot, 80_005 + 5 * slot, 20 + slot + number, 2) for slot in slots],
            tbq=1_000,
            tsq=2_000,
            feed_time=self.clock.now_ns // NS_PER_SECOND,
            send_time=self.clock.now_ns // NS_PER_SECOND,
            sequence=following,
            snapshot=snapshot,
        )
        self.frame(FYERS_TBT, stream, tbt.socket_message([feed], snapshot=snapshot))

    def lose(
        self, symbol: str, begin: float, end: float | None, cause: str = "disconnect", feed: int = FYERS_HSM
    ) -> str:
        """Write down a gap, in seconds after the opening; None for an end that nobody wrote down."""
        self._gaps += 1
        gap_id = f"{self.run.run_id}-{self._gaps}"
        self.control(
            "gap_open", gap_id=gap_id, feed=feed, symbols=[symbol], from_ns=moment(begin), cause=cause, detail="as told"
        )
        if end is not None:
            self.control("gap_close", gap_id=gap_id, to_ns=moment(end))
        return gap_id
