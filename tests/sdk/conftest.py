"""A running exchange for these tests, in a thread, with a clock that can be moved; the SDK finds it by environment."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fyers_apiv3 import fyersModel

from exchange.client import open_client
from exchange.environment import client_environment
from exchange.exchange import Exchange
from exchange.options import Options
from exchange.state import App
from harvester.base.clock import NS_PER_SECOND, SystemClock


class MovedClock(SystemClock):
    """The machine's clock, shifted by hand."""

    def __init__(self) -> None:
        self.shift_ns = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.shift_ns

    def move(self, seconds: float) -> None:
        self.shift_ns += int(seconds * NS_PER_SECOND)


class Running:
    """One exchange that is up, and what a client needs for it."""

    def __init__(self, exchange: Exchange, clock: MovedClock, folder: Path) -> None:
        self.exchange = exchange
        self.world = exchange.world
        self.clock = clock
        self.folder = folder
        self.state = exchange.state.path

    @property
    def app(self) -> App:
        return self.world.app

    def token(self) -> str:
        return self.world.tokens.mint_access_token()

    def sdk(self, token: str | None = None) -> fyersModel.FyersModel:
        """The unmodified SDK; its log files go to the test's folder."""
        return fyersModel.FyersModel(
            client_id=self.app.app_id, token=self.token() if token is None else token, log_path=str(self.folder)
        )

    def session(self, **changes: str) -> fyersModel.SessionModel:
        values = {
            "client_id": self.app.app_id,
            "redirect_uri": self.app.redirect_uri,
            "response_type": "code",
            "state": "a state",
            "secret_key": self.app.secret,
            "grant_type": "authorization_code",
        }
        return fyersModel.SessionModel(**(values | changes))

    def client(self) -> httpx.Client:
        return open_client(self.state)

    def headers(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"{self.app.app_id}:{token or self.token()}"}

    def depth(self, client: httpx.Client, symbol: str = "NSE:SBIN-EQ", **more: Any) -> httpx.Response:
        return client.get(
            "https://api-t1.fyers.in/data/depth",
            params={"symbol": symbol, "ohlcv_flag": "1"},
            headers=self.headers(),
            **more,
        )


@contextmanager
def running(options: Options, folder: Path) -> Iterator[Running]:
    """Run an exchange in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    clock = MovedClock()

    async def start() -> Exchange:
        return await Exchange(options, clock).__aenter__()

    exchange = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield Running(exchange, clock, folder)
    finally:
        asyncio.run_coroutine_threadsafe(exchange.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start an exchange with other options than the usual ones; the SDK is pointed at it."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Running:
            folder = tmp_path_factory.mktemp("x")
            wanted = {"state": folder / "state", "always_open": True, "rate_limits": False} | options
            found = stack.enter_context(running(Options(**wanted), folder))
            for name, value in client_environment(found.exchange.describe()).items():
                monkeypatch.setenv(name, value)
            return found

        yield begin


@pytest.fixture
def server(start: Start) -> Running:
    """An exchange whose market never closes, without rate limits."""
    return start()


@pytest.fixture
def busy(start: Start) -> Running:
    """The same, with ten times the updates: for tests of the sockets."""
    return start(busy=10.0)
