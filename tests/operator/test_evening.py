"""The evening function in this process: a host is saved and stopped once its day is in the bucket, and never before."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from runbook.aws.trading_days import zone_rules

BEGINS = datetime.fromisoformat("2026-11-23T16:30:00+05:30")
SESSIONS = {
    "known_until": "2026-11-25",
    "sessions": {
        "2026-11-23": ["2026-11-23T09:00:00+05:30", "2026-11-23T15:30:00+05:30", BEGINS.isoformat()],
        "2026-11-24": ["2026-11-24T18:00:00+05:30", "2026-11-24T19:00:00+05:30", "2026-11-24T22:00:00+05:30"],
    },
    "zone": zone_rules(),
}
VARIABLES = {
    "HOSTS": "h1,h2", "TAGS": "Project=p,Environment=e", "STOP": "true", "LAKE_PREFIX": "lake/", "BUCKET": "b",
    "TOPIC": "t", "ENVIRONMENT": "e", "NAMESPACE": "n",
}  # fmt: skip
Call = Callable[[timedelta], dict[str, str]]


class Cloud:
    """EC2, S3 and SNS as far as the function asks them."""

    def __init__(self) -> None:
        self.manifests = {"h1", "h2"}
        self.backups: set[str] = set()
        self.states = {"h1": "running", "h2": "running"}
        self.day = "2026-11-23"
        self.days: dict[str, list[str]] = {"h1": [], "h2": []}
        """Days of which there is a snapshot, by host, be it one that failed."""
        self.failing: set[str] = set()
        """Hosts whose snapshots AWS takes on and fails to make."""
        self.now = BEGINS
        self.launched = {"h1": BEGINS - timedelta(hours=8), "h2": BEGINS - timedelta(hours=8)}
        self.snapshots: list[dict[str, Any]] = []
        """Those of this test, in the order in which they were begun."""
        self.refuses = False
        self.deleted: list[str] = []
        self.stopped: list[str] = []
        self.mails: list[str] = []
        self.undelivered: dict[str, dict[datetime, float]] = {}
        """What each host's metric DuesUndelivered was."""
        self.answers = "Complete"

    def get_metric_data(
        self, MetricDataQueries: list[dict[str, Any]], StartTime: datetime, EndTime: datetime
    ) -> dict[str, Any]:
        [query] = MetricDataQueries
        assert (query["MetricStat"]["Stat"], query["MetricStat"]["Period"]) == ("Maximum", 60)
        metric = query["MetricStat"]["Metric"]
        assert (metric["Namespace"], metric["MetricName"]) == ("n", "DuesUndelivered")
        named = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        assert named["Environment"] == "e"
        points = {
            at: value for at, value in self.undelivered.get(named["Host"], {}).items() if StartTime <= at < EndTime
        }
        newest_first = sorted(points, reverse=True)
        result = {"Timestamps": newest_first, "Values": [points[at] for at in newest_first], "StatusCode": self.answers}
        return {"MetricDataResults": [result]}

    def client(self, name: str) -> "Cloud":
        return self

    def describe_instances(self, Filters: list[dict[str, Any]]) -> dict[str, Any]:
        asked = {each["Name"]: each["Values"] for each in Filters}
        assert (asked["tag:Project"], asked["tag:Environment"]) == (["p"], ["e"])
        [name] = asked["tag:Name"]
        disks = [
            {"DeviceName": "/dev/x", "Ebs": {"VolumeId": "other"}},
            {"DeviceName": "/dev/r", "Ebs": {"VolumeId": f"v-{name}"}},
        ]
        one = {"InstanceId": name, "State": {"Name": self.states[name]}, "LaunchTime": self.launched[name]}
        one |= {"RootDeviceName": "/dev/r", "BlockDeviceMappings": disks}
        return {"Reservations": [{"Instances": [one]}] if self.states[name] in asked["instance-state-name"] else []}

    def list_objects_v2(self, Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:
        if Prefix.startswith("database/"):
            return {"Contents": [{}]} if Prefix in self.backups else {}
        host = Prefix.partition("host=")[2].partition("/")[0]
        assert (Bucket, Prefix) == ("b", f"lake/manifest/date={self.day}/host={host}/manifest-")
        return {"Contents": [{}]} if host in self.manifests else {}

    def describe_snapshots(self, OwnerIds: list[str], Filters: list[dict[str, Any]]) -> dict[str, Any]:
        assert OwnerIds == ["self"]
        [name] = next(each["Values"] for each in Filters if each["Name"] == "tag:Name")
        before = [self._snapshot(f"{name} {day}", name, day, BEGINS) for day in self.days[name]]
        made = [one for one in self.snapshots if {"Key": "Name", "Value": name} in one["Tags"]]
        names = {each["SnapshotId"] for each in made}
        found = [*(each for each in before if each["SnapshotId"] not in names), *made]
        return {"Snapshots": [each for each in found if each["SnapshotId"] not in self.deleted][::-1]}

    @staticmethod
    def _snapshot(identity: str, name: str, day: str, begun: datetime, state: str = "completed") -> dict[str, Any]:
        tags = [{"Key": "Name", "Value": name}, {"Key": "Day", "Value": day}]
        return {"SnapshotId": identity, "StartTime": begun, "State": state, "Tags": tags}

    def create_snapshot(
        self, VolumeId: str, Description: str, TagSpecifications: list[dict[str, Any]]
    ) -> dict[str, Any]:
        tags = {each["Key"]: each["Value"] for each in TagSpecifications[0]["Tags"]}
        assert (VolumeId, tags["Project"]) == (f"v-{tags['Name']}", "p")
        name, day = tags["Name"], tags["Day"]
        self.days[name].append(day)
        tries = sum(one["SnapshotId"].startswith(f"{name} {day}") for one in self.snapshots)
        one = self._snapshot(f"{name} {day}{' again' * tries}", name, day, self.now, "pending")
        self.snapshots.append(one)
        made = dict(one)
        if name in self.failing:
            one["State"] = "error"
        return made

    def delete_snapshot(self, SnapshotId: str) -> None:
        self.deleted.append(SnapshotId)

    def stop_instances(self, InstanceIds: list[str]) -> None:
        assert all(self.day in self.days[name] for name in InstanceIds), "saved first"
        if self.refuses:
            raise ClientError({"Error": {"Code": "InternalError", "Message": "try again"}}, "StopInstances")
        self.stopped += InstanceIds

    def publish(self, TopicArn: str, Subject: str, Message: str) -> None:
        self.mails.append(f"{Subject}: {Message}")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud()
    monkeypatch.setattr("boto3.client", cloud.client)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return cloud


@pytest.fixture
def function(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "sessions.json").write_text(json.dumps(SESSIONS), encoding="utf-8")
    monkeypatch.syspath_prepend(str(root / "files/functions"))
    market = importlib.import_module("market")
    module = importlib.import_module("evening")
    for name in ("evening_at", "maintenance_at"):
        monkeypatch.setattr(module, name, partial(getattr(market, name), sessions=tmp_path / "sessions.json"))
    yield module
    for name in ("market", "machines", "evening"):
        sys.modules.pop(name, None)


@pytest.fixture
def call(function: ModuleType, cloud: Cloud) -> Call:
    """What it does so long after the evening began."""

    def make(after: timedelta) -> dict[str, str]:
        cloud.now = BEGINS + after
        return dict(function.handler({"now": cloud.now.isoformat()}, None))

    return make


MINUTES = timedelta(minutes=1)


def test_a_host_is_saved_and_stopped_once_its_day_is_in_the_bucket(call: Call, cloud: Cloud) -> None:
    cloud.manifests = {"h2"}
    assert call(0 * MINUTES) == {"h1": "not uploaded yet", "h2": "stopping"}
    assert (cloud.stopped, cloud.days, cloud.mails) == (["h2"], {"h1": [], "h2": ["2026-11-23"]}, [])

    cloud.manifests, cloud.launched["h2"] = {"h1", "h2"}, BEGINS + 10 * MINUTES
    assert call(15 * MINUTES) == {"h1": "stopping", "h2": "done, and started again"}, "by hand: somebody needs it"
    assert cloud.stopped == ["h2", "h1"]


def test_a_stop_that_is_refused_is_tried_by_each_call_and_told_by_the_last(call: Call, cloud: Cloud) -> None:
    cloud.states["h2"], cloud.refuses = "stopped", True
    assert call(0 * MINUTES)["h1"].startswith("AWS refuses: ") and cloud.mails == []
    assert call(235 * MINUTES)["h1"].startswith("AWS refuses: ")
    [mail] = cloud.mails
    assert mail.startswith("e: a host was not stopped: h1: AWS refuses: ")

    cloud.refuses = False
    assert call(20 * MINUTES)["h1"] == "stopping"
    assert (cloud.stopped, cloud.days["h1"]) == (["h1"], ["2026-11-23"])


@pytest.mark.parametrize(("stop", "state"), [("false", "running"), ("true", "stopped"), ("true", "pending")])
def test_what_is_not_to_stop_or_does_not_run_is_saved_alone(
    call: Call, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, stop: str, state: str
) -> None:
    monkeypatch.setenv("STOP", stop)
    cloud.states = {"h1": state, "h2": "terminated"}

    assert call(0 * MINUTES) == {"h1": "done", "h2": "no such host"}
    assert cloud.stopped == []


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"])
def test_a_host_is_there_in_every_state_but_its_last(call: Call, cloud: Cloud, state: str) -> None:
    """The states of EC2's API reference, InstanceState."""
    cloud.states["h1"] = state

    is_gone = state in ("shutting-down", "terminated")
    assert (call(0 * MINUTES)["h1"] == "no such host") is is_gone
    assert cloud.days["h1"] == ([] if is_gone else ["2026-11-23"])


def test_the_newest_seven_snapshots_stay(call: Call, cloud: Cloud) -> None:
    cloud.days["h1"] = [f"2026-11-{day:02}" for day in (12, 10, 16, 17, 18, 19, 20, 11)]

    call(0 * MINUTES)

    assert cloud.deleted == ["h1 2026-11-10", "h1 2026-11-11"]


FAILED = "the day's snapshot failed"


def test_a_snapshot_that_failed_is_made_again_by_each_call_until_one_is_well(call: Call, cloud: Cloud) -> None:
    """The states of EC2's API reference, Snapshot: `error` has nothing of the disk."""
    cloud.failing = {"h1"}
    assert call(0 * MINUTES) == {"h1": "stopping", "h2": "stopping"}
    cloud.states = {"h1": "stopped", "h2": "stopped"}
    assert call(5 * MINUTES) == {"h1": FAILED, "h2": "done"}
    cloud.failing = set()
    assert call(10 * MINUTES) == {"h1": FAILED, "h2": "done"}
    assert call(235 * MINUTES) == {"h1": "done", "h2": "done"}
    assert cloud.mails == [] and len(cloud.snapshots) == 4, "three of the first host, one of the second"


def test_people_are_told_of_an_evening_that_ends_without_a_snapshot_that_is_well(call: Call, cloud: Cloud) -> None:
    cloud.failing, cloud.states["h1"] = {"h1"}, "stopped"
    call(230 * MINUTES)
    assert call(235 * MINUTES)["h1"] == FAILED

    [mail] = cloud.mails
    assert mail.startswith("e: the snapshot after 2026-11-23 failed: h1: ") and "console of EC2" in mail


def test_a_snapshot_that_fails_again_leaves_few_behind_and_no_earlier_day_goes_for_it(call: Call, cloud: Cloud) -> None:
    """AWS counts failed ones among the five that it makes of a disk at a time."""
    cloud.days["h1"] = [f"2026-11-{day:02}" for day in range(10, 17)]
    cloud.failing, cloud.states["h1"] = {"h1"}, "stopped"

    for after in range(0, 50, 5):
        call(after * MINUTES)
        left = [one for one in cloud.snapshots if one["SnapshotId"] not in cloud.deleted]
        assert len(left) <= 2 + 1, "the first, and the newest, of this host; one of the other"
    assert [each for each in cloud.deleted if "2026-11-23" not in each] == ["h1 2026-11-10"]

    cloud.failing, cloud.day = set(), "2026-11-24"
    call(datetime.fromisoformat("2026-11-24T22:30:00+05:30") - BEGINS)
    assert {one["SnapshotId"] for one in cloud.snapshots if one["State"] == "error"} <= {*cloud.deleted}


def test_a_failed_snapshot_does_not_stop_a_host_that_was_started_again(call: Call, cloud: Cloud) -> None:
    cloud.failing = {"h1"}
    call(0 * MINUTES)
    cloud.launched["h1"] = BEGINS + MINUTES
    for after in (5, 10, 15, 20):
        call(after * MINUTES)

    assert cloud.stopped.count("h1") == 1


def test_a_stop_that_was_refused_is_tried_again_beside_a_snapshot_that_failed(call: Call, cloud: Cloud) -> None:
    cloud.failing, cloud.refuses = {"h1"}, True
    call(0 * MINUTES)
    cloud.refuses = False

    assert call(5 * MINUTES)["h1"] == FAILED
    assert cloud.stopped.count("h1") == 1


@pytest.mark.parametrize(
    ("state", "counts"),
    [("pending", True), ("completed", True), ("error", False), ("recoverable", False), ("recovering", False)],
)
def test_what_is_begun_or_made_counts_as_the_days_snapshot_and_nothing_else(
    call: Call, cloud: Cloud, state: str, counts: bool
) -> None:
    """A disk may change once its snapshot is begun. In the Recycle Bin (`recoverable`) one is deleted."""
    call(0 * MINUTES)
    cloud.snapshots[0]["State"] = state

    call(5 * MINUTES)
    assert len(cloud.snapshots) == (2 if counts else 3)


@pytest.mark.parametrize(
    ("after", "answers", "mails"),
    [(-1, False, 0), (0, True, 0), (234, True, 0), (235, True, 1), (239, True, 1), (240, False, 0)],
)
def test_an_evening_lasts_four_hours_and_its_last_call_tells_people_of_a_day_that_is_not_up(
    call: Call, cloud: Cloud, after: int, answers: bool, mails: int
) -> None:
    cloud.manifests = {"h1"}

    assert bool(call(after * MINUTES)) is answers
    assert len(cloud.mails) == mails
    assert all("e: 2026-11-23 is not in the bucket: h2: the day 2026-11-23" in mail for mail in cloud.mails)


def test_an_evening_goes_on_after_midnight_and_is_still_of_its_day(call: Call, cloud: Cloud) -> None:
    cloud.day = "2026-11-24"

    assert call(datetime.fromisoformat("2026-11-25T00:30:00+05:30") - BEGINS) == {"h1": "stopping", "h2": "stopping"}
    assert cloud.days["h1"] == ["2026-11-24"]


@pytest.mark.parametrize(
    ("clock", "stop", "said"),
    [
        ("04:59:59", "true", {}),
        ("05:00:00", "true", {"h1": "stopping", "h2": "done"}),
        ("05:54:59", "true", {"h1": "stopping", "h2": "done"}),
        ("05:59:59", "true", {"h1": "stopping", "h2": "done"}),
        ("06:00:00", "true", {}),
        ("05:00:00", "false", {}),
    ],
    ids=["within it", "its end", "later", "the last tries", "an hour after it", "hosts that never sleep"],
)
def test_after_the_weekly_maintenance_hosts_that_were_started_for_it_stop_where_hosts_sleep(
    call: Call, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, clock: str, stop: str, said: dict[str, str]
) -> None:
    """On Sundays from 02:50 to 05:00 in India; the second host ran before."""
    begins = datetime.fromisoformat("2026-11-22T02:50:00+05:30")
    monkeypatch.setenv("STOP", stop)
    cloud.days = {host: [cloud.day] for host in cloud.days}
    cloud.launched = {"h1": begins, "h2": begins - timedelta(seconds=1)}

    assert call(datetime.fromisoformat(f"2026-11-22T{clock}+05:30") - BEGINS) == said

    assert cloud.stopped == (["h1"] if said else [])
    assert cloud.mails == []


@pytest.mark.parametrize(("clock", "mails"), [("05:54:59", 0), ("05:55:00", 1)])
def test_the_last_call_after_a_maintenance_tells_of_a_stop_that_aws_refuses(
    call: Call, cloud: Cloud, clock: str, mails: int
) -> None:
    cloud.refuses, cloud.days = True, {host: [cloud.day] for host in cloud.days}
    cloud.launched["h1"] = datetime.fromisoformat("2026-11-22T03:00:00+05:30")
    cloud.states["h2"] = "stopped"

    answer = call(datetime.fromisoformat(f"2026-11-22T{clock}+05:30") - BEGINS)

    assert answer["h1"].startswith("AWS refuses: ") and answer["h2"] == "done"
    assert [mail.partition(": h")[0] for mail in cloud.mails] == ["e: a host was not stopped"] * mails


def test_the_last_day_that_the_build_knew_is_known_and_the_next_is_an_error(call: Call) -> None:
    assert call(datetime.fromisoformat("2026-11-25T23:59:00+05:30") - BEGINS) == {}
    with pytest.raises(ValueError, match="2026-11-26 is after 2026-11-25"):
        call(datetime.fromisoformat("2026-11-26T00:00:00+05:30") - BEGINS)


NOT_DELIVERED = "the day's deliveries are not all made yet"


def test_a_host_that_delivers_goes_on_running_until_it_says_that_nothing_of_the_day_is_undelivered(
    call: Call, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERS", "h1")  # the second host delivers nothing
    cloud.undelivered = {"h1": {BEGINS - timedelta(minutes=20): 0, BEGINS + timedelta(minutes=3): 1}}

    assert call(timedelta(minutes=5)) == {"h1": NOT_DELIVERED, "h2": "stopping"}
    assert cloud.stopped == ["h2"]

    cloud.undelivered["h1"][BEGINS + timedelta(minutes=8)] = 0
    assert call(timedelta(minutes=10))["h1"] == "stopping"

    cloud.states["h1"] = "stopped"  # and says nothing any more
    assert call(timedelta(hours=3, minutes=55))["h1"] == "done"
    assert cloud.mails == []


def test_what_a_host_said_long_ago_or_never_delivers_nothing(
    call: Call, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERS", "h1,h2")
    cloud.undelivered = {"h1": {BEGINS: 0}, "h2": {BEGINS + timedelta(minutes=1): 0}}

    assert call(timedelta(minutes=10, seconds=30)) == {"h1": NOT_DELIVERED, "h2": "stopping"}
    assert call(timedelta(minutes=11, seconds=30))["h1"] == NOT_DELIVERED
    cloud.undelivered = {}
    assert call(timedelta(minutes=15))["h1"] == NOT_DELIVERED


@pytest.mark.parametrize("answer", ["PartialData", "InternalError", "Forbidden"])
def test_an_answer_of_cloudwatch_that_is_not_whole_delivers_nothing(
    call: Call, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """The codes of CloudWatch's API reference, MetricDataResult: in part of the data a newer value may be missing."""
    monkeypatch.setenv("DELIVERS", "h1")
    cloud.undelivered, cloud.answers = {"h1": {BEGINS: 0}}, answer

    assert call(5 * MINUTES) == {"h1": NOT_DELIVERED, "h2": "stopping"}


def test_people_are_told_of_an_evening_that_ends_without_the_days_deliveries(
    call: Call, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERS", "h1,h2")
    now = timedelta(hours=3, minutes=55)
    cloud.undelivered = {"h1": {BEGINS + now: 2}, "h2": {BEGINS + now - timedelta(minutes=1): 0}}

    call(now)

    [mail] = cloud.mails
    assert mail.startswith("e: what was due on 2026-11-23 is not delivered: h1: ")
    assert "./inv due" in mail
    assert "h1" not in cloud.stopped


def test_a_host_with_a_database_is_stopped_when_its_backup_is_there_as_well_and_people_are_told_that_it_is_not(
    call: Call, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUPS", "database/")  # of the first host; the second has no database

    assert call(timedelta(minutes=5)) == {
        "h1": "the day's backup of its database is not in the bucket yet",
        "h2": "stopping",
    }
    call(timedelta(hours=3, minutes=55))
    assert "h1: the day's backup of the database is not in the bucket" in cloud.mails[0]
    assert "h1" not in cloud.stopped and "h2" in cloud.stopped

    cloud.backups = {"database/daily/incremental_2026-11-23.json"}
    assert call(timedelta(hours=3, minutes=56))["h1"] == "stopping"
