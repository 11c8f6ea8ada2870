"""The door over HTTP: its order of refusals, its limits, that nothing comes back out and no token is ever said."""

import http.client
import json
import random
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.workers.conftest import MovedClock, Place
from tests.workers.weeks import MINUTE

from harvester.base.errors import ConfigError
from harvester.base.redaction import forget_secrets, redact
from harvester.workers.door.limits import ADDRESSES, Limiter
from harvester.workers.door.local import make_server, open_service
from harvester.workers.door.service import Service, handle
from harvester.workers.door.tokens import Tokens
from harvester.workers.reports import MAX_BYTES
from harvester.workers.round import look_at

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40
REPORT = {"error_type": "ConnectionError", "error_message": "reset", "timestamp": "2026-11-23T18:30:00Z"}


class Door:
    """A door whose limits are wide, and what it said."""

    def __init__(self, place: Place, root: Path, monkeypatch: pytest.MonkeyPatch, per_minute: int = 600) -> None:
        self.file = root / "tokens"
        self.file.write_text(f"colab {OLD}\n")
        place.data["door"] = {"tokens": str(self.file), "per_minute": per_minute}
        place.reload()
        self.place, self.said = place, list[str]()
        service = open_service(place.settings, place.clock)
        self.service = Service(
            service.tokens, service.limiter, service.keep, service.status, service.clock, self.said.append
        )

    def ask(
        self, method: str, path: str, body: bytes = b"", token: str = OLD, address: str = "127.0.0.1", **more: Any
    ) -> Any:
        event = {
            "rawPath": path,
            "headers": {"X-API-Token": token},
            "requestContext": {"http": {"method": method, "sourceIp": address}},
            "body": body,
            **more,
        }
        answer = handle(event, self.service)
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def door(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    yield Door(place, tmp_path, monkeypatch)
    forget_secrets()


def test_a_report_is_kept_and_then_acted_on_as_one_of_the_mailbox(door: Door) -> None:
    assert door.ask("POST", "/report_error", json.dumps(REPORT).encode()) == (
        200,
        {"status": "ok", "action": "repair_triggered"},
    )
    assert door.ask("POST", "/report_error", json.dumps(REPORT, indent=3).encode())[0] == 200
    door.place.put("error_report.json", REPORT)
    look_at(door.place.parts())
    assert [each[1] for each in door.place.told()] == ["reported CONNECTION"]
    assert len(door.place.lines("errors/errors_*.jsonl")) == 1
    assert list((door.place.folder / "inbox").iterdir()) == []


def test_health_needs_no_token_and_status_does(door: Door) -> None:
    assert door.ask("GET", "/health", token="") == (200, {"status": "ok", "timestamp": "2026-11-23T18:30:00+00:00"})
    assert door.ask("GET", "/status", token="")[0] == 403
    assert door.ask("GET", "/status") == (200, {"status": "ok", "worker": "colab", "state": "unknown", "restarts": 0})


@pytest.mark.parametrize(
    ("method", "path", "token", "body", "code"),
    [
        ("POST", "/report_error", "", b"{", 403),
        ("POST", "/report_error", OTHER, b"x" * (MAX_BYTES + 1), 403),
        ("POST", "/report_error", OLD[:-1], b"{}", 403),
        ("POST", "/report_error", OLD + "a", b"{}", 403),
        ("POST", "/report_error", "é" * 40, b"{}", 403),
        ("GET", "/nothing", "", b"", 403),
        ("GET", "/nothing", OLD, b"", 404),
        ("GET", "/report_error", OLD, b"", 405),
        ("POST", "/health", OLD, b"", 405),
        ("POST", "/report_error", OLD, b"x" * (MAX_BYTES + 1), 413),
        ("POST", "/report_error", OLD, b"{", 400),
        ("POST", "/report_error", OLD, b'{"error_type": 1}', 400),
    ],
)
def test_refusals_come_in_their_order(door: Door, method: str, path: str, token: str, body: bytes, code: int) -> None:
    assert door.ask(method, path, body, token)[0] == code
    assert not (door.place.folder / "inbox").exists()


@pytest.mark.parametrize(
    ("method", "path", "token", "body", "code", "reason"),
    [
        ("GET", "/status", "", b"", 403, "forbidden"),
        ("GET", "/nothing", OLD, b"", 404, "no such thing"),
        ("PUT", "/status", OLD, b"", 405, "no such thing"),
        ("POST", "/report_error", OLD, b"x" * (MAX_BYTES + 1), 413, "a report has at most 64 KiB"),
        ("POST", "/report_error", OLD, b"{", 400, "a report is a JSON object"),
    ],
)
def test_a_worker_reads_why_it_is_refused(
    door: Door, method: str, path: str, token: str, body: bytes, code: int, reason: str
) -> None:
    assert door.ask(method, path, body, token) == (code, {"status": "error", "reason": reason})


@pytest.mark.parametrize("event", [{}, {"requestContext": {}}, {"requestContext": {"http": {}}, "headers": None}])
def test_an_event_without_what_a_request_has_is_refused(door: Door, event: dict[str, Any]) -> None:
    assert handle(event, door.service)["statusCode"] == 403


def test_a_token_that_is_known_is_masked_wherever_it_is_said(door: Door) -> None:
    assert OLD not in redact(f"a message with {OLD}") and OTHER in redact(OTHER)


def test_too_often_comes_before_all_else_and_ends_after_a_minute(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(place, tmp_path, monkeypatch, per_minute=10)
    assert [door.ask("POST", "/report_error", b"{", "no")[0] for _ in range(12)] == [403] * 10 + [429] * 2
    assert door.ask("GET", "/health") == (429, {"status": "error", "reason": "too many requests"})
    assert door.ask("GET", "/health", address="10.0.0.2")[0] == 200
    place.clock.now_ns += MINUTE - 1
    assert door.ask("GET", "/health")[0] == 429
    place.clock.now_ns += 1
    assert door.ask("GET", "/health")[0] == 200
    place.clock.now_ns += 10 * MINUTE
    codes = [door.ask("GET", "/health", address=f"10.0.1.{n}")[0] for n in range(70)]
    assert codes == [200] * 60 + [429] * 10, "six times as many from all together"


def test_a_limiter_forgets_addresses_in_bounded_memory() -> None:
    limiter = Limiter(1, 10**6)
    assert all(limiter.admits(str(n), n) for n in range(ADDRESSES + 1))
    assert not limiter.admits(str(ADDRESSES), ADDRESSES + 1)
    assert limiter.admits("0", ADDRESSES + 1), "forgotten, so it may again"


def test_a_token_is_rotated_with_overlap_and_without_a_restart(door: Door) -> None:
    door.file.write_text(f"colab {OLD}\ncolab {NEW}\nkaggle {OTHER}\n")
    assert [door.ask("GET", "/status", token=token)[0] for token in (OLD, NEW)] == [200, 200]
    assert door.ask("GET", "/status", token=OTHER)[1]["worker"] == "kaggle"
    assert door.ask("POST", "/report_error", json.dumps(REPORT).encode(), OTHER)[0] == 500, "no worker of ours"
    door.file.write_text(f"colab {NEW}\nand a line that is none\n")
    assert [door.ask("GET", "/status", token=token)[0] for token in (OLD, NEW)] == [200, 200], "what was good stays"
    assert any("each line must be" in line for line in door.said)
    door.file.write_text(f"colab {NEW}\n# \n".replace("# \n", ""))
    assert [door.ask("GET", "/status", token=token)[0] for token in (OLD, NEW)] == [403, 200]


@pytest.mark.parametrize("content", ["", "colab\n", "colab short\n", "colab a b\n"])
def test_tokens_that_cannot_be_used_open_no_door(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokens").write_text(content)
    with pytest.raises(ConfigError, match="openssl rand -hex 32"):
        Tokens(tmp_path / "tokens")
    with pytest.raises(ConfigError, match="cannot be read"):
        Tokens(tmp_path / "none")


def _hostile(number: int, random_: random.Random) -> bytes:
    """A request as somebody hostile sends it; the marker must never come back."""
    noise = bytes(random_.randrange(256) for _ in range(40))
    body = random_.choice(
        [b"{" * 3000, b'{"error_type": "MARKER"' + b"," * 99, b"<script>MARKER</script>", noise, b"[" * 60_000]
    )
    token = random_.choice([b"", OTHER.encode(), OLD.encode()[:-1], noise.hex().encode(), b"MARKER"])
    heads = [
        b"POST /report_error HTTP/1.1\r\nX-API-Token: %b\r\nContent-Length: %d\r\n\r\n%b" % (token, len(body), body),
        b"POST /report_error HTTP/1.1\r\nX-API-Token: %b\r\nContent-Length: 99999999\r\n\r\n%b" % (token, body[:100]),
        b"POST /report_error HTTP/1.1\r\nContent-Length: -5\r\n\r\nMARKER",
        b"POST /report_error HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nMARKER",
        b"GET /MARKER?<b>MARKER</b> HTTP/1.1\r\n\r\n",
        b"MARKER /status HTTP/1.1\r\nX-API-Token: MARKER\r\n\r\n",
        b"MARKER\r\n\r\n",
        b"GET /status HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-MARKER: y\r\n" * 200 + b"\r\n",
        b"GET /" + b"MARKER" * 20_000 + b" HTTP/1.1\r\n\r\n",
        noise,
        b"",
    ]
    return heads[number % len(heads)]


def test_a_thousand_hostile_requests_change_nothing_and_are_echoed_nowhere(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    figure: Callable[..., None],
) -> None:
    door = Door(place, tmp_path, monkeypatch)
    server = make_server(door.service, ("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    random_, answers = random.Random(7), b""
    try:
        for number in range(100):  # what is imported late, and buffers of the first requests
            answers += _send(server.server_address[1], _hostile(number, random_))
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(1_000):
            place.clock.now_ns += MINUTE // 100
            answers += _send(server.server_address[1], _hostile(number, random_))
        after, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        kept = len(answers) // 2
        good = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
        place.clock.now_ns += MINUTE
        good.request("POST", "/report_error", json.dumps(REPORT), {"X-API-Token": OLD})
        assert good.getresponse().status == 200
    finally:
        server.shutdown()
        server.server_close()
    said = "\n".join(door.said) + "".join(capsys.readouterr())
    assert b"MARKER" not in answers and "MARKER" not in said
    assert OLD not in said and OTHER not in said and OLD.encode() not in answers
    assert b"Traceback" not in answers and "Traceback" not in said
    assert len(list((place.folder / "inbox").iterdir())) == 1
    grown = (after - before - kept) / 1024
    figure("memory that a thousand hostile requests leave behind", round(grown), bound="<= 512", unit="KiB", gate=True)
    figure("memory that they take at their peak", round((peak - before) / 1024), bound="<= 4096", unit="KiB", gate=True)


def _send(port: int, request: bytes) -> bytes:
    """What comes back of a request whose sender then says no more."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, suppress(OSError):
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            answer += part
    return answer


def test_the_clock_of_a_door_may_be_set_back(place: Place) -> None:
    limiter, clock = Limiter(1, 10), MovedClock()
    assert limiter.admits("a", clock.now_ns)
    assert limiter.admits("a", clock.now_ns - 60 * MINUTE), "no window reaches into the future"


def test_the_command_listens_until_it_is_stopped(place: Place, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "tokens").write_text(f"colab {OLD}\n")
    place.data["door"] = {"tokens": str(tmp_path / "tokens"), "port": port}
    place.reload()
    command = [sys.executable, "-m", "harvester", "workers", "--settings", str(place.file), "listen"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        try:
            assert process.stdout.readline() == f"listens on 127.0.0.1 port {port}\n"
            assert b'"status": "ok"' in _send(port, b"GET /health HTTP/1.1\r\n\r\n")
            taken = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (taken.returncode, "name another port in door.port" in taken.stderr) == (1, True)
        finally:
            process.terminate()
        assert process.wait() == 0, process.stderr.read()
