"""What the request handlers share: the clock, the market, tokens, limits, faults and the served log of one exchange."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from exchange.faults import FaultSchedule
from exchange.grants import Grants
from exchange.limits import RateLimits
from exchange.market.disruptions import Show
from exchange.market.instruments import Instrument
from exchange.market.load import LoadMarket
from exchange.market.model import BookModel, PriceLimits
from exchange.market.profile import LEVELS
from exchange.market.sessions import Sessions
from exchange.quotes import depth_row
from exchange.sockets.registry import Sockets
from exchange.sockets.topics import index_name
from exchange.state import App, StateDir
from exchange.tokens import Tokens
from harvester.base.clock import Clock


class ServedLog:
    """Appends one JSON line per /depth answer.

    Keys: `ns` (wall time of the answer), `symbol`, `status` (0: no answer was sent), `sha256` and `bytes` of the
    whole body, `fault` (name of the fault that made it, or null), `delivered` (false when the body was cut, withheld,
    or the client had gone).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def add(self, ns: int, symbol: str, status: int, body: bytes | None, fault: str | None, *, delivered: bool) -> None:
        """Record one answer."""
        row = {
            "ns": ns,
            "symbol": symbol,
            "status": status,
            "sha256": hashlib.sha256(body).hexdigest() if body is not None else None,
            "bytes": len(body) if body is not None else 0,
            "fault": fault,
            "delivered": delivered,
        }
        self.count += 1
        self._file.write(json.dumps(row) + "\n")

    def since(self, ns: int) -> Iterator[bytes]:
        """The rows from a wall time on, as JSON lines."""
        with self.path.open("rb") as file:
            for line in file:
                if ns <= 0 or json.loads(line)["ns"] >= ns:
                    yield line

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()


class DepthSource(Protocol):
    """Where /depth rows come from: the book model or a recorded day."""

    def row(self, symbol: str, wall_ns: int) -> dict[str, Any] | None:
        """The row in force at a moment in the broker's JSON form, None for a symbol it does not know."""
        ...


class ModelDepth:
    """Rows from the book model, and of the synthetic symbols."""

    def __init__(self, model: BookModel, load: LoadMarket, show: Show) -> None:
        self._model = model
        self._show = show
        self._load = load

    def row(self, symbol: str, wall_ns: int) -> dict[str, Any] | None:
        synthetic = self._load.instruments.get(symbol)
        if synthetic:
            return depth_row(self._load.book_at(symbol, wall_ns), synthetic)
        instrument = self._model.instruments.get(symbol)
        if instrument is None:
            return None
        return depth_row(self._show(self._model.book_at(symbol, wall_ns), LEVELS), instrument)


@dataclass
class World:
    """One running exchange."""

    state: StateDir
    app: App
    clock: Clock
    sessions: Sessions
    instruments: dict[str, Instrument]
    load: LoadMarket
    """Synthetic symbols; the model does not know them."""
    model: BookModel
    candle_model: BookModel
    """Equal to `model`, for the thread that makes candles."""
    depth: DepthSource
    tokens: Tokens
    limits: RateLimits
    faults: FaultSchedule
    served: ServedLog
    sockets: Sockets
    schwab: Grants
    """What the second broker granted its app."""
    calendar: Path | None = None
    """The calendar file that is followed; None: the one in the package."""
    holiday_list: Path | None = None
    """What is served as the exchange's list of holidays; None: one made of the calendar."""
    index_name: Callable[[str], str] = index_name
    """By what name the data socket knows an index."""
    replay: Callable[[], dict[str, object]] | None = None
    """Says where the replay of a recorded day is."""
    refresh_allowed: bool = False
    candle_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def price_limits(self, symbol: str) -> PriceLimits:
        """Of the day, for a symbol of `instruments`."""
        if symbol in self.load.instruments:
            return self.load.limits(symbol)
        return self.model.limits(symbol, self.clock.wall_ns())


WORLD: web.AppKey[World] = web.AppKey("world", World)


def world_of(request: web.Request) -> World:
    """The exchange that a request came to."""
    return request.app[WORLD]
