"""Days of the broker's own candles, made by hand: what the broker said when, and the close of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.journals import OPEN_NS, SYMBOLS, HandClock
from tests.lake_rows import rows
from tests.storage.lake.conftest import Place

from harvester.base.clock import NS_PER_SECOND
from harvester.calendar import Phase
from harvester.journal.format import FYERS_HISTORY, CandlePoll, RunInfo, encode_candles
from harvester.journal.writer import JournalWriter
from harvester.lake.close import Closing
from harvester.lake.day.candles import CandlesExpected

MINUTE = 60 * NS_PER_SECOND
WIDTH = 5 * MINUTE
BARS = 6
CLOSE_NS = OPEN_NS + BARS * WIDTH
FINAL_AFTER = 15 * MINUTE
SETTLES_NS = CLOSE_NS + FINAL_AFTER
SBIN, INFY = SYMBOLS
Values = tuple[float, float, float, float, int]


def bar(number: int, close: float = 800.5, volume: int = 100) -> list[Any]:
    """The candle of a bar, counted from the opening."""
    begin_s = (OPEN_NS + number * WIDTH) // NS_PER_SECOND
    return [begin_s, 800, max(801.25, close), min(799.95, close), close, volume]


def said(*candles: Sequence[Any]) -> bytes:
    return json.dumps({"s": "ok" if candles else "no_data", "candles": candles}, separators=(",", ":")).encode()


class CandleRecorder:
    """One run of a recorder that records candles alone. Moments are in minutes after the opening."""

    def __init__(
        self, journal: Path, clock: HandClock, symbols: Sequence[str] = SYMBOLS, width_ns: int = WIDTH
    ) -> None:
        self.clock = clock
        self.symbols = list(symbols)
        self.width_ns = width_ns
        run = RunInfo("lab1", "r1", "c0ffee", {}, dict(enumerate(symbols)))
        self.writer = JournalWriter(journal, clock=clock, run=run)
        self.control("start")

    def control(self, kind: str, **fields: Any) -> None:
        self.writer.append_control({"type": kind, **fields})

    def answer(self, minutes: float, symbol: str, body: bytes, status: int = 200, due: float | None = None) -> None:
        """An answer that was asked for then, in the round that was due then or before, and came 40 ms later."""
        sent_ns = OPEN_NS + int(minutes * MINUTE)
        due_ns = sent_ns if due is None else OPEN_NS + int(due * MINUTE)
        recv_ns = self.clock.now_ns = max(self.clock.now_ns, sent_ns + 40_000_000)
        poll = CandlePoll(due_ns, sent_ns, status, self.width_ns // NS_PER_SECOND, body)
        number = self.symbols.index(symbol)
        self.writer.append(FYERS_HISTORY, number, encode_candles(poll), wall_ns=recv_ns, mono_ns=self.clock.mono_ns())

    def fail(self, minutes: float, symbols: Sequence[str], cause: str) -> None:
        """Requests without an answer."""
        self.clock.now_ns = max(self.clock.now_ns, at_ns := OPEN_NS + int(minutes * MINUTE))
        self.control("unanswered", feed=4, symbols=[*symbols], at_ns=at_ns, cause=cause, detail="as told")

    def stop(self, minutes: float | None = None) -> None:
        if minutes is not None:
            self.clock.now_ns = max(self.clock.now_ns, OPEN_NS + int(minutes * MINUTE))
        self.control("stop")
        self.writer.close()


class CandlePlace(Place):
    """A host that records candles of two symbols alone, in a session of BARS bars."""

    def candles(self, **options: Any) -> CandleRecorder:
        return CandleRecorder(self.journal, self.clock, **options)

    def expectation(self, **changes: Any) -> Any:
        plain: dict[str, Any] = {
            "symbols": (),
            "windows": ((OPEN_NS, CLOSE_NS),),
            "interval_ns": None,
            "phases": {"nse_cash": (Phase("continuous", OPEN_NS, CLOSE_NS),)},
            "candles": CandlesExpected(SYMBOLS, WIDTH, FINAL_AFTER),
        }
        return super().expectation(**(plain | changes))

    def close(self, *, now_ns: int = SETTLES_NS, **changes: Any) -> Closing:
        return super().close(now_ns=now_ns, **changes)

    def table(self, symbol: str = SBIN) -> list[dict[str, Any]]:
        return [row for row in rows(self.current("candles")) if row["symbol"] == symbol]

    def entry(self, symbol: str = SBIN) -> dict[str, Any]:
        return self.certificate()["candles"]["symbols"][symbol]

    def lost(self, symbol: str = SBIN) -> list[tuple[float, float, str, int | None]]:
        """Gaps in bars from the opening, with cause and number of bars."""
        return [
            ((gap.from_ns - OPEN_NS) / WIDTH, (gap.to_ns - OPEN_NS) / WIDTH, gap.cause, gap.slots)
            for gap in self.gaps(symbol)
        ]

    def record_all(self) -> None:
        """A perfect day."""
        recorder = self.candles()
        for number in range(1, BARS + 1):
            for symbol in SYMBOLS:
                recorder.answer(5 * number + 0.1, symbol, said(*map(bar, range(number + 1 if number < BARS else BARS))))
        for symbol in SYMBOLS:
            recorder.answer(45, symbol, said(*map(bar, range(BARS))))
        recorder.stop()
