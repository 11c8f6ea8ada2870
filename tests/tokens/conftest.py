"""What the token tests stand on: an emulated AWS, the local exchange, and a clock that can be moved."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import structlog
from tests.exchanges import serving

from exchange.state import App
from harvester.base.redaction import forget_secrets
from harvester.page import function as page_function
from runbook.fleet.inventory import Host

REGION = "ap-south-1"
PREFIX = "/alpha-harvester/lab"
AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(autouse=True)
def nothing_kept_between_tests() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    forget_secrets()
    page_function._open_page.cache_clear()
    page_function._budget.cache_clear()


@pytest.fixture
def far_end() -> Iterator[tuple[str, list[Any]]]:
    """What a channel's apprise reaches by json://: its address, and what it heard."""
    heard: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"json://127.0.0.1:{server.server_address[1]}", heard
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty AWS account, to which this process's clients lead."""
    httpx.post(f"{aws_url}/moto-api/reset", trust_env=False)
    for name, value in {**AWS, "AWS_ENDPOINT_URL": aws_url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return aws_url


@pytest.fixture
def ssm(aws: str):
    return boto3.client("ssm", region_name=REGION)


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running exchange whose account still has the old refresh flow; its state directory."""
    state = tmp_path_factory.mktemp("exchange")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        redirect_uri = f"http://127.0.0.1:{free.getsockname()[1]}/callback"
    made_up = replace(App.invent(), redirect_uri=redirect_uri)
    (state / "app.json").touch(mode=0o600)
    (state / "app.json").write_text(json.dumps(asdict(made_up)), encoding="utf-8")
    with serving(state, "--refresh-tokens", "allowed", "--rate-limits", "none"):
        yield state


@pytest.fixture
def app(exchange: Path) -> dict[str, str]:
    """The exchange's app and account: app_id, secret, redirect_uri, user, pin."""
    content: dict[str, str] = json.loads((exchange / "app.json").read_bytes())
    return content


@pytest.fixture
def reachable(exchange: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This process's clients reach the exchange under the broker's names; AWS is reached directly."""
    ready = json.loads((exchange / "ready.json").read_bytes())
    monkeypatch.setenv("HTTPS_PROXY", ready["proxy"])
    monkeypatch.setenv("https_proxy", ready["proxy"])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("SSL_CERT_FILE", ready["ca"])
    return {name: os.environ[name] for name in ("HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")}


@pytest.fixture
def host(exchange: Path, app: dict[str, str], aws: str) -> Host:
    """A host as the lab's inventory has it."""
    ready = json.loads((exchange / "ready.json").read_bytes())
    settings = {
        "broker": {"app_id": app["app_id"]},
        "token": {"source": "ssm", "parameter": f"{PREFIX}/fyers/access-token", "region": REGION},
    }
    variables = {
        "harvester_settings": settings,
        "broker_secret_file": str(exchange / "app.json"),
        "broker_proxy": ready["proxy"],
        "broker_ca_file": ready["ca"],
        "broker_account": app["user"],
        "aws_endpoint_url": aws,
    }
    return Host("h1", "192.0.2.1", variables=variables)
