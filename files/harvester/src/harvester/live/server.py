"""HTTP on a Unix socket: the page, its files, and the state as JSON. It reads, and takes no other method than GET.

Who may connect is the socket's mode. A browser reaches it through a port on the operator's own loopback, so a request
whose Host is another name is refused: a page of somebody else's could otherwise have its name lead here.
"""

import gzip
import json
import os
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from harvester.base.errors import HarvesterError
from harvester.live.view import LiveView

READ_SECONDS = 30
"""A connection that asks nothing for so long is closed."""
ACTIVATED = 3
"""The descriptor of the socket that systemd hands over (sd_listen_fds(3))."""
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/lightweight-charts.js": ("lightweight-charts.js", "text/javascript; charset=utf-8"),
    "/LICENSE.lightweight-charts": ("LICENSE.lightweight-charts", "text/plain; charset=utf-8"),
}
HEADERS = {
    # The chart sets styles of its own elements; nothing comes from elsewhere, and nothing goes there.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOCAL = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")
SMALL = 1_000
"""Bytes below which nothing is compressed."""


class LiveServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers until nobody has asked for `idle_seconds`, or what `reads` says is another; then `stop` is set."""

    daemon_threads = True

    def __init__(
        self,
        listening: socket.socket,
        view: LiveView,
        stop: threading.Event,
        *,
        idle_seconds: float,
        reads: Callable[[], object],
    ) -> None:
        """`reads`: what this process has read once and goes by, such as which program and configuration."""
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.view, self._stop, self._idle_seconds = view, stop, idle_seconds
        self._reads, self._read_first = reads, reads()
        self.asked_at = time.monotonic()

    def service_actions(self) -> None:
        """Called by serve_forever between two requests."""
        is_idle = time.monotonic() - self.asked_at >= self._idle_seconds
        if is_idle or self._reads() != self._read_first:
            self._stop.set()


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    timeout = READ_SECONDS
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "live-page", ""

    def do_GET(self) -> None:
        self.server.asked_at = time.monotonic()
        if not LOCAL.fullmatch(self.headers.get("Host", "")):
            self._say(403, "text/plain", b"This page answers at http://127.0.0.1 alone.\n")
            return
        asked = urlsplit(self.path)
        if asked.path == "/state":
            query = {name: values[-1] for name, values in parse_qs(asked.query).items()}
            state = self.server.view.answer(query.get("symbol", ""), query.get("like", ""), query.get("have", ""))
            self._say(200, "application/json", json.dumps(state, separators=(",", ":")).encode())
        elif asked.path in FILES:
            name, kind = FILES[asked.path]
            self._say(200, kind, _file(name))
        else:
            self._say(404, "text/plain", b"There is no such page.\n")

    def _say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        if len(body) >= SMALL and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 5, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the page asks every second."""


@cache
def _file(name: str) -> bytes:
    return files("harvester.live").joinpath("site", name).read_bytes()


def activated() -> socket.socket | None:
    """The listening socket that systemd hands over; None where it started no such unit."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    return socket.socket(fileno=ACTIVATED)


def listen(path: Path) -> socket.socket:
    """A socket of our own, for who may write its folder. Raises HarvesterError where that cannot be."""
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen()
    except OSError as error:
        listening.close()
        raise HarvesterError(
            f"{path}: no socket can be made there ({error.strerror}). Name another path with --socket; one that is"
            " left over is removed by hand."
        ) from error
    return listening
