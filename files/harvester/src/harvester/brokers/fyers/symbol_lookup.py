"""Looks the configured symbols up in the broker's symbol master: which it lists, and their topics."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError

log = structlog.get_logger()
AHEAD_NS = 3600 * NS_PER_SECOND
RETRY_NS = 600 * NS_PER_SECOND
LookUp = Callable[[], dict[str, Any]]
"""Blocks for the answer of `harvester config topics`; raises HarvesterError."""


class SymbolLookup:
    """Looks the symbols up once a trading day. An unlisted ticker fails a health check; the others are recorded."""

    def __init__(self, look_up: LookUp, clock: Clock) -> None:
        self.unknown: dict[str, list[str]] = {}
        """Symbols that cannot be recorded, each with its successor, if it has one."""
        self.lost: dict[str, str] = {}
        """Why, in a sentence."""
        self.remarks: list[str] = []
        """What is odd about today's masters."""
        self.symbols: list[str] = []
        """All symbols to record, those that rules stand for among them; empty until the first look-up."""
        self.rules: list[dict[str, Any]] = []
        """Each rule with its symbols."""
        self.segments: dict[str, str] = {}
        """The segment of each symbol that is listed."""
        self.contradictions: list[str] = []
        """Where the master's hours are not the calendar's, in sentences."""
        self._topics: dict[str, list[str]] = {}
        self._look_up = look_up
        self._clock = clock
        self._checked_for: int | None = None
        self._next_mono_ns = 0
        self._busy = asyncio.Lock()

    def is_due(self, change_ns: int | None) -> bool:
        """True once at the start, once in the hour before the next opening or close (`change_ns`), after failures."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        first = self._checked_for is None
        near_ns = change_ns if change_ns is not None and change_ns - wall_ns <= AHEAD_NS else 0
        if mono_ns < self._next_mono_ns or not (first or near_ns not in (0, self._checked_for)):
            return False
        self._checked_for = near_ns
        self._next_mono_ns = mono_ns + RETRY_NS
        return True

    async def run(self) -> None:
        """Look up; a failure changes nothing of what is known."""
        try:
            async with self._busy:
                await self._refresh()
        except HarvesterError as error:
            self._checked_for = None
            log.warning("symbols_not_checked", detail=str(error))

    def remember(self, topics: dict[str, list[str]]) -> None:
        """Take over what an earlier run of the day had looked up: recording need not wait for a look-up."""
        self._topics = topics | self._topics

    def known(self) -> dict[str, list[str]]:
        """Topics of all symbols that were looked up."""
        return self._topics

    async def topics(self, symbols: Iterable[str]) -> dict[str, list[str]]:
        """Topics of each symbol that has any. Raises HarvesterError when the broker cannot be asked."""
        wanted = list(symbols)
        async with self._busy:
            if any(symbol not in self._topics and symbol not in self.unknown for symbol in wanted):
                await self._refresh()
        return {symbol: self._topics[symbol] for symbol in wanted if self._topics.get(symbol)}

    async def _refresh(self) -> None:
        found = await asyncio.to_thread(self._look_up)
        self._topics, self.unknown = found["topics"], found["unknown"]
        self.lost, self.remarks = found["lost"], found["remarks"]
        self.symbols, self.rules = found["symbols"], found["rules"]
        self.segments, self.contradictions = found.get("segments", {}), found.get("contradictions", [])
        for symbol, sentence in self.lost.items():
            log.error("symbol_lost", symbol=symbol, detail=sentence)
        for remark in self.remarks:
            log.warning("symbol_master_odd", detail=remark)
        for sentence in self.contradictions:
            log.error("calendar_contradicted", detail=sentence)

    def describe(self) -> dict[str, Any]:
        """What the status file says of it."""
        told = {
            "lost_symbols": self.lost, "symbol_master_remarks": self.remarks, "symbol_rules": self.rules,
            "calendar_contradictions": self.contradictions,
        }  # fmt: skip
        return {"unknown_symbols": self.unknown} | {key: value for key, value in told.items() if value}
