"""harvester send-logs: what journald has reaches CloudWatch (moto), once, in order, within its limits, or is told."""

import json
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import botocore.endpoint
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from harvester.cli import run
from harvester.commands.send_logs import MOST_BATCHES
from harvester.hostlog.cloudwatch import EVENT_BYTES, MOST_BYTES, MOST_EVENTS, batches
from harvester.hostlog.entries import MOST_CHARACTERS, Entry

REGION, GROUP, HOST = "ap-south-1", "/alpha-harvester/test/hosts", "alpha-harvester-test-1"
AWS_BYTES, AWS_EVENTS, AWS_EVENT_BYTES, AWS_SPAN_MS = 1_048_576, 10_000, 262_144, 86_400_000
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
An event may be of 1 MB by now, and was of 256 KiB for years."""
JOURNALCTL = r"""#!/bin/sh
cd {folder} || exit
after=
for word; do case $word in --after-cursor=*) after=${{word#*=}} ;; esac; done
(IFS=$(printf '\037'); printf '%s\n' "$*") >>asked
place=$(grep -nF -m 1 "\"__CURSOR\": \"$after\"" journal.jsonl)
place=${{place%%:*}}
tail -n +$((${{place:-0}} + 1)) journal.jsonl
"""
Go = Callable[..., int]


def cursor(number: int) -> str:
    return f"s={'0' * 31}a;i={number:x};b={'0' * 31}b;m={number:x};t={number:x};x=f"


class Journald:
    """What the host's journalctl prints, one line an entry."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.count = folder, folder / "journal.jsonl", 0
        self.file.touch()
        program = folder / "bin" / "journalctl"
        program.parent.mkdir()
        program.write_text(JOURNALCTL.format(folder=shlex.quote(str(folder))), encoding="utf-8")
        program.chmod(0o755)

    def says(self, *messages: Any, at: float | None = None, **fields: Any) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            for message in messages:
                self.count += 1
                moment_us = int((time.time() if at is None else at) * 1_000_000)
                place = {"__CURSOR": cursor(self.count), "__REALTIME_TIMESTAMP": str(moment_us)}
                own = {"_SYSTEMD_UNIT": "harvester-recorder.service", "PRIORITY": "6", "_PID": "77"}
                print(json.dumps({**place, **own, "MESSAGE": message, **fields}), file=file)

    @property
    def asked(self) -> list[list[str]]:
        return [line.split("\x1f") for line in (self.folder / "asked").read_text("utf-8").split("\n")[:-1]]


class Wire:
    """Each PutLogEvents on its way to moto: held to AWS's documented limits, and spoilt as a test asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.trouble: Callable[[int], Exception | dict[str, Any] | None] = lambda number: None
        original = botocore.client.BaseClient._make_api_call

        def call(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
            if operation != "PutLogEvents":
                return original(client, operation, arguments)
            assert arguments["logGroupName"] == GROUP and arguments["logStreamName"] == HOST
            self.judge(arguments["logEvents"])
            said = self.trouble(len(self.batches))
            if isinstance(said, Exception):
                raise said
            answer = original(client, operation, arguments)
            self.batches.append(arguments["logEvents"])
            return answer | said if said else answer

        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)

    @staticmethod
    def judge(events: list[dict[str, Any]]) -> None:
        times = [event["timestamp"] for event in events]
        sizes = [len(event["message"].encode()) for event in events]
        assert 0 < len(events) <= AWS_EVENTS
        assert all(0 < size <= AWS_EVENT_BYTES - EVENT_BYTES for size in sizes)
        assert sum(sizes) + 26 * len(events) <= AWS_BYTES
        assert times == sorted(times) and times[-1] - times[0] < AWS_SPAN_MS


@pytest.fixture
def journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journald:
    made = Journald(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return made


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda seconds: None)
    with mock_aws():
        boto3.client("logs", REGION).create_log_group(logGroupName=GROUP)
        yield Wire(monkeypatch)


@pytest.fixture
def go(tmp_path: Path, journald: Journald, wire: Wire) -> Go:
    """Run the command; keyword arguments change the setting `logs`."""

    def start(**changes: Any) -> int:
        logs = {"group": GROUP, "region": REGION, "state_file": str(tmp_path / "place.json")} | changes
        content = {
            "host_id": HOST,
            "symbols": ["NSE:SBIN-EQ"],
            "broker": {"app_id": "ABCDE12345-100"},
            "logs": {key: value for key, value in logs.items() if value is not None},
        }
        (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
        return run(["send-logs", "--config", str(tmp_path / "config.json")])

    return start


def stored() -> list[dict[str, Any]]:
    """The texts that the log group has of this host, in their order there."""
    client = boto3.client("logs", REGION)
    found, token = [], None
    while True:
        more = {"nextToken": token} if token else {}
        page = client.get_log_events(logGroupName=GROUP, logStreamName=HOST, startFromHead=True, **more)
        if not page["events"]:
            return found
        found += [json.loads(event["message"]) for event in page["events"]]
        token = page["nextForwardToken"]


def messages() -> list[str]:
    return [text["message"] for text in stored()]


def away(number: int) -> Exception:
    return EndpointConnectionError(endpoint_url="https://logs.ap-south-1.amazonaws.com")


def throttled(number: int) -> Exception:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "PutLogEvents")


def test_each_entry_is_sent_once_with_unit_priority_and_process(go: Go, journald: Journald) -> None:
    journald.says("the market opens")
    assert go() == 0
    journald.says("out of memory", SYSLOG_IDENTIFIER="kernel", _SYSTEMD_UNIT=None, _PID=None, PRIORITY="2")
    assert go() == 0
    assert go() == 0

    unit = "harvester-recorder.service"
    assert stored() == [
        {"unit": unit, "priority": 6, "pid": 77, "message": "the market opens"},
        {"unit": "kernel", "priority": 2, "message": "out of memory"},
    ]
    assert journald.asked[0][-1] == "--since=-1d", "the first run sends what the last day had"
    assert [asked[-1] for asked in journald.asked[1:]] == [f"--after-cursor={cursor(number)}" for number in (1, 2)]


def test_what_journalctl_writes_for_odd_messages_is_text(go: Go, journald: Journald) -> None:
    journald.says([82, 195, 188, 255], "ü\n\x00", ["one", "two"], None, "")

    assert go() == 0
    assert messages() == ["Rü�", "ü\n\x00", "one two", "", ""]


def test_a_long_message_is_cut_and_says_so(go: Go, journald: Journald) -> None:
    journald.says("\x01" * (MOST_CHARACTERS + 7), "€" * MOST_CHARACTERS)

    assert go() == 0
    assert messages() == ["\x01" * MOST_CHARACTERS + " [cut: 7 more characters are on the host]", "€" * MOST_CHARACTERS]


def test_a_backlog_goes_in_batches_within_the_limits_and_in_order(go: Go, journald: Journald, wire: Wire) -> None:
    journald.says(*(f"{number} " + "x" * (number % 7) * 300 for number in range(MOST_EVENTS * 2 + 5)))

    assert go() == 0
    assert [int(text.split()[0]) for text in messages()] == list(range(MOST_EVENTS * 2 + 5))
    assert len(wire.batches) > 3


def test_days_without_cloudwatch_and_a_clock_set_back_are_no_batch_that_aws_refuses(
    go: Go, journald: Journald, wire: Wire
) -> None:
    now = time.time()
    for hours in (60, 40, 30, 5, 5.5, 4):
        journald.says(f"{hours}", at=now - hours * 3600)

    assert go() == 0
    texts = [[json.loads(event["message"])["message"] for event in batch] for batch in wire.batches]
    assert texts == [["60", "40"], ["30"], ["5.5", "5", "4"]]
    journald.says("next")
    assert go() == 0
    assert journald.asked[-1][-1] == f"--after-cursor={cursor(6)}", "the place is the last in journald's order"


def test_a_batch_is_as_large_as_it_may_be_and_no_larger() -> None:
    text = "x" * (MOST_BYTES // 4 - EVENT_BYTES)
    entries = [Entry(cursor(number), number, text) for number in range(9)]

    assert [len(batch) for batch in batches(entries)] == [4, 4, 1]
    assert [len(batch) for batch in batches([Entry("", 0, "x")] * (MOST_EVENTS + 1))] == [MOST_EVENTS, 1]
    assert list(batches([])) == []


def test_one_run_leaves_what_is_too_much_to_the_next(
    go: Go, journald: Journald, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvester.hostlog.cloudwatch.MOST_EVENTS", 1)
    journald.says(*map(str, range(MOST_BATCHES + 3)))

    assert go() == 0
    assert len(wire.batches) == MOST_BATCHES
    assert go() == 0
    assert messages() == list(map(str, range(MOST_BATCHES + 3)))


@pytest.mark.parametrize("trouble", [away, throttled])
def test_nothing_is_lost_and_nobody_woken_while_cloudwatch_is_away_for_minutes(
    trouble: Callable[[int], Exception], go: Go, journald: Journald, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    journald.says("before")
    go()
    wire.trouble = trouble
    for text in ("one", "two"):
        journald.says(text)
        assert go() == 0
        assert "tried again in a minute" in capsys.readouterr().out

    wire.trouble = lambda number: None
    assert go() == 0
    assert messages() == ["before", "one", "two"]


def test_an_hour_without_cloudwatch_is_told_and_its_end_forgets_it(
    go: Go, journald: Journald, wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "place.json"
    journald.says("one")
    wire.trouble = away
    assert go() == 0
    since = json.loads(place.read_bytes())["away_since_ns"]
    assert go() == 0
    assert json.loads(place.read_bytes())["away_since_ns"] == since, "the hour runs from the first minute on"

    place.write_text(json.dumps({"cursor": None, "away_since_ns": since - 3600 * 10**9}))
    assert go() == 1
    assert "The next minute may do" in capsys.readouterr().err

    wire.trouble = lambda number: None
    assert go() == 0
    assert json.loads(place.read_bytes()) == {"cursor": cursor(1), "away_since_ns": None}


def test_a_clock_set_back_does_not_lengthen_the_hour(go: Go, journald: Journald, wire: Wire, tmp_path: Path) -> None:
    place = tmp_path / "place.json"
    place.write_text(json.dumps({"cursor": None, "away_since_ns": time.time_ns() + 10**15}))
    journald.says("one")
    wire.trouble = away

    assert go() == 0
    assert json.loads(place.read_bytes())["away_since_ns"] <= time.time_ns()


def test_what_a_run_that_died_had_sent_is_sent_again_one_batch_at_most(
    go: Go, journald: Journald, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies between the acknowledgement and the note of it."""
    journald.says(*map(str, range(MOST_EVENTS + 5)))
    kept: list[int] = []

    def die(path: Path, place: Any) -> None:
        kept.append(1)
        if len(kept) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("harvester.commands.send_logs.keep_place", die)
        go()
    assert len(wire.batches) == 1
    assert go() == 0

    seen = [int(text) for text in messages()]
    assert set(seen) == set(range(MOST_EVENTS + 5)), "nothing is lost"
    assert len(seen) - len(set(seen)) <= MOST_EVENTS, "and one batch is there twice"


def test_what_was_acknowledged_before_an_outage_is_not_sent_again(go: Go, journald: Journald, wire: Wire) -> None:
    journald.says(*map(str, range(MOST_EVENTS * 2)))
    wire.trouble = lambda number: away(number) if number == 1 else None
    assert go() == 0
    assert len(wire.batches) == 1

    wire.trouble = lambda number: None
    assert go() == 0
    assert [int(text) for text in messages()] == list(range(MOST_EVENTS * 2))


@pytest.mark.parametrize("content", ["{", "[]", '{"cursor": "--file=/etc/shadow"}', '{"what": 1}', '{"cursor": 7}'])
def test_a_damaged_place_costs_that_a_day_is_sent_again(
    content: str, go: Go, journald: Journald, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "place.json").write_text(content, encoding="utf-8")
    journald.says("one")

    assert go() == 0
    assert journald.asked[-1][-1] == "--since=-1d"
    assert "place.json: not what this program wrote" in capsys.readouterr().out
    assert messages() == ["one"]


@pytest.mark.parametrize(
    ("refused", "count"),
    [
        ({"tooOldLogEventEndIndex": 2, "expiredLogEventEndIndex": 1, "tooNewLogEventStartIndex": 5}, 5),
        ({"tooOldLogEventEndIndex": 2}, 2),
        ({"expiredLogEventEndIndex": 3}, 3),
        ({"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 4}, 4),
        ({"tooNewLogEventStartIndex": 6}, 2),
    ],
)
def test_entries_that_cloudwatch_does_not_keep_are_counted(
    go: Go, journald: Journald, wire: Wire, capsys: pytest.CaptureFixture[str], refused: dict[str, int], count: int
) -> None:
    journald.says(*"abcdefgh")
    wire.trouble = lambda number: {"rejectedLogEventsInfo": refused}

    assert go() == 0
    assert f"{count} entries are too old, or of the future, for {GROUP}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("AccessDeniedException", 400, "logs:PutLogEvents on the log group.*run site.yml"),
        ("UnrecognizedClientException", 400, "instance's role"),
        ("InvalidParameterException", 400, "Look up this code"),
    ],
)
def test_a_refusal_that_waiting_does_not_help_is_told_at_once(
    code: str, status: int, says: str, go: Go, journald: Journald, wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    wire.trouble = lambda number: ClientError(response, "PutLogEvents")
    journald.says("one")

    assert go() == 1
    said = capsys.readouterr().err
    assert GROUP in said and len(said.splitlines()) == 1
    assert re.search(says, said)


def test_a_fault_of_aws_itself_is_waited_for(go: Go, journald: Journald, wire: Wire) -> None:
    response: Any = {"Error": {"Code": "ServiceUnavailableException"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
    wire.trouble = lambda number: ClientError(response, "PutLogEvents")
    journald.says("one")

    assert go() == 0


def test_a_log_group_that_is_gone_says_who_makes_it(
    go: Go, journald: Journald, capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("logs", REGION).delete_log_group(logGroupName=GROUP)
    journald.says("one")

    assert go() == 1
    assert "there is no such log group. site.yml makes it" in capsys.readouterr().err


def test_journalctl_that_fails_is_told_after_what_it_gave_was_sent(
    go: Go, journald: Journald, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journald.says("one")
    program = tmp_path / "bin" / "journalctl"
    program.write_text(program.read_text("utf-8") + "echo Failed to open: Bad message >&2\nexit 1\n", encoding="utf-8")

    assert go() == 1
    assert "journalctl ended with 1: Failed to open: Bad message." in capsys.readouterr().err
    assert messages() == ["one"]
    program.unlink()
    program.write_text("#!/bin/sh\necho '{\"__CURSOR\"'", encoding="utf-8")
    program.chmod(0o755)
    assert go() == 1
    assert "no entry" in capsys.readouterr().err


def test_a_host_without_journalctl_is_told(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert go() == 1
    assert "journalctl cannot be started (No such file" in capsys.readouterr().err


def test_mistakes_of_people_are_paragraphs(go: Go, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(group=None) == 0
    assert "the log stays on this host" in capsys.readouterr().out
    assert go(group="no group") == 2
    assert "logs.group" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert go(state_file=str(tmp_path / "file" / "place.json")) == 1
    assert "logs.state_file" in capsys.readouterr().err
