"""A host whose journal and status are written by hand, and its live page in a headless browser."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.journals import OPEN_NS, HandClock
from tests.storage.lake.sockets import SocketRecorder

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import entered
from harvester.base.validation import validate
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.journal.format import FYERS_TBT
from harvester.live.due_table import DueTable
from harvester.live.server import LiveServer, listen
from harvester.live.view import LiveView
from lab.demo.login import FLAGS, find_chromium

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
MINUTE_NS = 60 * NS_PER_SECOND
DUES = [
    {"kind": "feed", "name": "fyers-hsm", "state": "waiting", "due_ns": OPEN_NS + 22_500 * NS_PER_SECOND, "cause": ""},
    {"kind": "job", "name": "drive_sync", "state": "missing", "due_ns": OPEN_NS, "cause": "it ended with 1"},
]


class Told(DueTable):
    """What is due, as a test says it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"entries": DUES, "problem": ""}


@dataclass
class LiveHost:
    """A host's folder, its clock, and what is served of it."""

    root: Path
    settings: Settings
    clock: Any
    counts: dict[str, int] = field(default_factory=dict)
    view: LiveView | None = None

    def say(self, *symbols: str, is_open: bool = True) -> None:
        """The recorder publishes: these symbols had an update now."""
        now = self.clock.now_ns
        for symbol in symbols:
            self.counts[symbol] = self.counts.get(symbol, 0) + 1
        last = {name: {"updates": count, "last_recv_ns": now} for name, count in self.counts.items()}
        told = {"written_at_ns": now, "release": "r1", "window": {"open": is_open, "phases": ["continuous"]}}
        told |= {"symbols": last, "token": {"state": "valid"}, "open_gaps": []}
        fresh = self.settings.status_file.with_suffix(".new")
        fresh.write_text(json.dumps(told))
        fresh.replace(self.settings.status_file)

    def answer(self, symbol: str = "", like: str = "", have: str = "") -> dict[str, Any]:
        """The state after all that is written was read."""
        view = self.view or self.begin()
        while not view.turn():
            pass
        return view.answer(symbol, like, have)

    def begin(self) -> LiveView:
        def calendar() -> TradingCalendar:
            return TradingCalendar.load()

        self.view = LiveView(self.settings, calendar, Told(), self.clock)
        return self.view

    @contextmanager
    def serving(self) -> Iterator[Path]:
        """The page on a Unix socket, followed as the command does it."""
        stop, path = threading.Event(), self.root / "page.sock"
        view = self.begin()
        with LiveServer(listen(path), view, stop, idle_seconds=600, reads=tuple) as server:
            threads = [
                threading.Thread(target=server.serve_forever, args=(0.05,)),
                threading.Thread(target=view.follow, args=(stop,)),
            ]
            for thread in threads:
                thread.start()
            try:
                yield path
            finally:
                stop.set()
                server.shutdown()
                for thread in threads:
                    thread.join()


def settings_of(root: Path, **changes: Any) -> Settings:
    plain = {
        "host_id": "lab1", "data_dir": str(root), "symbols": [SBIN, INFY], "feeds": ["fyers-hsm"],
        "broker": {"app_id": "ABCDE12345-100"}, "status_file": str(root / "status.json"),
    }  # fmt: skip
    return validate(Settings, plain | changes)


@pytest.fixture
def nse(tmp_path: Path) -> LiveHost:
    """One that records both sockets of two stocks, before its opening."""
    settings = settings_of(tmp_path, feeds=["fyers-hsm", "fyers-tbt"], tbt={"symbols": [SBIN]})
    return LiveHost(tmp_path, settings, HandClock(OPEN_NS - MINUTE_NS))


def sockets(host: LiveHost) -> SocketRecorder:
    """A run of its recorder, connected."""
    recorder = SocketRecorder(host.settings.journal_dir, host.clock)
    recorder.control("window_open", open_ns=OPEN_NS, close_ns=OPEN_NS + 22_500 * NS_PER_SECOND, feeds=[2, 3])
    recorder.connect(0, [SBIN, INFY])
    recorder.connect(0, [SBIN], FYERS_TBT)
    recorder.snapshots(0, SBIN, INFY)
    recorder.book50(0, SBIN, 0, snapshot=True)
    return recorder


@contextmanager
def forwarded(path: Path) -> Iterator[str]:
    """The socket on a port of this machine, for a browser: bytes both ways."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, path), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def _accept(listening: socket.socket, path: Path) -> None:
    while True:
        try:
            near, _ = listening.accept()
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(str(path))
        except OSError:
            near.close()
            continue
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(65_536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Not to be closed."""
    if find_chromium() is None:
        pytest.skip("there is no chromium here (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def us() -> Iterator[None]:
    with entered("us"):
        yield
