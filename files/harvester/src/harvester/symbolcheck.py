"""Once a trading day, the recorder asks the broker's symbol master whether every configured ticker still exists."""

import structlog

from harvester.clock import NS_PER_SECOND, Clock
from harvester.errors import HarvesterError
from harvester.settings import Settings
from harvester.symbols import describe_unknown, download_unknown

log = structlog.get_logger()
AHEAD_NS = 3600 * NS_PER_SECOND
RETRY_NS = 600 * NS_PER_SECOND


class SymbolCheck:
    """A wrong ticker does not keep the others from being recorded: it is a failing health check."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.unknown: dict[str, list[str]] = {}
        self._settings = settings
        self._clock = clock
        self._checked_for: int | None = None
        self._next_mono_ns = 0

    def is_due(self, change_ns: int | None) -> bool:
        """Once at the start and once in the hour before each opening (or close: `change_ns`), again after failures."""
        wall_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        first = self._checked_for is None
        near = change_ns is not None and change_ns != self._checked_for and change_ns - wall_ns <= AHEAD_NS
        if mono_ns < self._next_mono_ns or not (first or near):
            return False
        self._checked_for = change_ns or 0
        self._next_mono_ns = mono_ns + RETRY_NS
        return True

    async def run(self) -> None:
        """Download the masters and compare; trouble with the download changes nothing."""
        try:
            self.unknown = await download_unknown(self._settings.symbols, self._settings.broker.public_url)
        except HarvesterError as error:
            self._checked_for = None
            log.warning("symbols_not_checked", detail=str(error))
            return
        if self.unknown:
            log.error("symbols_unknown", detail=describe_unknown(self.unknown))
