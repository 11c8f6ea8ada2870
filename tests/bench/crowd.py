"""A day of thousands of symbols on the data socket, made by arrays: millions of entries in seconds. Same day each time.

Each symbol lives the life of one of the five shares of tests/bench/market.py, begun at a place of its own, at another
price and with other quantities; a step of half a second brings the book and the quote of each. Frames have up to 250
entries, a connection 1,000 symbols, as on a host.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.bench.market import NS, OPEN_NS, SHARES, namesakes, updates
from tests.bench.wire import BOOT_NS, MovedClock, book_values, quote_values, topics_of

from exchange.wire import hsm
from harvester.journal import JournalWriter, RunInfo
from harvester.journal.format import FYERS_HSM

Words = NDArray[np.int32]
STEP_NS = NS // 2
ON_CONNECTION = 1_000
"""Symbols of a connection."""
PAIRS = 125
"""Symbols of a frame, of whose entries each has two."""
LIVES = 2_000
"""Updates of each share, after which its namesakes begin anew."""
UNCHANGED = -(2**31)
BOOK, QUOTE = 30, 21
_UPDATE = np.dtype([("form", "u1"), ("id", ">u2"), ("count", "u1"), ("values", ">i4", (BOOK,))])
_QUOTE = np.dtype([("form", "u1"), ("id", ">u2"), ("count", "u1"), ("values", ">i4", (QUOTE,))])
_HEAD = np.dtype([("length", ">u2"), ("kind", "u1"), ("number", ">u4"), ("entries", ">u2")])


class Crowd:
    """The values of every symbol at every step."""

    def __init__(self, symbols: int) -> None:
        lives: list[list[list[int]]] = [[] for _ in SHARES]
        for update in updates(LIVES * len(SHARES) * 2):
            if len(lives[update.share]) < LIVES:
                lives[update.share].append([*book_values(update), *quote_values(update, update.exchange_s)])
        self._lives = np.array([(life * LIVES)[:LIVES] for life in lives], np.int32)
        chance = np.random.default_rng(17)
        self._share = np.arange(symbols) % len(SHARES)
        self._begin = chance.integers(0, LIVES, symbols)
        self._dearer = 5 * chance.integers(0, 5_000, symbols).astype(np.int32)
        self._larger = chance.integers(3, 60, symbols).astype(np.int32)

    def at(self, step: int) -> Words:
        """The book and the quote of each symbol, int32[symbols, 51]."""
        values = self._lives[self._share, (self._begin + step) % LIVES]
        prices = [*range(10), BOOK, BOOK + 6, BOOK + 7]
        values[:, prices] += self._dearer[:, None]
        sizes = [*range(10, 20), BOOK + 1, BOOK + 4, BOOK + 5, BOOK + 8]
        values[:, sizes] = values[:, sizes] * self._larger[:, None] // 8 + 1
        values[:, BOOK + 2 : BOOK + 4] = (OPEN_NS + step * STEP_NS) // NS
        return values


def record(journal: Path, symbols: int, entries: int, **limits: int) -> int:
    """Write the journal of a window with at least so many entries; how many it has is returned."""
    tickers = namesakes(symbols)
    steps = -(-entries // (2 * symbols))
    clock = MovedClock(OPEN_NS, BOOT_NS)
    run = RunInfo("bench", "r1", "c0ffee", {})
    window = {"open_ns": OPEN_NS, "close_ns": OPEN_NS + steps * STEP_NS}
    crowd, chance = Crowd(symbols), np.random.default_rng(23)
    limits = {"sync_interval_ms": 3_600_000, **limits}
    with JournalWriter(journal, clock=clock, run=run, **limits) as writer:
        plan = {"interval_ns": None, "phases": ["continuous"], "feeds": [FYERS_HSM]}
        writer.append_control({"type": "window_open", **window, **plan})
        topics = topics_of(tickers)
        parts = [tickers[start : start + ON_CONNECTION] for start in range(0, symbols, ON_CONNECTION)]
        for number, part in enumerate(parts):
            mine = {topic: ticker for topic, ticker in topics.items() if ticker in set(part)}
            connect = {"type": "connect", "feed": FYERS_HSM, "stream": 2 * number, "symbols": part, "attempt": 1}
            writer.append_control({**connect, "topics": mine})
        before = np.empty((0, 0), np.int32)
        for step in range(steps):
            values = crowd.at(step)
            moments = np.sort(chance.integers(0, STEP_NS, -(-symbols // PAIRS) + len(parts)))
            frames = _frames(values, before, tickers, chance) if step else _snapshots(values, tickers)
            for moment, (stream, frame) in zip(moments.tolist(), frames, strict=False):
                now = OPEN_NS + step * STEP_NS + moment
                clock.now = now, now - OPEN_NS + BOOT_NS
                writer.append(FYERS_HSM, stream, frame, wall_ns=now, mono_ns=now - OPEN_NS + BOOT_NS)
            before = values
        clock.now = window["close_ns"], window["close_ns"] - OPEN_NS + BOOT_NS
        writer.append_control({"type": "window_close", **window})
        writer.append_control({"type": "stop"})
    return steps * 2 * symbols


def record_flaps(journal: Path, symbols: int, reconnects: int, **limits: int) -> None:
    """Write the journal of a window in which the one connection of so many symbols breaks and is made anew so often.

    Each symbol has a gap of its own from the break to its snapshot, as the recorder writes them.
    """
    tickers = namesakes(symbols)
    topics = {f"dp|nse_cm|{1000 + number}": ticker for number, ticker in enumerate(tickers)}
    values = Crowd(symbols).at(0)[:, :BOOK].tolist()
    entries = [
        hsm.snapshot(number, hsm.Topic(topic, 1, 2, "nse_cm", topic[10:], ticker[4:]), values[number])
        for number, (topic, ticker) in enumerate(topics.items())
    ]
    frames = [hsm.feed(0, entries[start : start + PAIRS]) for start in range(0, symbols, PAIRS)]
    clock = MovedClock(OPEN_NS, BOOT_NS)
    run = RunInfo("bench", "r1", "c0ffee", {})
    window = {"open_ns": OPEN_NS, "close_ns": OPEN_NS + reconnects * STEP_NS}
    limits = {"sync_interval_ms": 3_600_000, **limits}
    with JournalWriter(journal, clock=clock, run=run, **limits) as writer:
        plan = {"interval_ns": None, "phases": ["continuous"], "feeds": [FYERS_HSM]}
        writer.append_control({"type": "window_open", **window, **plan})
        for number in range(reconnects):
            now = OPEN_NS + number * STEP_NS
            clock.now = now, now - OPEN_NS + BOOT_NS
            if number:
                end = {"cause": "disconnect", "detail": "the server ended the connection"}
                writer.append_control({"type": "disconnect", "feed": FYERS_HSM, "stream": 0, **end})
                ids = [f"{run.run_id}-2-{number * symbols + place}" for place in range(symbols)]
                for gap_id, ticker in zip(ids, tickers, strict=True):
                    gap = {"type": "gap_open", "gap_id": gap_id, "symbols": [ticker], "from_ns": now - STEP_NS // 4}
                    writer.append_control({**gap, **end, "feed": FYERS_HSM})
            connect = {"type": "connect", "feed": FYERS_HSM, "stream": 0, "symbols": tickers, "attempt": 1}
            writer.append_control({**connect, "topics": topics})
            for place, frame in enumerate(frames):
                now += NS // 1000
                writer.append(FYERS_HSM, 0, frame, wall_ns=now, mono_ns=now - OPEN_NS + BOOT_NS)
                clock.now = now, now - OPEN_NS + BOOT_NS
                for gap_id in ids[place * PAIRS : (place + 1) * PAIRS] if number else ():
                    writer.append_control({"type": "gap_close", "gap_id": gap_id, "to_ns": now})
        clock.now = window["close_ns"], window["close_ns"] - OPEN_NS + BOOT_NS
        writer.append_control({"type": "window_close", **window})
        writer.append_control({"type": "stop"})


def _groups(symbols: int) -> Iterator[tuple[int, int, int]]:
    """Connection, and the first and the last place of the symbols of each frame of a step."""
    for start in range(0, symbols, ON_CONNECTION):
        end = min(start + ON_CONNECTION, symbols)
        for first in range(start, end, PAIRS):
            yield start // ON_CONNECTION, first, min(first + PAIRS, end)


def _snapshots(values: Words, tickers: list[str]) -> Iterator[tuple[int, bytes]]:
    for connection, first, end in _groups(len(values)):
        entries = []
        for place in range(first, end):
            numbers, token = values[place].tolist(), str(1000 + place)
            for kind, part in (("dp", numbers[:BOOK]), ("sf", numbers[BOOK:])):
                topic = hsm.Topic(f"{kind}|nse_cm|{token}", 1, 2, "nse_cm", token, tickers[place][4:])
                entries.append(hsm.snapshot(2 * place + 1 + (kind == "sf"), topic, part))
        yield 2 * connection, hsm.feed(0, entries)


def _frames(
    values: Words, before: Words, tickers: list[str], chance: np.random.Generator
) -> Iterator[tuple[int, bytes]]:
    """One update of each symbol's book and quote; symbols of a connection come in another order each step."""
    changed = np.where(values == before, UNCHANGED, values)
    order = np.concatenate(
        [start + chance.permutation(min(ON_CONNECTION, len(tickers) - start)) for start in range(0, len(tickers), 1000)]
    )
    pair = np.zeros(len(order), np.dtype([("book", _UPDATE), ("quote", _QUOTE)]))
    for name, width, at in (("book", BOOK, 0), ("quote", QUOTE, BOOK)):
        part = pair[name]
        part["form"], part["count"] = 0x55, width
        part["id"] = 2 * order + 1 + (name == "quote")
        part["values"] = changed[order, at : at + width]
    for connection, first, end in _groups(len(values)):
        body = pair[first:end].tobytes()
        head = np.array([((len(body) + _HEAD.itemsize - 2) & 0xFFFF, 6, 0, 2 * (end - first))], _HEAD)
        yield 2 * connection, head.tobytes() + body
