"""Faults on demand: a script says what goes wrong, when, for which requests and for how long."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import ConfigError
from harvester.base.validation import Model, Refused, validate

Action = Literal[
    "error",
    "rate_limit",
    "block",
    "slow",
    "hang",
    "garbage",
    "html",
    "huge",
    "truncate",
    "reset",
    "date",
    "refuse",
    "restart",
    "revoke",
    "cut",
    "mute",
    "quiet",
    "half_open",
    "refuse_auth",
    "garbage_frame",
    "truncated_frame",
    "skip",
    "reorder",
    "duplicate",
    "take_over",
    "log_out",
    "rename",
    "vanish",
    "bad_row",
    "short_master",
    "unlist",
    "wide_list",
    "halt",
    "circuit",
    "no_candles",
    "candle_lag",
    "revise",
]
WORLD_ACTIONS = ("refuse", "restart", "revoke")
MARKET_ACTIONS = ("halt", "circuit")
CONNECTION_ACTIONS = ("cut", "mute", "quiet", "half_open")
FRAME_ACTIONS = ("garbage_frame", "truncated_frame", "skip", "reorder", "duplicate")
STREAMER_ACTIONS = ("take_over", "log_out")
"""What ends a login on Schwab's streamer with a word; no other socket knows them."""
SOCKET_ACTIONS = (*CONNECTION_ACTIONS, *FRAME_ACTIONS, *STREAMER_ACTIONS, "refuse_auth")
LISTING_ACTIONS = ("rename", "vanish", "bad_row", "short_master", "unlist", "wide_list")
CANDLE_ACTIONS, CANDLE_PATHS = ("no_candles", "candle_lag", "revise"), ("/data/history", "/marketdata/v1/pricehistory")
ELSEWHERE_ACTIONS = (*SOCKET_ACTIONS, *MARKET_ACTIONS, *LISTING_ACTIONS)
"""What an HTTP answer is not chosen for."""
ONCE = ("cut", *FRAME_ACTIONS, *STREAMER_ACTIONS)
"""Done once unless the script says how often or how long."""


class Fault(Model, frozen=True, omit_defaults=True):
    """One entry of a fault script."""

    action: Action
    """What goes wrong."""
    name: str | None = None
    """How the served log calls it; the action when not given."""
    at_seconds: Annotated[float, Meta(ge=0)] = 0
    """Begin so long after the script was given."""
    after_requests: Annotated[int, Meta(ge=0)] | None = None
    """Begin with the first matching request (of a socket: data frame) after so many, instead of at a time."""
    duration_seconds: Annotated[float, Meta(gt=0)] | None = None
    """End so long after the beginning."""
    count: Annotated[int, Meta(gt=0)] | None = None
    """End after so many requests, connections or frames."""
    path: str = "*"
    """Requests whose path matches this pattern, such as */depth."""
    symbol: str = "*"
    """Requests whose symbol matches this pattern, such as NSE:SBIN-*."""
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    """HTTP status of error and html."""
    code: int = -99
    """The broker's error code of error."""
    message: str = "Something went wrong"
    """Text of error."""
    retry_after_seconds: Annotated[int, Meta(ge=0)] | None = None
    """Header of rate_limit and error."""
    delay_seconds: Annotated[float, Meta(ge=0)] = 5
    """How slow is slow, and how far behind candle_lag is."""
    size_bytes: Annotated[int, Meta(ge=0)] | None = None
    """Size of huge, garbage and garbage_frame; what is sent of truncate and truncated_frame."""
    offset_seconds: float = 0
    """How far the Date header is off, for date."""
    to: str | None = None
    """The new ticker, of rename."""

    def __post_init__(self) -> None:
        if (self.action == "rename") != (self.to is not None):
            raise ValueError("rename needs to, the new ticker, and no other action takes it")
        if self.action == "refuse" and self.duration_seconds is None:
            raise ValueError("refuse needs duration_seconds, or nothing could ever connect again")

    @property
    def label(self) -> str:
        """How the served log calls it."""
        return self.name or self.action

    @property
    def most(self) -> int | None:
        """How often it is applied at most; None when no number ends it."""
        if self.count is None and self.action in ONCE and self.duration_seconds is None:
            return 1
        return self.count

    def names(self, symbol: str) -> bool:
        """Whether its pattern matches the symbol."""
        return fnmatchcase(symbol, self.symbol)

    def concerns(self, path: str, symbols: Callable[[], Iterable[str]]) -> bool:
        """Whether its patterns match; `symbols` is asked only when it matters."""
        if not fnmatchcase(path, self.path) or (self.action in CANDLE_ACTIONS and path not in CANDLE_PATHS):
            return False
        return self.symbol == "*" or any(fnmatchcase(symbol, self.symbol) for symbol in symbols())


class FaultScript(Model, frozen=True):
    """A whole script."""

    faults: list[Fault]


def parse_faults(text: str | bytes, source: str) -> list[Fault]:
    """Read a fault script: a JSON list, or one fault alone. Raises ConfigError naming the entry and the key."""
    try:
        data = json.loads(text)
        return validate(FaultScript, {"faults": [data] if isinstance(data, dict) else data}).faults
    except Refused as refused:
        raise ConfigError(f"{source}: the fault script is refused:\n{refused}") from None
    except ValueError as error:
        raise ConfigError(f"{source}: the fault script is not valid JSON: {error}.") from error


def load_faults(path: Path) -> list[Fault]:
    """Read a fault script from a file."""
    try:
        return parse_faults(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the fault script cannot be read ({getattr(error, 'strerror', error)}).") from error


@dataclass
class Armed:
    """A fault with its history."""

    fault: Fault
    armed_ns: int
    began_ns: int | None = None
    wall_ns: int = 0
    """When it began by the wall clock, once that was asked."""
    matched: int = 0
    used: int = 0

    def begin_if_due(self, now_ns: int) -> bool:
        """Whether it has begun at the moment, by time or by requests counted."""
        if self.began_ns is None:
            limit = self.fault.after_requests
            due_ns = self.armed_ns + int(self.fault.at_seconds * NS_PER_SECOND)
            if limit is not None and self.matched > limit:
                self.began_ns = now_ns
            elif limit is None and now_ns >= due_ns:
                self.began_ns = due_ns
        return self.began_ns is not None

    def noise(self, usual: int) -> bytes:
        """Bytes without a meaning, `size_bytes` or `usual` many: others at each use, the same in each run."""
        size = usual if self.fault.size_bytes is None else self.fault.size_bytes
        return random.Random(f"{self.fault.action} {self.used}").randbytes(size)

    def began_at(self, clock: Clock) -> int:
        """When it began by the wall clock, in ns: now where it has not. A clock that is set later changes nothing."""
        now_ns = clock.mono_ns()
        self.wall_ns = self.wall_ns or clock.wall_ns() - now_ns + (now_ns if self.began_ns is None else self.began_ns)
        return self.wall_ns

    def is_over(self, now_ns: int) -> bool:
        """Whether its time or its count is used up."""
        fault = self.fault
        if fault.most is not None and self.used >= fault.most:
            return True
        if fault.duration_seconds is None or self.began_ns is None:
            return False
        return now_ns >= self.began_ns + int(fault.duration_seconds * NS_PER_SECOND)

    def left_seconds(self, now_ns: int) -> float | None:
        """Seconds until its time is over; None when it has no end."""
        if self.fault.duration_seconds is None or self.began_ns is None:
            return None
        return max(0.0, self.fault.duration_seconds - (now_ns - self.began_ns) / NS_PER_SECOND)


class FaultSchedule:
    """The faults armed so far; the first active one of each kind that matches a request is applied to it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.armed: list[Armed] = []

    def arm(self, faults: Iterable[Fault]) -> list[Armed]:
        """Start the clocks of a script."""
        new = [Armed(fault, self._clock.mono_ns()) for fault in faults]
        self.armed.extend(new)
        return new

    def clear(self) -> None:
        """Forget all faults, also the running ones."""
        self.armed.clear()

    def match(self, path: str, symbols: list[str]) -> list[Armed]:
        """The faults to apply to one request, at most one besides `date`. Counts the request."""
        now = self._clock.mono_ns()
        chosen: list[Armed] = []
        for armed in self.armed:
            fault = armed.fault
            if fault.action in ELSEWHERE_ACTIONS or not fault.concerns(path, lambda: symbols or [""]):
                continue
            armed.matched += 1
            if not armed.begin_if_due(now) or armed.is_over(now) or fault.action in WORLD_ACTIONS:
                continue
            if fault.action == "date" or all(other.fault.action == "date" for other in chosen):
                armed.used += 1
                chosen.append(armed)
        return chosen

    def of_listing(self, *actions: Action) -> list[Fault]:
        """The faults with one of these actions that change what is listed now, in the script's order."""
        now = self._clock.mono_ns()
        due = [each for each in self.armed if each.fault.action in actions and each.begin_if_due(now)]
        return [each.fault for each in due if not each.is_over(now)]

    def of_market(self, symbol: str) -> list[Armed]:
        """The halts and circuits that the symbol is in now."""
        if not any(armed.fault.action in MARKET_ACTIONS for armed in self.armed):
            return []
        return self.of_socket(MARKET_ACTIONS, "", lambda: [symbol])

    def count_frame(self, path: str, symbols: Callable[[], Iterable[str]]) -> None:
        """A socket is about to send a data frame."""
        for armed in self.armed:
            if armed.fault.action in SOCKET_ACTIONS and armed.fault.concerns(path, symbols):
                armed.matched += 1

    def of_socket(self, actions: tuple[str, ...], path: str, symbols: Callable[[], Iterable[str]]) -> list[Armed]:
        """Active faults with one of these actions that match a connection, in the script's order. Changes no count."""
        now = self._clock.mono_ns()
        return [
            armed
            for armed in self.armed
            if armed.fault.action in actions
            and armed.begin_if_due(now)
            and not armed.is_over(now)
            and armed.fault.concerns(path, symbols)
        ]

    def goes_on(self, armed: Armed) -> bool:
        """Whether a fault is still armed and its time is not over, whatever its count says."""
        return armed in self.armed and armed.left_seconds(self._clock.mono_ns()) != 0

    def due(self) -> list[Armed]:
        """Faults of the whole exchange (refuse, restart, revoke) that begin now; each is returned once."""
        now = self._clock.mono_ns()
        fresh = [a for a in self.armed if a.fault.action in WORLD_ACTIONS and not a.used and a.begin_if_due(now)]
        for armed in fresh:
            armed.used = 1
        return fresh
