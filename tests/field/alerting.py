"""Help for tests of the alerts: a host's settings, services that answer as the real ones do, a mail server."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from harvester.alerts.message import Message, Severity
from harvester.alerts.notice import Notice
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import zone
from harvester.base.validation import validate
from harvester.config.settings import Settings

DAY = "2026-11-23"
SYMBOL = "NSE:SBIN-EQ"
MINUTE = 60 * NS_PER_SECOND
INFO, WARNING, CRITICAL, CLEAR = Severity.INFO, Severity.WARNING, Severity.CRITICAL, Severity.CLEAR


def at(text: str) -> int:
    """A wall time in ns, of India: "10:00", "10:00:30", or with a day before it."""
    moment = text if "T" in text else f"{DAY}T{text}"
    return int(datetime.fromisoformat(moment).replace(tzinfo=zone()).timestamp()) * NS_PER_SECOND


NOW = at("10:00")


def notice(severity: Severity = WARNING, cause: str = "disk_low", source: str = "recorder", **more: Any) -> Notice:
    return Notice(severity, cause, source, **{"host": "h1", "text": f"{cause} of {source}", **more})


def configuration(folder: Path, *channels: str) -> dict[str, Any]:
    """A host whose paths are all in `folder`, with these channels."""
    for name in ("inbox", "log"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "channels").write_text("\n".join(channels))
    alerts = {
        "channels": f"file:{folder}/channels",
        "memory": f"{folder}/memory",
        "inbox": f"{folder}/inbox",
        "log_dir": f"{folder}/log",
        "ports": f"{folder}/ports",
    }
    return {
        "host_id": "h1",
        "symbols": [SYMBOL],
        "broker": {"app_id": "ABCDE12345-100"},
        "alerts": alerts,
        "status_file": f"{folder}/status.json",
    }


def make_settings(folder: Path, *channels: str) -> Settings:
    return validate(Settings, configuration(folder, *channels))


def good(now_ns: int = NOW, **other: Any) -> dict[str, Any]:
    """The status of a recorder that is well, in session."""
    polls = {"updates": 100, "last_recv_ns": now_ns - NS_PER_SECOND}
    return {
        "config_hash": "abc",
        "release": "r1",
        "started_at_ns": now_ns - 60 * MINUTE,
        "written_at_ns": now_ns - NS_PER_SECOND,
        "window": {"open": True, "open_ns": now_ns - 30 * MINUTE, "next_change_ns": now_ns + 60 * MINUTE},
        "symbols": {SYMBOL: polls | {"feeds": {"fyers-rest": polls}}},
        "feeds": {"fyers-hsm": {"running": True, "connections": []}},
        "open_gaps": [],
        "token": {"state": "ok", "version": "file:1", "expires_at_ns": now_ns + 600 * MINUTE, "problem": ""},
        "journal": {"seq": 300, "durable_seq": 299, "failure": None},
        "disk": {"free_bytes": 1 << 40, "full": False},
        "calendar": {"problem": ""},
        "clock": {"offset_ns": 200_000_000, "off": False, "steps": 0},
        "unknown_symbols": {},
    } | other


class Listener:
    """A channel that writes down what it is told, or refuses."""

    def __init__(self, name: str = "one") -> None:
        self.kind, self.name, self.ports = "test", name, [443]
        self.heard: list[Message] = []
        self.problem = ""

    def send(self, message: Message) -> str:
        if not self.problem:
            self.heard.append(message)
        return self.problem


class Service:
    """An HTTP endpoint: what it heard, and what it answers next."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[dict[str, Any]] = []
        self.status, self.body = 200, b"{}"


@contextmanager
def service() -> Iterator[Service]:
    """A service of the web on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if found.status == 200:
                found.heard.append(heard)
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Service(f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


class Mailbox:
    """Mails that a server took. `refusal`: what it answers to every recipient instead."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refusal = ""
        self.port = 0

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:
        self.mails.append(envelope)
        return "250 Message accepted for delivery"


class MailServer(Controller):
    """aiosmtpd on a socket that listens already, so that nobody else takes its port."""

    listening: socket.socket

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self.listening)


@contextmanager
def mail_server(*, password: str) -> Iterator[Mailbox]:
    """A mail server that wants a login, as every provider's does."""
    box = Mailbox()

    def login(_: Any, __: Any, ___: Any, ____: Any, data: Any) -> AuthResult:
        return AuthResult(success=data.password.decode() == password, handled=False)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        box.port = listening.getsockname()[1]
        server = MailServer(
            box,
            hostname="127.0.0.1",
            port=box.port,
            authenticator=login,
            auth_required=True,
            auth_require_tls=False,
        )
        server.listening = listening
        server.start()
        yield box
        server.stop()


def titles(messages: Sequence[Message]) -> list[str]:
    return [f"{message.severity.name.lower()} {message.title}" for message in messages]
