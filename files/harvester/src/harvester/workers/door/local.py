"""The door on this machine: the standard library's server on loopback in front of the same handler as anywhere."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from harvester.base.clock import Clock
from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replace_file
from harvester.workers.door.limits import Limiter
from harvester.workers.door.service import Service, handle
from harvester.workers.door.tokens import Tokens
from harvester.workers.memory import load
from harvester.workers.reports import MAX_BYTES, Report, inbox_of
from harvester.workers.settings import OverseerSettings

READ_SECONDS = 10
AT_ONCE = 16
WAITING = 1_000
"""Reports of one worker that may wait; then the door says 500, and the worker's mailbox has its report."""


def open_service(settings: OverseerSettings, clock: Clock) -> Service:
    """The door of this overseer: reports go into the folder `inbox` of their worker. Raises ConfigError."""
    known = {worker.name for worker in settings.workers}

    def keep(worker: str, report: Report) -> None:
        if worker not in known:
            raise HarvesterError(f"{worker} is no worker of this overseer.")
        inbox = inbox_of(settings.data_dir, worker)
        try:
            make_directory(inbox)
            if sum(1 for _ in inbox.iterdir()) >= WAITING:
                raise HarvesterError(f"{inbox}: {WAITING} reports wait already, so no look takes them.")
            fields = report._asdict()
            del fields["id"]
            replace_file(inbox / f"{report.id}.json", json.dumps(fields), 0o640)
        except OSError as error:
            raise HarvesterError(f"{inbox}: cannot be written ({error.strerror}).") from error

    def status(worker: str) -> dict[str, Any]:
        memory = load(settings.data_dir / worker / "memory.json")
        return {"status": "ok", "worker": worker, "state": memory.state, "restarts": len(memory.restarts)}

    limiter = Limiter(settings.door.per_minute, settings.door.per_minute * 6)
    return Service(Tokens(settings.door.tokens), limiter, keep, status, clock, lambda line: print(line, flush=True))


class _Server(ThreadingHTTPServer):
    """Serves so many connections side by side; more are closed at once."""

    daemon_threads = True

    def __init__(self, service: Service, address: tuple[str, int]) -> None:
        self.service = service
        self._places = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, *_: object) -> None:
        """A client that broke off is no event."""


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_SECONDS
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "door", ""
    server: _Server

    def _answer(self) -> None:
        size = self.headers.get("Content-Length", "0")
        length = int(size) if size.isascii() and size.isdigit() and len(size) < 12 else MAX_BYTES + 1
        event = {
            "version": "2.0",
            "rawPath": urlsplit(self.path).path,
            "headers": dict(self.headers.items()),
            "requestContext": {"http": {"method": self.command, "sourceIp": self.client_address[0]}},
            "body": self.rfile.read(length) if length <= MAX_BYTES else b"",
            "tooLarge": length > MAX_BYTES or "Transfer-Encoding" in self.headers,
        }
        answer = handle(event, self.server.service)
        body = answer["body"].encode()
        self.send_response(answer["statusCode"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Of what is no HTTP: the code alone, because the standard answer holds a part of the request."""
        del message, explain
        self.close_connection = True
        self.wfile.write(f"HTTP/1.1 {code} Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def log_message(self, *_: object) -> None:
        """Nothing: a request may hold anything. The handler says a line about each."""


def make_server(service: Service, address: tuple[str, int]) -> ThreadingHTTPServer:
    """A server that listens there; call serve_forever(). HarvesterError when the port is taken."""
    try:
        return _Server(service, address)
    except OSError as error:
        raise HarvesterError(
            f"{address[0]} port {address[1]} cannot be listened on ({error.strerror}). End what uses it, or name"
            " another port in door.port."
        ) from error
