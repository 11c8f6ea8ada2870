"""AWS under the SDK's own clients, in this process and at a moved time: what the functions call, and no more.

As the API references have it: an instance is pending and stopping for a while, LaunchTime is that of its last start,
a call may be refused (`refusals`), and SNS keeps what it is told.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from unittest import mock

import boto3
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from tests.aws_days.alarms import MINUTE, Metrics, metric_key
from tests.recorder.tokens.stand_in import Aws, Refusal

from harvester.base.market import zone

CHANGING = timedelta(seconds=45)
"""How long an instance is pending, or stopping."""


@dataclass
class Instance:
    """One machine, and since when it has been going up (`started`) or down."""

    identity: str
    tags: dict[str, str]
    started: datetime | None = None
    stopped: datetime | None = None
    reason: str = ""

    def state(self, now: datetime) -> str:
        if self.started and (self.stopped is None or self.stopped < self.started):
            return "running" if now - self.started >= CHANGING else "pending"
        return "stopped" if self.stopped is None or now - self.stopped >= CHANGING else "stopping"

    def describe(self, now: datetime) -> dict[str, Any]:
        return {
            "InstanceId": self.identity,
            "State": {"Name": self.state(now)},
            "LaunchTime": self.started,
            "StateReason": {"Code": self.reason},
            "RootDeviceName": "/dev/sda1",
            "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeId": f"vol-{self.identity}"}}],
            "Tags": _listed(self.tags),
        }


@dataclass
class Cloud:
    """The account at `now`. `told`: subjects of what was published; `done`: starts and stops."""

    now: datetime
    instances: list[Instance]
    metrics: Metrics = field(default_factory=Metrics)
    objects: set[str] = field(default_factory=set)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    secrets: Aws = field(default_factory=Aws)
    told: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    refusals: list[Callable[[str, dict[str, Any]], str]] = field(default_factory=list)
    """Each gives an error's code for an operation and what is asked, or nothing."""
    made: int = 0

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Inside, every client of the SDK reaches this."""

        def call(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
            shape = client.meta.service_model.operation_model(operation).input_shape
            validate_parameters(asked, shape)
            for refusal in self.refusals:
                if code := refusal(operation, asked):
                    raise ClientError({"Error": {"Code": code, "Message": "as told"}}, operation)
            service = client.meta.service_model.service_name
            try:
                return getattr(self, f"{service}_{operation}")(**asked)
            except Refusal as refusal:
                raise ClientError({"Error": {"Code": str(refusal), "Message": "as told"}}, operation) from None

        kept = cache(boto3.client)  # to make one takes longer than all that it is used for here
        with (
            mock.patch.object(BaseClient, "_make_api_call", call),
            mock.patch.object(boto3, "client", lambda service, **_: kept(service)),
        ):
            yield

    def cloudwatch_PutMetricData(self, Namespace: str, MetricData: list[dict[str, Any]]) -> Any:
        for each in MetricData:
            self.metrics.put({"Namespace": Namespace, **each}, each["Value"], each["Timestamp"].astimezone(zone()))
        return {}

    def cloudwatch_GetMetricData(self, MetricDataQueries: Any, StartTime: datetime, EndTime: datetime) -> Any:
        found = []
        for query in MetricDataQueries:
            at, key = StartTime.astimezone(zone()).replace(second=0), metric_key(query["MetricStat"]["Metric"])
            values = {}
            while at < EndTime:
                values[at] = self.metrics.read(key, at, at + MINUTE, query["MetricStat"]["Stat"])
                at += MINUTE
            there = {at: value for at, value in values.items() if value is not None}
            found.append({"Id": query["Id"], "Timestamps": list(there), "Values": list(there.values())})
        return {"MetricDataResults": found}

    def sns_Publish(self, TopicArn: str, Subject: str, Message: str) -> Any:
        self.told.append(f"{self.now:%Y-%m-%d %H:%M} {Subject}")
        return {"MessageId": "1"}

    def lambda_GetFunctionUrlConfig(self, FunctionName: str) -> Any:
        return {"FunctionUrl": "https://page.example/"}

    def ssm_GetParameter(self, **asked: Any) -> Any:
        answer = self.secrets._GetParameter(**asked)
        answer["Parameter"]["LastModifiedDate"] = self.now  # a date, as the SDK makes it of what comes over the wire
        return answer

    def ssm_PutParameter(self, **asked: Any) -> Any:
        return self.secrets._PutParameter(**asked)

    def s3_ListObjectsV2(self, Bucket: str, Prefix: str, MaxKeys: int) -> Any:
        found = sorted(key for key in self.objects if key.startswith(Prefix))[:MaxKeys]
        return {"Contents": [{"Key": key} for key in found]} if found else {}

    def ec2_DescribeInstances(self, Filters: list[dict[str, Any]]) -> Any:
        states = [(one, {"instance-state-name": one.state(self.now)}) for one in self.instances]
        found = [one for one, state in states if _fits({**_filterable(one.tags), **state}, Filters)]
        return {"Reservations": [{"Instances": [one.describe(self.now)]} for one in found]}

    def ec2_StartInstances(self, InstanceIds: list[str]) -> Any:
        for one in self._named(InstanceIds):
            if one.state(self.now) == "stopping":
                raise Refusal("IncorrectInstanceState")
            if one.state(self.now) == "stopped":
                one.started, one.reason = self.now, ""
                self.done.append(f"{self.now:%Y-%m-%d %H:%M} start {one.tags['Name']}")
        return {}

    def ec2_StopInstances(self, InstanceIds: list[str]) -> Any:
        for one in self._named(InstanceIds):
            if one.state(self.now) in ("pending", "running"):
                one.stopped, one.reason = self.now, "Client.UserInitiatedShutdown"
                self.done.append(f"{self.now:%Y-%m-%d %H:%M} stop {one.tags['Name']}")
        return {}

    def ec2_DescribeSnapshots(self, OwnerIds: list[str], Filters: list[dict[str, Any]]) -> Any:
        tags = [(one, {each["Key"]: each["Value"] for each in one["Tags"]}) for one in self.snapshots]
        return {"Snapshots": [one for one, its in tags if _fits(_filterable(its), Filters)]}

    def ec2_CreateSnapshot(self, VolumeId: str, Description: str, TagSpecifications: list[dict[str, Any]]) -> Any:
        self.made += 1
        tags = TagSpecifications[0]["Tags"]
        made = {"SnapshotId": f"snap-{self.made}", "StartTime": self.now, "State": "completed", "Tags": tags}
        self.snapshots.append(made)
        return made

    def ec2_DeleteSnapshot(self, SnapshotId: str) -> Any:
        self.snapshots = [one for one in self.snapshots if one["SnapshotId"] != SnapshotId]
        return {}

    def _named(self, identities: list[str]) -> list[Instance]:
        return [one for one in self.instances if one.identity in identities]


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _filterable(tags: dict[str, str]) -> dict[str, str]:
    return {f"tag:{key}": value for key, value in tags.items()}


def _fits(values: dict[str, str], filters: list[dict[str, Any]]) -> bool:
    return all(values.get(each["Name"]) in each["Values"] for each in filters)
