"""A broker in this process: TLS on loopback, answers and misbehaves as a test tells it."""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost: (certificate, key). The certificate is its own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "ca.pem", directory / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return certificate_file, key_file


def depth_body(symbol: str, ltp: float = 845.5) -> bytes:
    """A depth answer with one level a side."""
    book = {
        "totalbuyqty": 100,
        "totalsellqty": 200,
        "bids": [{"price": ltp - 0.05, "volume": 10, "ord": 1}],
        "ask": [{"price": ltp, "volume": 20, "ord": 2}],
        "ltp": ltp,
    }
    return json.dumps({"s": "ok", "d": {symbol: book}, "message": ""}).encode()


async def answer_well(request: web.Request) -> web.Response:
    return web.Response(body=depth_body(request.query["symbol"]), content_type="application/json")


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Always this status and body."""

    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return respond


def refuse(code: int, status: int = 401) -> Answer:
    """An error of the broker's own shape."""
    return answer(status, json.dumps({"s": "error", "code": code, "message": "refused for the test"}).encode())


async def never_answer(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError("unreachable")


async def disconnect(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_short(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"s": "ok"')
    await asyncio.sleep(0.05)  # for the bytes to leave
    return await disconnect(request)


def once_a_connection(afterwards: Answer) -> Answer:
    """The first request of each connection gets its data; what the next ones get."""
    met: set[object] = set()

    async def respond(request: web.Request) -> web.StreamResponse:
        again = request.transport in met
        met.add(request.transport)
        return await (afterwards if again else answer_well)(request)

    return respond


async def send_for_ever(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 100)
        await asyncio.sleep(0.05)


async def send_too_much(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(64):
        await response.write(b"x" * 65536)
    return response


class FakeBroker:
    """Serves /data/depth and /api/v3/profile; `answer` is what depth calls get, `accepts` the living tokens."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.answer: Answer = answer_well
        self.accepts: set[str] | None = None
        self.requests: list[tuple[float, str, str]] = []
        self.agents: set[tuple[str, str]] = set()
        """Path and User-Agent of each request."""
        self.extra_routes: dict[str, Answer] = {}
        self.url = ""
        self._certificate = certificate
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._note_agent])
        app.router.add_get("/data/depth", self._serve)
        for path, route in {"/api/v3/profile": self._serve, **self.extra_routes}.items():
            app.router.add_route("*", path, route)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.listen(0)
        return self

    async def listen(self, port: int) -> None:
        assert self._runner is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._certificate)
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        self.url = f"https://localhost:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def depth_calls(self) -> list[str]:
        """Symbols asked for, in order."""
        return [symbol for _, path, symbol in self.requests if path == "/data/depth"]

    @web.middleware
    async def _note_agent(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.agents.add((request.path, request.headers.get("User-Agent", "")))
        return await handler(request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((asyncio.get_running_loop().time(), request.path, request.query.get("symbol", "")))
        token = request.headers.get("authorization", "").partition(":")[2]
        if self.accepts is not None and token not in self.accepts:
            return await refuse(-16)(request)
        if request.path == "/api/v3/profile":
            return web.json_response({"s": "ok", "code": 200, "data": {"fy_id": "XX00000"}})
        return await self.answer(request)
