"""Asks Schwab which of the configured tickers it lists: it has no symbol master, and quotes name what it lacks."""

from collections.abc import Sequence
from typing import Any

import structlog

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.brokers.access import Access
from harvester.brokers.numbers import parse_object
from harvester.brokers.schwab.rest import SchwabRestClient

log = structlog.get_logger()
AHEAD_NS = 3600 * NS_PER_SECOND
RETRY_NS = 600 * NS_PER_SECOND


class SchwabLookup:
    """Looks the tickers up once a trading day. An unlisted one fails a health check; the others are recorded."""

    def __init__(self, symbols: Sequence[str], client: SchwabRestClient, access: Access, clock: Clock) -> None:
        self.lost: dict[str, str] = {}
        """Tickers that the broker does not list, and why, in a sentence."""
        self._symbols, self._client, self._access, self._clock = tuple(symbols), client, access, clock
        self._checked_for: int | None = None
        self._next_mono_ns = 0

    def is_due(self, change_ns: int | None) -> bool:
        """True once a token is there, and once in the hour before the next opening or close; after failures again."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        near_ns = change_ns if change_ns is not None and change_ns - wall_ns <= AHEAD_NS else 0
        is_new = self._checked_for is None or near_ns not in (0, self._checked_for)
        if self._access.token is None or mono_ns < self._next_mono_ns or not is_new:
            return False
        self._checked_for = near_ns
        self._next_mono_ns = mono_ns + RETRY_NS
        return True

    async def run(self) -> None:
        """Look up; a failure changes nothing of what is known."""
        access, clock = self._access, self._clock
        token = access.token
        if token is None or access.check_request(clock.wall_ns(), clock.mono_ns()):
            self._checked_for = None
            return
        result = access.note_result(await self._client.find_listed(self._symbols, token.access_token), token)
        if result.outage:
            self._checked_for = None
            log.warning("symbols_not_checked", **result.outage._asdict())
            return
        errors = (parse_object(result.body, len(result.body)) or {}).get("errors")
        unknown = errors.get("invalidSymbols") if isinstance(errors, dict) else None
        named = {str(name) for name in unknown} if isinstance(unknown, list) else set()
        self.lost = {
            symbol: f"{symbol}: Schwab lists no such ticker. Correct it in symbols"
            for symbol in self._symbols
            if symbol in named
        }
        for symbol, sentence in self.lost.items():
            log.error("symbol_lost", symbol=symbol, detail=sentence)

    def describe(self) -> dict[str, Any]:
        """What the status file says of it."""
        told = {"lost_symbols": self.lost} if self.lost else {}
        return {"unknown_symbols": {symbol: [] for symbol in self.lost}} | told
