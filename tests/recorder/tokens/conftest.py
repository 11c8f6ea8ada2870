"""A broker and AWS in this process: what would go out is checked and answered here."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.recorder.fakes import APP_ID
from tests.recorder.tokens.stand_in import Aws

from harvester.base.redaction import Secret
from harvester.tokens.aws_stores import open_client
from harvester.tokens.login import App
from harvester.tokens.web import BrokerAnswer

API_URL = "https://api.broker.example"
APP = App(APP_ID, Secret("app-secret-hunter2"), "https://127.0.0.1:8080/callback/")


@dataclass
class Broker:
    """Answers in order, by the path that they are for; what was asked stands in `asked`."""

    answers: dict[str, list[BrokerAnswer | Exception]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def will(
        self, path: str, *answers: Mapping[str, Any] | Exception, status: int = 200, date_ns: int | None = None
    ) -> None:
        """Answer the next requests for `path` by these bodies, or raise these errors."""
        self.answers.setdefault(path, []).extend(
            each if isinstance(each, Exception) else BrokerAnswer(status, each, date_ns) for each in answers
        )

    def ask(self, method: str, url: str, **sent: Any) -> BrokerAnswer:
        assert url.startswith(f"{API_URL}/"), f"another host was asked: {url}"
        path = url.removeprefix(API_URL)
        json.dumps(sent)  # what cannot be sent fails here
        self.asked.append((method, path, sent))
        answer = self.answers[path].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker()
    for module in ("login", "refresh", "schwab"):
        monkeypatch.setattr(f"harvester.tokens.{module}.ask", found.ask)
    return found


@pytest.fixture(scope="session")
def clients() -> dict[str, Any]:
    """The SDK's clients; making them takes longer than the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        return {service: open_client(service, "ap-south-1") for service in ("ssm", "secretsmanager")}


@pytest.fixture
def aws(clients: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """AWS as the stores see it, under the SDK's own clients."""
    found = Aws()

    def opened(service: str, region: str | None) -> Any:
        found.opened.append((service, region))
        return clients[service]

    monkeypatch.setattr("harvester.tokens.aws_stores.open_client", opened)
    monkeypatch.setattr("time.sleep", lambda _: None)  # the SDK's pause before its second try
    for service, client in clients.items():
        client.meta.events.register(f"before-send.{service}", found.handle)
    yield found
    for service, client in clients.items():
        client.meta.events.unregister(f"before-send.{service}", found.handle)
