"""The door in AWS: the function as its archive has it, called as its URL calls it, under the SDK's clients, on moto."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws
from tests.aws.test_functions import SOURCES, TODAY, unpacked
from tests.workers.conftest import MovedClock, Place, report
from tests.workers.test_door import NEW, OLD, OTHER, REPORT
from tests.workers.test_recovery import Machine, _row
from tests.workers.training import FAULTS, training
from tests.workers.weeks import MINUTE

from harvester.calendar import TradingCalendar
from harvester.workers.reports import MAX_BYTES
from harvester.workers.round import look_at
from runbook.aws.archives import build

BUCKET, REGION, PREFIX = "alpha-harvester-test", "ap-south-1", "/alpha-harvester/test"
PARAMETER, INBOX = f"{PREFIX}/workers/door-tokens", "workers/inbox/colab"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(SOURCES, tmp_path_factory.mktemp("archives"), [TradingCalendar.load()], TODAY)["worker-door"]


class Door:
    """The function, its bucket and its tokens; `clock` moves its monotonic and its wall clock."""

    def __init__(self, module: ModuleType, clock: MovedClock) -> None:
        self.module, self.clock = module, clock
        self.s3, self.ssm = boto3.client("s3"), boto3.client("ssm")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.store(f"colab {OLD}")

    def store(self, text: str) -> None:
        self.ssm.put_parameter(Name=PARAMETER, Value=text, Type="SecureString", Overwrite=True)

    def ask(self, method: str, path: str, body: bytes = b"", token: str = OLD, address: str = "203.0.113.7") -> Any:
        """As a function URL asks: docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, payload 2.0."""
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"x-api-token": token, "content-type": "application/json"},
            "requestContext": {"http": {"method": method, "path": path, "sourceIp": address}, "domainName": "x"},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        answer = self.module.handler(event, None)
        return answer["statusCode"], json.loads(answer["body"])

    def waiting(self) -> list[str]:
        return [row["Key"] for row in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


@pytest.fixture
def door(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    variables = {"AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION, "BUCKET": BUCKET, "PREFIX": PREFIX}
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        variables[f"AWS_{name}"] = "testing"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        module = unpacked(archive, tmp_path / "function", monkeypatch)
        clock = MovedClock()
        monkeypatch.setattr(module, "SystemClock", lambda: clock)
        yield Door(module, clock)


def test_a_report_waits_in_the_bucket_until_the_overseer_takes_it_once(door: Door, place: Place) -> None:
    body = json.dumps(report()).encode()
    for _ in range(2):
        assert door.ask("POST", "/report_error", body) == (200, {"status": "ok", "action": "repair_triggered"})
    [key] = door.waiting()
    kept = json.loads(door.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert set(kept) == set(report()), "its id is that of its content"
    door.s3.put_object(Bucket=BUCKET, Key="workers/inbox/colab-2/x.json", Body=b"{}")
    assert key.startswith(f"{INBOX}/") and door.ask("GET", "/status")[1]["waiting"] == 1
    place.data |= {"region": REGION}
    place.data["workers"][0]["inboxes"] = [f"s3://{BUCKET}/{INBOX}"]
    place.reload()
    place.put("error_report.json", report())
    look_at(place.parts())
    assert len(place.lines("errors/errors_*.jsonl")) == 1 and door.waiting() == ["workers/inbox/colab-2/x.json"]
    assert door.ask("GET", "/status") == (200, {"status": "ok", "worker": "colab", "waiting": 0})
    door.ask("POST", "/report_error", body)
    look_at(place.parts())
    assert len(place.lines("errors/errors_*.jsonl")) == 1, "its content is its identity"


def test_refusals_come_in_their_order_and_nothing_of_a_request_comes_back(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    canary, large = "canary-of-a-request", b"x" * (MAX_BYTES + 1)
    assert door.ask("GET", "/health", token="")[0] == 200
    assert door.ask("POST", "/report_error", large, token=canary) == (403, {"status": "error", "reason": "forbidden"})
    assert door.ask("GET", f"/{canary}", token="")[0] == 403
    assert door.ask("GET", f"/{canary}")[0] == 404 and door.ask("PUT", "/status")[0] == 405
    assert door.ask("POST", "/report_error", large)[0] == 413
    assert door.ask("POST", "/report_error", f'{{"error_type": {canary}'.encode())[0] == 400
    answers = [door.ask("POST", "/report_error", b"{", token=canary) for _ in range(9)]
    assert [code for code, _ in answers] == [403] * 3 + [429] * 6
    assert door.ask("GET", "/health", address="203.0.113.8")[0] == 200
    door.clock.now_ns += MINUTE
    assert door.ask("GET", "/health")[0] == 200
    said = capsys.readouterr()
    assert canary not in said.out + said.err + json.dumps(answers) and OLD not in said.out + said.err
    assert door.waiting() == []


def test_a_token_is_rotated_with_overlap_within_a_minute(door: Door) -> None:
    assert door.ask("GET", "/status")[0] == 200
    door.store(f"colab {OLD}\ncolab {NEW}\nkaggle {OTHER}")
    assert door.ask("GET", "/status", token=NEW)[0] == 403, "not read again yet"
    door.clock.now_ns += MINUTE
    answers = [door.ask("GET", "/status", token=token) for token in (OLD, NEW, OTHER)]
    assert [answer[1]["worker"] for answer in answers] == ["colab", "colab", "kaggle"]
    door.store(f"colab {NEW}")
    door.clock.now_ns += MINUTE
    assert [door.ask("GET", "/status", token=token)[0] for token in (OLD, NEW)] == [403, 200]
    door.store("nonsense")
    door.clock.now_ns += MINUTE
    assert door.ask("GET", "/status", token=NEW)[0] == 200, "what was read before stays in force"


def test_a_door_without_tokens_lets_nobody_in_and_says_what_stores_them(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    door.ssm.delete_parameter(Name=PARAMETER)
    assert door.ask("GET", "/health") == (503, {"status": "error", "reason": "not ready"})
    assert "./inv secret-put --name worker-tokens" in capsys.readouterr().out
    door.store(f"colab {OLD}")
    assert door.ask("GET", "/health")[0] == 200


def test_a_bucket_that_takes_nothing_is_said_and_a_full_inbox_too(
    door: Door, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 3
    monkeypatch.setattr("harvester.workers.door.bucket.WAITING", most)
    body = json.dumps(REPORT).encode()
    for number in range(most - 1):
        door.s3.put_object(Bucket=BUCKET, Key=f"{INBOX}/{number}.json", Body=b"{}")
    assert door.ask("POST", "/report_error", body)[0] != 500 and len(door.waiting()) == most
    assert door.ask("POST", "/report_error", body) == (500, {"status": "error", "reason": "not kept; send it again"})
    assert f"{most} reports of colab wait already" in capsys.readouterr().out
    for key in door.waiting():
        door.s3.delete_object(Bucket=BUCKET, Key=key)
    door.s3.delete_bucket(Bucket=BUCKET)
    assert door.ask("POST", "/report_error", body)[0] == 500 and door.ask("GET", "/status")[0] == 500
    assert "NoSuchBucket" in capsys.readouterr().out


@pytest.fixture
def address(door: Door) -> Iterator[str]:
    """A server that makes of each request the event that a function URL makes."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code, content = door.ask(self.command, self.path, body, self.headers.get("X-API-Token", ""))
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", FAULTS)
def test_a_row_of_the_matrix_through_the_door_in_aws_alone(
    kind: str, place: Place, tmp_path: Path, door: Door, address: str
) -> None:
    place.data |= {"region": REGION}
    place.data["workers"][0]["inboxes"] = [f"s3://{BUCKET}/{INBOX}"]
    place.reload()
    place.put("train.ipynb", training(kind))
    machine = Machine(place, tmp_path, DOOR=address, TOKEN=OLD)
    lose = (place.box / "error_report.json").unlink
    _row(machine, kind, (place.box / "train.ipynb").read_bytes, place.signal, lose)
    assert len(place.lines("errors/errors_*.jsonl")) == 1 and door.waiting() == []
