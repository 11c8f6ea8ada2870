"""evening: a snapshot of each host's disk, and the stop, once the day is closed and uploaded; never before.

Called every 15 minutes; acts in the four hours from when a trading day's evening begins. Whether a day is done is read
from the bucket: its manifest is the last file that the uploader puts. When an evening ends with a day undone, people
are told, and the host goes on running.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from market import evening_at

KEPT_SNAPSHOTS = 7
EVENING = timedelta(hours=4)
CALLED_EVERY = timedelta(minutes=15)
NOT_UPLOADED = "not uploaded yet"


def handler(event: Mapping[str, Any], context: object) -> dict[str, str]:
    """What was done with each host; nothing outside an evening. `event["now"]` stands for the clock in tests."""
    import boto3

    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    evening = evening_at(now, EVENING)
    if evening is None:
        return {}
    day, begun = evening[0].isoformat(), evening[1]
    ec2, s3 = boto3.client("ec2"), boto3.client("s3")
    done = {name: settle(ec2, s3, name, day) for name in os.environ["HOSTS"].split(",")}
    late = sorted(name for name, what in done.items() if what == NOT_UPLOADED)
    if late and now >= begun + EVENING - CALLED_EVERY:
        boto3.client("sns").publish(
            TopicArn=os.environ["TOPIC"],
            Subject=f"{os.environ['ENVIRONMENT']}: {day} is not in the bucket",
            Message=f"{', '.join(late)}: the day {day} is not closed and uploaded, so the host goes on running. Look "
            "with ./inv status and ./inv logs --unit harvester-close.",
        )
    return done


def settle(ec2: Any, s3: Any, name: str, day: str) -> str:
    """Snapshot and stop one host when its day is done. One that was started again by hand after that is left alone."""
    instance = find_instance(ec2, name)
    if instance is None:
        return "no such host"
    if not is_uploaded(s3, name, day):
        return NOT_UPLOADED
    if not snapshot(ec2, instance, name, day):
        return "done before"
    if os.environ["STOP"] != "true" or instance["State"]["Name"] != "running":
        return "snapshot"
    ec2.stop_instances(InstanceIds=[instance["InstanceId"]])
    return "stopping"


def find_instance(ec2: Any, name: str) -> dict[str, Any] | None:
    filters = [*own_tags(), {"Name": "tag:Name", "Values": [name]}]
    filters.append({"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]})
    found = [one for group in ec2.describe_instances(Filters=filters)["Reservations"] for one in group["Instances"]]
    return found[0] if found else None


def is_uploaded(s3: Any, name: str, day: str) -> bool:
    """Whether the bucket has a manifest of the day; each build of a day has its own, manifest-<n>.json."""
    prefix = f"{os.environ['LAKE_PREFIX']}manifest/date={day}/host={name}/manifest-"
    return bool(s3.list_objects_v2(Bucket=os.environ["BUCKET"], Prefix=prefix, MaxKeys=1).get("Contents"))


def snapshot(ec2: Any, instance: Mapping[str, Any], name: str, day: str) -> bool:
    """Take the day's snapshot of the root volume and keep the newest seven; False when the day has one already."""
    filters = [*own_tags(), {"Name": "tag:Name", "Values": [name]}]
    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
    days = {tag["Value"]: one["SnapshotId"] for one in found for tag in one["Tags"] if tag["Key"] == "Day"}
    if day in days:
        return False
    volume = next(
        mapping["Ebs"]["VolumeId"]
        for mapping in instance["BlockDeviceMappings"]
        if mapping["DeviceName"] == instance["RootDeviceName"]
    )
    tags = [{"Key": key, "Value": value} for key, value in {**tag_values(), "Name": name, "Day": day}.items()]
    made = ec2.create_snapshot(
        VolumeId=volume,
        Description=f"{name} after {day}",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
    )
    days[day] = made["SnapshotId"]
    for old in sorted(days)[:-KEPT_SNAPSHOTS]:
        ec2.delete_snapshot(SnapshotId=days[old])
    return True


def tag_values() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in os.environ["TAGS"].split(","))


def own_tags() -> list[dict[str, Any]]:
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tag_values().items()]
