"""Stand-ins for tests: time that moves by hand, tokens nobody issued, settings and calendars for a moment."""

import asyncio
import base64
import heapq
import json
from datetime import date
from pathlib import Path
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local
from harvester.base.validation import validate
from harvester.config.settings import Settings

SYMBOLS = ("NSE:SBIN-EQ", "NSE:INFY-EQ")
APP_ID = "ABCDE12345-100"
Phases = dict[str, list[list[str]]]
"""Of a day's session: from when to when each lasts."""


class FakeClock:
    """Time stands still until `advance`; sleepers wake in order, and whatever they start runs first."""

    def __init__(self, wall_ns: int) -> None:
        self._wall_ns = wall_ns
        self._mono_ns = 1_000 * NS_PER_SECOND
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._count = 0

    def wall_ns(self) -> int:
        return self._wall_ns

    def mono_ns(self) -> int:
        return self._mono_ns

    async def sleep_until(self, mono_ns: int) -> None:
        if mono_ns <= self._mono_ns:
            await asyncio.sleep(0)
            return
        awake = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (mono_ns, self._count, awake))
        await awake.wait()

    def step(self, seconds: float) -> None:
        """Set the wall clock, as a person or a time daemon does."""
        self._wall_ns += int(seconds * NS_PER_SECOND)

    def freeze(self, seconds: float) -> None:
        """Time passes and nobody gets to run."""
        self._move(self._mono_ns + int(seconds * NS_PER_SECOND))

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking every sleeper at its moment."""
        until = self._mono_ns + int(seconds * NS_PER_SECOND)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, awake = heapq.heappop(self._sleepers)
            self._move(max(due, self._mono_ns))
            awake.set()
            await self._settle()
        self._move(max(until, self._mono_ns))
        await self._settle()

    def _move(self, mono_ns: int) -> None:
        self._wall_ns += mono_ns - self._mono_ns
        self._mono_ns = mono_ns

    @staticmethod
    async def _settle() -> None:
        for _ in range(12):
            await asyncio.sleep(0)


def make_token(expires_at: float, **claims: Any) -> str:
    """A token of the broker's shape that expires at these epoch seconds; the signature is noise."""
    parts = [
        {"alg": "HS256", "typ": "JWT"},
        {"sub": "access_token", "exp": int(expires_at), "fy_id": "XX00000", "hsm_key": "k" * 56} | claims,
    ]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*coded, "c2lnbmF0dXJl"])


def make_calendar(path: Path, day: date, windows: Phases, valid_until: str = "2099-12-31") -> Path:
    """A calendar file whose only session is on `day`."""
    return write_sessions(path, {day: windows}, valid_until)


def write_sessions(path: Path, sessions: dict[date, Phases], valid_until: str = "2099-12-31") -> Path:
    """A calendar file with these sessions and no other."""
    special = [
        {"date": day.isoformat(), "kind": "test", "phases": windows, "status": "confirmed", "reference": "test"}
        for day, windows in sessions.items()
    ]
    rule = {"from": "2090-01-01", "to": None, "phases": next(iter(sessions.values())), "reference": "test"}
    content = {
        "timezone": "Asia/Kolkata",
        "market": "test",
        "valid_until": valid_until,
        "phase_rules": [rule],
        "special_sessions": special,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def session_around(path: Path, wall_ns: int, *, before_seconds: float, after_seconds: float) -> Path:
    """A calendar file with one continuous phase, in whole seconds, around a moment or, with less than 0, after it.

    Where midnight in India lies inside, the days have a part each.
    """
    opens, closes = (wall_ns // NS_PER_SECOND + int(seconds) for seconds in (-before_seconds, after_seconds))
    sessions = {}
    for day in dict.fromkeys(to_local(second * NS_PER_SECOND).date() for second in (opens, closes - 1)):
        begins = midnight_ns(day) // NS_PER_SECOND
        bounds = [max(0, opens - begins), min(86_400, closes - begins)]
        times = [f"{bound // 3600:02}:{bound // 60 % 60:02}:{bound % 60:02}" for bound in bounds]
        sessions[day] = {"continuous": [times]}
    return write_sessions(path, sessions)


def make_config(directory: Path, **changes: Any) -> dict[str, Any]:
    """Configuration data with every path inside `directory`; changes are merged one level deep."""
    config: dict[str, Any] = {
        "host_id": "test1",
        "data_dir": str(directory / "data"),
        "symbols": list(SYMBOLS),
        "broker": {"app_id": APP_ID},
        "poll": {"interval_seconds": 1.0, "timeout_seconds": 0.8},
        "calendar": {"phases": ["continuous"]},
        "token": {"handover": str(directory / "access-token"), "file": str(directory / "credential")},
        "status_file": str(directory / "status.json"),
        "disk_reserve_bytes": 1 << 20,
    }
    for key, value in changes.items():
        config[key] = config[key] | value if isinstance(value, dict) and isinstance(config.get(key), dict) else value
    return config


def make_settings(directory: Path, **changes: Any) -> Settings:
    """Settings from `make_config` as the recorder holds them, with the data directory made."""
    (directory / "data").mkdir(exist_ok=True)
    return validate(Settings, make_config(directory, **changes))
