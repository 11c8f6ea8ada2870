"""A proxy in front of moto that is strict where S3 is and moto is not, and that goes wrong when told to.

As S3 does, it refuses a body that has not the SHA-256 of its x-amz-checksum-sha256 header (BadDigest).
"""

import hashlib
import http.client
import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

CHECKSUM = "x-amz-checksum-sha256"
HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


@dataclass
class Answer:
    """What goes back to the client; `cut` closes the connection after so many bytes of the body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    cut: int | None = None


@dataclass
class Fault:
    """One way of going wrong, for the next `times` requests that `where` accepts (method, path with query)."""

    kind: str
    where: Callable[[str, str], bool] = lambda method, path: True
    times: int = 1
    seconds: float = 0.0
    before: Callable[[], None] | None = None
    """Runs before the request is passed on, such as another writer that comes in between."""


@dataclass
class Proxy:
    """The faults to come, and what was asked."""

    target: tuple[str, int]
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)
    damage: Callable[[str, bytes], bytes] | None = None
    """What happens to the body of every answer to a GET (path, body)."""
    seed: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: str, where: Callable[[str, str], bool] | None = None, **options: object) -> None:
        fault = Fault(kind, **({"where": where} if where else {}), **options)  # type: ignore[arg-type]
        self.faults.append(fault)

    def reset(self) -> None:
        """Forget faults and requests."""
        self.faults, self.asked, self.struck, self.damage = [], [], [], None

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, if one is due."""
        path = unquote(path)
        with self._lock:
            self.asked.append((method, path))
            for fault in self.faults:
                if fault.times and fault.where(method, path):
                    fault.times -= 1
                    self.struck.append(fault.kind)
                    return fault
        return None

    def random(self) -> random.Random:
        with self._lock:
            self.seed += 1
            return random.Random(self.seed)


def trouble(status: int, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
    return Answer(status, [("Content-Type", "application/xml")], body)


def flipped(data: bytes, dice: random.Random) -> bytes:
    if not data:
        return b"?"
    changed = bytearray(data)
    changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        upstream: http.client.HTTPConnection | None = None

        def log_message(self, *_: object) -> None:
            """Tests read `asked`."""

        def handle_one(self) -> None:
            fault = proxy.take(self.command, self.path)
            kind = fault.kind if fault else ""
            length = int(self.headers.get("Content-Length") or 0)
            if kind == "half_received":
                self.rfile.read(length // 2)
                self.close_connection = True
                return
            body = self.rfile.read(length)
            if fault and fault.before:
                fault.before()
            answer = self.early(kind, fault) or self.checked(
                body if kind != "flip_up" else flipped(body, proxy.random())
            )
            self.spoil(answer, kind)
            if proxy.damage and self.command == "GET" and answer.status < 300:
                answer.body = proxy.damage(unquote(self.path), answer.body)
            if kind == "lost_answer":
                self.close_connection = True
                return
            self.reply(answer)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one

        def early(self, kind: str, fault: Fault | None) -> Answer | None:
            if kind == "stall" and fault:
                time.sleep(fault.seconds)
                return trouble(500, "InternalError")
            known = {
                "503": (503, "ServiceUnavailable"),
                "slow_down": (503, "SlowDown"),
                "500": (500, "InternalError"),
                "missing": (404, "NoSuchKey"),
                "denied": (403, "AccessDenied"),
                "timeout": (400, "RequestTimeout"),
                "no_bucket": (404, "NoSuchBucket"),
                "elsewhere": (301, "PermanentRedirect"),
            }
            return trouble(*known[kind]) if kind in known else None

        def checked(self, body: bytes) -> Answer:
            stated = self.headers.get(CHECKSUM)
            if stated and self.command == "PUT" and b64encode(hashlib.sha256(body).digest()).decode() != stated:
                return trouble(400, "BadDigest")
            return self.passed_on(body)

        def passed_on(self, body: bytes) -> Answer:
            if self.upstream is None:
                self.upstream = http.client.HTTPConnection(*proxy.target, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            self.upstream.request(self.command, self.path, body or None, headers)
            came = self.upstream.getresponse()
            kept = [(name, value) for name, value in came.getheaders() if name.lower() not in HOP]
            if self.command == "HEAD":
                kept.append(("Content-Length", came.getheader("Content-Length") or "0"))
            return Answer(came.status, kept, came.read())

        def spoil(self, answer: Answer, kind: str) -> None:
            if kind == "flip_down":
                answer.body = flipped(answer.body, proxy.random())
            elif kind == "half_sent":
                answer.cut = len(answer.body) // 2
            elif kind == "short_listing":
                answer.body = answer.body.replace(b"<IsTruncated>false", b"<IsTruncated>true")
            elif kind == "lost_row":
                start = answer.body.index(b"<Contents>")
                answer.body = answer.body[:start] + answer.body[answer.body.index(b"</Contents>") + 11 :]
            elif kind == "wrong_checksum":
                wrong = b64encode(hashlib.sha256(b"other").digest()).decode()
                answer.headers = [
                    (name, wrong if name.lower() == CHECKSUM else value) for name, value in answer.headers
                ]

        def reply(self, answer: Answer) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

    return Handler


@contextmanager
def running(target: tuple[str, int]) -> Iterator[Proxy]:
    """A proxy on loopback in front of `target`."""
    proxy = Proxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(proxy))
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
