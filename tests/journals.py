"""Journals made by hand, for tests: a clock that is moved, a recorder that does what it is told."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import midnight_ns
from harvester.journal.format import FYERS_REST, Poll, encode_poll
from harvester.journal.writer import JournalWriter, RunInfo

DAY = date(2026, 11, 23)
OPEN_NS = midnight_ns(DAY) + 33_300 * NS_PER_SECOND  # 09:15:00
SYMBOLS = ("NSE:SBIN-EQ", "NSE:INFY-EQ")
INTERVAL_NS = 5 * NS_PER_SECOND


class HandClock:
    """A clock that stands still until moved."""

    def __init__(self, wall_ns: int = OPEN_NS) -> None:
        self.now_ns = wall_ns

    def wall_ns(self) -> int:
        return self.now_ns

    def mono_ns(self) -> int:
        return self.now_ns - OPEN_NS + 3_600 * NS_PER_SECOND

    async def sleep_until(self, mono_ns: int) -> None:
        self.now_ns += max(0, mono_ns - self.mono_ns())


def book(ltp: float = 800.15, **changes: Any) -> dict[str, Any]:
    """One symbol's book as /depth sends it."""
    bids = [{"price": round(ltp - 0.05 * n, 2), "volume": 10 * n, "ord": n} for n in range(1, 6)]
    asks = [{"price": round(ltp + 0.05 * n, 2), "volume": 20 * n, "ord": n} for n in range(1, 6)]
    plain = {
        "totalbuyqty": 1000, "totalsellqty": 2000, "bids": bids, "ask": asks, "o": 799, "h": 801.5, "l": 798.05,
        "c": 800, "chp": 0.02, "tick_Size": 0.05, "ch": 0.15, "ltq": 7, "ltt": OPEN_NS // NS_PER_SECOND, "ltp": ltp,
        "v": 123456,
        "atp": 799.87, "lower_ckt": 720.1, "upper_ckt": 880.1, "expiry": "", "oi": 0, "oiflag": False, "pdoi": 0,
        "oipercent": 0,
    }  # fmt: skip
    return {**plain, **changes}


def answer(symbol: str, **changes: Any) -> bytes:
    """A whole /depth answer."""
    return json.dumps({"s": "ok", "d": {symbol: book(**changes)}, "message": ""}, separators=(",", ":")).encode()


class HandRecorder:
    """One run of a recorder, told step by step what to record. Slots are numbered from the opening."""

    def __init__(
        self,
        journal: Path,
        clock: HandClock,
        *,
        symbols: tuple[str, ...] = SYMBOLS,
        interval_ns: int = INTERVAL_NS,
        **options: Any,
    ) -> None:
        self.clock = clock
        self.symbols = symbols
        self.interval_ns = interval_ns
        self.run = RunInfo("lab1", "r1", "c0ffee", dict(enumerate(symbols)))
        self.writer = JournalWriter(journal, clock=clock, run=self.run, **options)
        self.writer.append_control({"type": "start"})

    def slot_ns(self, number: int) -> int:
        return OPEN_NS + number * self.interval_ns

    def open_window(self, slots: int, **extra: Any) -> None:
        """A window of that many slots begins."""
        close_ns = OPEN_NS + slots * self.interval_ns
        phases = ["continuous"]
        self.control("window_open", open_ns=OPEN_NS, close_ns=close_ns, phases=phases, **extra)

    def control(self, kind: str, **fields: Any) -> int:
        return self.writer.append_control({"type": kind, **fields})

    def poll(self, number: int, symbol: str, *, status: int = 200, body: bytes | None = None, sched_ns: int = 0) -> int:
        """Record the answer to a slot's poll: sent 2 ms late, received 30 ms after that."""
        sched_ns = sched_ns or self.slot_ns(number)
        sent_ns = sched_ns + 2 * NS_PER_MS
        self.clock.now_ns = max(self.clock.now_ns, sent_ns + 30 * NS_PER_MS)
        content = answer(symbol, ltp=800 + number % 97 / 20) if body is None else body
        return self.writer.append(
            FYERS_REST,
            self.symbols.index(symbol),
            encode_poll(Poll(sched_ns, sent_ns, status, content)),
            wall_ns=sent_ns + 30 * NS_PER_MS,
            mono_ns=self.clock.mono_ns(),
        )

    def poll_all(self, *numbers: int) -> None:
        for number in numbers:
            for symbol in self.symbols:
                self.poll(number, symbol)

    def gap(self, symbol: str, first: int, end: int | None, cause: str, detail: str = "as told") -> None:
        """Write down a gap from slot `first` to slot `end`, or one that nothing closes."""
        gap_id = f"{self.run.run_id}-{symbol}-{first}"
        self.control(
            "gap_open", gap_id=gap_id, symbols=[symbol], from_ns=self.slot_ns(first), cause=cause, detail=detail
        )
        if end is not None:
            self.control("gap_close", gap_id=gap_id, to_ns=self.slot_ns(end))

    def close_window(self, slots: int) -> None:
        self.clock.now_ns = max(self.clock.now_ns, OPEN_NS + slots * self.interval_ns)
        self.control("window_close")
        self.writer.sync()

    def stop(self) -> None:
        """End as on SIGTERM."""
        self.control("stop")
        self.writer.close()

    def die(self) -> None:
        """End as on SIGKILL: nothing is sealed, the lock is gone."""
        self.writer._stop_thread()
        self.writer._release()
