"""Time as the harvester uses it: int64 nanoseconds, wall (UTC since 1970) and monotonic, behind one protocol."""

import asyncio
import time
from datetime import date
from typing import Protocol

from harvester.base.errors import ConfigError

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """What the recorder knows about time; tests pass one that they move by hand."""

    def wall_ns(self) -> int:
        """UTC nanoseconds since 1970; may step."""
        ...

    def mono_ns(self) -> int:
        """Nanoseconds of a clock that never steps; comparable within one boot only."""
        ...

    async def sleep_until(self, mono_ns: int) -> None:
        """Return when the monotonic clock has reached `mono_ns`; at once when it already has."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> int:
        return time.time_ns()

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep_until(self, mono_ns: int) -> None:
        while (left := mono_ns - time.monotonic_ns()) > 0:
            await asyncio.sleep(left / NS_PER_SECOND)


def parse_date(text: str, option: str = "") -> date:
    """A date of the command line, given by `option`. Raises ConfigError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        given = f"{option} {text!r}".strip()
        raise ConfigError(f"{given} is not a date. Write it as YYYY-MM-DD, such as 2026-11-23.") from None
