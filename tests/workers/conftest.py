"""A worker's mailbox in a folder, and the overseer's settings for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.workers.weeks import START, stamp

from harvester.alerts.inbox import take
from harvester.base.validation import validate
from harvester.workers.round import Parts, parts_of
from harvester.workers.settings import OverseerSettings


def report(
    kind: str = "RuntimeError", message: str = "CUDA out of memory", at: int = START, **more: object
) -> dict[str, Any]:
    return {
        "notebook_id": "train.ipynb",
        "error_type": kind,
        "error_message": message,
        "stacktrace": "Traceback (most recent call last):\n  File ...",
        "iteration": 7,
        "timestamp": stamp(at),
        **more,
    }


class MovedClock:
    """A clock that a test moves by hand."""

    def __init__(self, now_ns: int = START) -> None:
        self.now_ns = now_ns

    def wall_ns(self) -> int:
        return self.now_ns

    def mono_ns(self) -> int:
        return self.now_ns

    async def sleep_until(self, mono_ns: int) -> None:
        self.now_ns = mono_ns


class Place:
    """One worker, `colab`: its mailbox, what its overseer keeps, and what people are told."""

    def __init__(self, root: Path, **worker: Any) -> None:
        self.box, self.alerts, self.clock = root / "box", root / "alerts", MovedClock()
        self.box.mkdir()
        self.alerts.mkdir()
        self.data = {
            "host_id": "host-1",
            "data_dir": str(root / "workers"),
            "alert_inbox": str(self.alerts),
            "workers": [{"name": "colab", "mailbox": str(self.box), "notebook": "train.ipynb", **worker}],
        }
        self.file = root / "overseer.json"
        self.reload()

    def reload(self) -> None:
        """Take `data` into the settings."""
        self.settings = validate(OverseerSettings, self.data)
        self.file.write_text(json.dumps(self.data))

    def parts(self) -> Parts:
        return parts_of(self.settings, self.settings.workers[0], self.clock)

    @property
    def folder(self) -> Path:
        return self.settings.data_dir / "colab"

    def told(self) -> list[tuple[str, str, str]]:
        """Severity, cause and text of what lies in the inbox of the alerts, in order."""
        return [(each.notice.severity.name, each.notice.cause, each.notice.text) for each in take(self.alerts)]

    def put(self, name: str, content: object) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (self.box / name).write_bytes(data)

    def signal(self) -> dict[str, Any] | None:
        path = self.box / "restart_requested.json"
        return json.loads(path.read_bytes()) if path.exists() else None

    def lines(self, pattern: str) -> list[dict[str, Any]]:
        return [
            json.loads(line) for path in sorted(self.folder.glob(pattern)) for line in path.read_text().splitlines()
        ]


@pytest.fixture(autouse=True)
def logs_of_this_test() -> Iterator[None]:
    """A command that logs writes to the output of the process that it was configured in: here that of its test."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def bucket() -> Iterator[Any]:
    """The client of an empty one, `bucket`."""
    import boto3
    from moto import mock_aws

    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket="bucket")
        yield client


@pytest.fixture
def make_place(tmp_path: Path) -> Callable[..., Place]:
    return lambda **worker: Place(tmp_path, **worker)


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    return make_place()
