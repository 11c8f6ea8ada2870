"""The end of a login on this machine: the browser is sent to a loopback port, or a person pastes where it was sent."""

import hmac
import select
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import HarvesterError

LOOPBACK = {"127.0.0.1", "localhost"}
LOGIN_SECONDS = 300.0
READ_SECONDS = 10
HTTP_PORT = 80
THANKS = b"<!doctype html><title>Alpha Harvester</title><p>Logged in. The terminal says whether the token works."
OTHER_LOGIN = b"<!doctype html><title>Alpha Harvester</title><p>This address belongs to another login."
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Catcher:
    """Takes one redirect with the right state, and nothing else. Use as a context; it listens from then on."""

    def __init__(self, redirect_uri: str, state: str) -> None:
        self._server = _listen(redirect_uri, state)

    def __enter__(self) -> "Catcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self, *, paste: bool = False, timeout_seconds: float = LOGIN_SECONDS) -> str:
        """The address that the browser was sent to, or, with `paste`, that was typed. HarvesterError after a while."""
        clock = SystemClock()
        deadline = clock.mono_ns() + int(timeout_seconds * NS_PER_SECOND)
        watched = [self._server.socket, *([sys.stdin] if paste else [])]
        while not self._server.caught:
            left = (deadline - clock.mono_ns()) / NS_PER_SECOND
            ready = select.select(watched, [], [], max(0.0, left))[0]
            if not ready:
                raise HarvesterError(
                    f"No login came within {timeout_seconds:.0f} s. Run the command again; with --paste when the "
                    "browser is on another machine."
                )
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if line.strip():
                    return line.strip()
                watched.remove(sys.stdin)
            elif self._server.socket in ready:
                self._server.handle_request()
        return self._server.caught[0]


class _Server(HTTPServer):
    """One request at a time, each within seconds: it is there for one browser."""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.caught: list[str] = []
        super().__init__(address, handler)


def can_catch(redirect_uri: str) -> bool:
    """Whether the app's registered address leads to this machine."""
    where = urlsplit(redirect_uri)
    return where.scheme == "http" and where.hostname in LOOPBACK


def _listen(redirect_uri: str, state: str) -> _Server:
    where = urlsplit(redirect_uri)

    class Handler(BaseHTTPRequestHandler):
        timeout = READ_SECONDS
        server: _Server

        def do_GET(self) -> None:
            got = urlsplit(self.path)
            given = parse_qs(got.query).get("state", [""])[0]
            if self.headers.get("Host") != where.netloc or got.path.rstrip("/") != where.path.rstrip("/"):
                self._answer(404, b"")
            elif not hmac.compare_digest(given.encode(), state.encode()):
                self._answer(400, OTHER_LOGIN)
            else:
                self.server.caught.append(f"{where.scheme}://{where.netloc}{self.path}")
                self._answer(200, THANKS)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the address has the login's code in it."""

    try:
        return _Server(("127.0.0.1", where.port or HTTP_PORT), Handler)
    except OSError as error:
        raise HarvesterError(
            f"The port of {redirect_uri} cannot be listened on ({error.strerror}). End what uses it, or give --paste."
        ) from error
