"""The recorder's trading calendar, read again when its file changes."""

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from harvester.base.errors import HarvesterError
from harvester.base.monitors import FileMonitor
from harvester.calendar import TradingCalendar

log = structlog.get_logger()
Load = Callable[[], Awaitable[TradingCalendar]]
"""Reads the calendar in force. Raises HarvesterError when it is refused."""


class CalendarReloader:
    """Holds the last good calendar. `look` gives the work of reading a changed file, `take` puts it in force."""

    def __init__(self, calendar: TradingCalendar, file: Path | None, load: Load) -> None:
        self.calendar = calendar
        self.problem = ""
        self._file = FileMonitor(file)
        self._load = load
        self._new: TradingCalendar | None = None

    def look(self) -> Coroutine[Any, Any, None] | None:
        """The coroutine that reads the file, when it has changed; else None."""
        return self._read() if self._file.has_changed() else None

    def take(self) -> bool:
        """Put a calendar in force that was read since the last call; False when there is none."""
        new, self._new = self._new, None
        if new is None:
            return False
        self.calendar = new
        self.problem = ""
        log.info("calendar_reloaded", valid_until=new.valid_until.isoformat())
        return True

    async def _read(self) -> None:
        try:
            self._new = await self._load()
        except HarvesterError as error:
            self.problem = str(error)
            log.error("calendar_refused", detail=self.problem)
