"""harvester deliver and deliver-raw, and ./inv deliver, which has a host run the first: what they say and end with."""

import contextlib
import io
import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from invoke.context import MockContext
from invoke.exceptions import Exit
from tests.candles.conftest import REGION, FeedHost
from tests.candles.test_raw import FIRST
from tests.candles.test_tables import FOLDER, SETTLED, record
from tests.contract.test_tasks import TASKS
from tests.journals import DAY, OPEN_NS
from tests.storage.lake.candles import MINUTE, bar, said

from harvester import cli
from harvester.base.aws_names import NAMESPACE
from harvester.base.clock import SystemClock
from harvester.commands.delivery_news import tell_success
from runbook.fleet import deliveries
from runbook.fleet.inventory import Host
from runbook.tasks import data


class Command:
    """The host's command in this process, at the test's own hour."""

    def __init__(self, host: FeedHost, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = host
        monkeypatch.setattr(SystemClock, "wall_ns", lambda _: host.clock.wall_ns())
        monkeypatch.setattr(SystemClock, "mono_ns", lambda _: host.clock.mono_ns())
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)

    def __call__(self, *words: str) -> tuple[int, str, str]:
        assert self.host.settings
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = cli.run([*words, "--config", str(self.host.root / "config.json")])
        return code, output.getvalue(), errors.getvalue()

    def run(self, words: Sequence[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        """As an SSH connection does."""
        assert words[0] == "/usr/local/bin/harvester"
        code, output, errors = self(*words[1:])
        return subprocess.CompletedProcess(words, code, output.encode(), errors.encode())


@pytest.fixture
def harvester(host: FeedHost, client: Any, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(host, monkeypatch)


def test_a_day_that_is_due_is_delivered_once_and_counted_in_cloudwatch(host: FeedHost, harvester: Command) -> None:
    host.changes = {"metrics": {"environment": "ours-test", "region": REGION}}
    record(host)
    home = f"s3://{host.bucket}/"
    host.clock.now_ns = OPEN_NS + int(404 * MINUTE)
    assert harvester("deliver", "--due") == (0, f"0 of 0 days are complete in {home}\n", "")
    host.clock.now_ns = OPEN_NS + int(405 * MINUTE)
    line = f"2026-11-23: complete, 2 of 2 files verified in {home}; 144 bars, 0 missing, 0 revised\n"
    assert harvester("deliver", "--due") == (0, f"{line}1 of 1 days are complete in {home}\n", "")
    assert harvester("deliver", "--due") == (0, f"1 of 1 days are complete in {home}\n", "")

    import boto3

    client = boto3.client("cloudwatch", region_name=REGION)
    listed = client.list_metrics(Namespace=NAMESPACE)["Metrics"]
    ours = [each for each in listed if {"Name": "Environment", "Value": "ours-test"} in each["Dimensions"]]
    assert {each["MetricName"] for each in ours} == {"BarsExpected", "BarsMissing", "BarsRejected", "BarsRevised"}


def test_raw_answers_come_as_they_are_complete(host: FeedHost, harvester: Command) -> None:
    recorder = host.recorder()
    recorder.answer(5.1, "NSE:SBIN-EQ", said(bar(0)))
    recorder.writer.sync()
    assert harvester("deliver-raw") == (0, "", "")
    host.clock.now_ns += 21_000_000_000
    code, output, _ = harvester("deliver-raw", "--name", "price-feed")
    assert (code, host.keys()) == (0, [FIRST])
    assert output == f"2026-11-23: 1 raw files and {len(host.get(FIRST))} bytes verified in s3://{host.bucket}/\n"
    assert harvester("deliver-raw", "--date", str(DAY)) == (0, "", "")


def messages(host: FeedHost) -> list[dict[str, str]]:
    return [json.loads(path.read_bytes()) for path in sorted((host.root / "inbox").iterdir())]


def test_with_tell_each_each_round_and_each_day_is_told_and_without_it_none(host: FeedHost, harvester: Command) -> None:
    (host.root / "inbox").mkdir()
    feed = {"name": "price-feed", "kind": "price-feed", "place": f"s3://{host.bucket}/"}
    host.changes = {"alerts": {"inbox": str(host.root / "inbox")}}
    recorder = host.recorder()
    recorder.answer(5.1, "NSE:SBIN-EQ", said(bar(0)))
    recorder.writer.sync()
    host.clock.now_ns += 21_000_000_000
    assert (harvester("deliver-raw")[0], messages(host)) == (0, [])

    host.changes["deliveries"] = [feed | {"tell_each": True}]
    assert (harvester("deliver-raw")[0], messages(host)) == (0, []), "nothing new came"
    recorder.answer(10.1, "NSE:SBIN-EQ", said(bar(0), bar(5)))
    recorder.writer.sync()
    host.clock.now_ns += 321_000_000_000
    harvester("deliver-raw")
    harvester("deliver")
    recorder.control("unanswered", feed=4, symbols=[], at_ns=host.clock.now_ns, cause="timeout", detail="")
    recorder.writer.sync()
    harvester("deliver")  # the journal is longer, and has no other bar

    raw, day = messages(host)
    assert raw["text"].startswith("The candles of 2026-11-23 came\n1 raw files and ")
    assert day["text"].startswith("The price feed is delivered\n2026-11-23: complete, 1 of 1 files verified in ")
    assert {(each["severity"], each["source"]) for each in (raw, day)} == {("info", "delivery price-feed")}


def test_messages_of_a_day_of_rounds_leave_the_book_of_alerts_room_for_others(host: FeedHost) -> None:
    """Of one cause people are told once an hour, and each cause takes a place of the book for two weeks."""
    (host.root / "inbox").mkdir()
    feed = {"name": "price-feed", "kind": "price-feed", "place": f"s3://{host.bucket}/", "tell_each": True}
    host.changes = {"alerts": {"inbox": str(host.root / "inbox")}, "deliveries": [feed]}
    assert host.settings
    minutes = range(0, 375, 5)
    for minute in minutes:
        tell_success(host.settings, host.settings.deliveries[0], "It came", OPEN_NS + int(minute * MINUTE))

    causes = [each["cause"] for each in messages(host)]
    assert len(causes) == 75
    assert len(set(causes)) == 24
    assert all(len({*causes[at : at + 13]}) == 13 for at in range(62)), "none again within an hour"


def test_a_message_that_cannot_be_handed_in_fails_no_delivery(host: FeedHost, harvester: Command) -> None:
    feed = {"name": "price-feed", "kind": "price-feed", "place": f"s3://{host.bucket}/", "tell_each": True}
    host.changes = {"alerts": {"inbox": str(host.root / "nowhere")}, "deliveries": [feed]}
    record(host)

    code, output, errors = harvester("deliver")

    assert (code, errors) == (0, "")
    assert "nobody is told: " in output


def test_what_goes_wrong_is_a_sentence(host: FeedHost, harvester: Command) -> None:
    assert harvester("deliver", "--name", "other") == (
        2, "", "harvester: --name other: there is no such delivery. harvester_settings.deliveries has price-feed.\n"
    )  # fmt: skip
    code, _, errors = harvester("deliver", "--date", "2026-11-20")
    assert code == 1 and errors == (
        "harvester: 2026-11-20: nothing of that day is recorded on this host. Name another --date.\n"
        "The next run goes on with what is lacking.\n"
    )
    assert harvester("deliver", "--date", "2026-11-24") == (
        *(0, "2026-11-24: there is no session, so nothing is delivered.\n"
             f"0 of 1 days are complete in s3://{host.bucket}/\n", ""),
    )  # fmt: skip
    for day in ("1970-06-03", "2050-01-01"):
        code, output, errors = harvester("deliver", "--date", day)
        assert (code, output) == (1, "")
        assert errors.startswith(f"harvester: {day}: nothing of that day is here, and whether it had a session is")
    record(host)
    host.changes["deliveries"] = [{"name": "price-feed", "kind": "price-feed", "place": "s3://not-there/"}]
    code, _, errors = harvester("deliver")
    assert code == 1 and "There is no such bucket. Correct the delivery's place in harvester_settings" in errors


@pytest.mark.parametrize(
    ("deliveries", "says"),
    [
        ([{"name": "a"}, {"name": "b"}], "two have the place s3://b-bucket/; give each its own"),
        ([{"name": "a"}, {"name": "a", "place": "s3://another/"}], "two have the name a; give each its own"),
        ([{"name": "a", "at": "25:00"}], "at"),
        ([{"name": "a", "place": "s3://b-bucket/Raw data"}], "place"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    host: FeedHost, harvester: Command, deliveries: list[dict[str, str]], says: str
) -> None:
    plain = {"kind": "price-feed", "place": "s3://b-bucket/"}
    assert host.settings
    content = json.loads((host.root / "config.json").read_text())
    content["deliveries"] = [plain | each for each in deliveries]
    path = host.root / "wrong.json"
    path.write_text(json.dumps(content))
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        assert cli.run(["deliver", "--config", str(path)]) == 2
    assert "the configuration is refused" in errors.getvalue() and says in errors.getvalue()


def test_inv_deliver_has_the_host_deliver_and_says_what_is_lacking(
    host: FeedHost, harvester: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(host)
    monkeypatch.setattr(data, "awake_hosts_of", lambda *_: [Host("h1", "192.0.2.1")])
    monkeypatch.setattr(deliveries, "SshConnection", lambda _: harvester)
    TASKS["deliver"](MockContext(), date="2026-11-23")
    assert "h1: 2026-11-23, 144 bars of 2 symbols (0 missing, 0 rejected, 0 revised), 2 files new" in (
        capsys.readouterr().out
    )
    TASKS["deliver"](MockContext(), date="2026-11-23", json=True)
    (result,) = json.loads(capsys.readouterr().out)["h1"]
    assert (result["uploaded_files"], result["total_records"], result["symbols"]) == (0, 144, ["INFY", "SBIN"])

    (key,) = host.keys(FOLDER)
    host.client.copy_object(Bucket=host.bucket, CopySource=f"{host.bucket}/{key}", Key=f"{key}.bak.csv.gz", Metadata={},
                            MetadataDirective="REPLACE")  # fmt: skip
    later = host.recorder()
    later.answer(SETTLED + 5, "NSE:SBIN-EQ", said(bar(0, 801.0)))
    later.stop(SETTLED + 6)
    with pytest.raises(Exit) as ended:
        TASKS["deliver"](MockContext(), date="2026-11-23")
    assert ended.value.code == 1 and "no price feed of ours put it" in str(ended.value.message)
