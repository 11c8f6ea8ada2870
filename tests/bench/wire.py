"""Market updates as the data socket sends them and as a recorder keeps them."""

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.market import SHARES, Update

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.journal import JournalWriter, RunInfo
from harvester.journal.format import FYERS_HSM

BOOT_NS = 86_400 * NS_PER_SECOND
"""Monotonic clock at the first update."""
READ_NS = 20
"""How much later the second clock is read, give or take: the standard deviation here."""
TICKERS = tuple(share.ticker for share in SHARES)


def topics_of(tickers: Sequence[str]) -> dict[str, str]:
    """The tickers of all topics."""
    return {f"{kind}|nse_cm|{1000 + number}": name for kind in ("dp", "sf") for number, name in enumerate(tickers)}


TOPICS = topics_of(TICKERS)


class Arrival(NamedTuple):
    """A frame with the clocks at its receipt."""

    frame: bytes
    wall_ns: int
    mono_ns: int


def book_values(update: Update) -> list[int]:
    """The 30 values of a book's topic."""
    return [*update.prices, *update.sizes, *update.orders]


def quote_values(update: Update, traded_s: int) -> list[int]:
    """The 21 values of a quote's topic: last trade, times, best prices and quantities; the rest stays 0."""
    prices, sizes = update.prices, update.sizes
    head = [update.ltp, update.volume, traded_s, update.exchange_s, sizes[0], sizes[5], prices[0], prices[5]]
    return [*head, update.ltq, *[0] * 12]


class Server:
    """What the broker's server sends on one connection: of each topic first a snapshot, then what changed."""

    def __init__(self, tickers: Sequence[str] = TICKERS) -> None:
        self._tickers = tickers
        self._known: dict[int, list[int]] = {}
        self._number = 0

    def frame(self, update: Update) -> bytes:
        """The frame of one update: an entry for the book, and one for the quote when it changed."""
        quote = 2 * update.share + 2
        known = self._known.get(quote)
        traded_s = known[2] if known and known[1] == update.volume else update.exchange_s
        entries = [
            self._entry(quote - 1, "dp", update.share, book_values(update)),
            self._entry(quote, "sf", update.share, quote_values(update, traded_s)),
        ]
        self._number += 1
        return hsm.feed(self._number, [entry for entry in entries if entry])

    def _entry(self, topic_id: int, kind: str, share: int, values: list[int]) -> bytes | None:
        known = self._known.get(topic_id)
        self._known[topic_id] = values
        if known is None:
            token = str(1000 + share)
            topic = hsm.Topic(f"{kind}|nse_cm|{token}", 1, 2, "nse_cm", token, self._tickers[share][4:])
            return hsm.snapshot(topic_id, topic, values)
        changed = [None if now == before else now for now, before in zip(values, known, strict=True)]
        return hsm.update(topic_id, changed) if any(value is not None for value in changed) else None


def book_frames(updates: Iterable[Update]) -> Iterator[bytes]:
    """A frame of 133 bytes for each update: the values of its book that changed, after `book_snapshots`."""
    known = {share: [0] * 30 for share in range(len(SHARES))}
    for number, update in enumerate(updates, 1):
        values = book_values(update)
        changed = [now if now != before else None for now, before in zip(values, known[update.share], strict=True)]
        known[update.share] = values
        yield hsm.feed(number, [hsm.update(2 * update.share + 1, changed)])


def book_snapshots() -> list[bytes]:
    """Frames that define the topics of `book_frames`."""
    names = enumerate(name for name in TOPICS if name.startswith("dp"))
    return [hsm.feed(0, [hsm.snapshot(2 * share + 1, hsm.Topic(name), [0] * 30)]) for share, name in names]


def arrivals(updates: Iterable[Update], seed: int = 5, tickers: Sequence[str] = TICKERS) -> Iterator[Arrival]:
    """A frame for each update, whose share is a place in `tickers`."""
    server, chance, first_ns = Server(tickers), random.Random(seed), None
    for update in updates:
        first_ns = first_ns or update.recv_ns
        late_ns = round(abs(chance.gauss(0, READ_NS)))
        yield Arrival(server.frame(update), update.recv_ns, update.recv_ns - first_ns + BOOT_NS + late_ns)


class MovedClock:
    """A clock that shows what it is told."""

    def __init__(self, wall_ns: int, mono_ns: int) -> None:
        self.now = (wall_ns, mono_ns)

    def wall_ns(self) -> int:
        return self.now[0]

    def mono_ns(self) -> int:
        return self.now[1]

    async def sleep_until(self, mono_ns: int) -> None:
        wall_ns, now_ns = self.now
        waited_ns = max(0, mono_ns - now_ns)
        self.now = (wall_ns + waited_ns, now_ns + waited_ns)


def record(journal: Path, frames: Sequence[Arrival], tickers: Sequence[str] = TICKERS, **limits: int) -> list[Path]:
    """Write a window's journal of one connection through the writer; the sealed segments are returned, in order."""
    clock = MovedClock(*frames[0][1:])
    window = {"open_ns": frames[0].wall_ns, "close_ns": frames[-1].wall_ns + 1}
    run = RunInfo("bench", "r1", "c0ffee", {})
    with JournalWriter(journal, clock=clock, run=run, sync_interval_ms=3_600_000, **limits) as writer:
        plan = {"interval_ns": None, "phases": ["continuous"], "feeds": [FYERS_HSM]}
        writer.append_control({"type": "window_open", **window, **plan})
        connect = {"type": "connect", "feed": FYERS_HSM, "stream": 0, "symbols": list(tickers), "attempt": 1}
        writer.append_control({**connect, "topics": topics_of(tickers)})
        for arrival in frames:
            clock.now = arrival[1:]
            writer.append(FYERS_HSM, 0, arrival.frame, wall_ns=arrival.wall_ns, mono_ns=arrival.mono_ns)
        writer.append_control({"type": "window_close", **window})
    return sorted(journal.glob("2*/*.seg"))
