"""evening: a snapshot of each host's disk, and the stop, once the day is closed and uploaded; never before.

Called every 5 minutes; acts in the four hours from when a trading day's evening begins. Whether a day is done is read
from the bucket: its manifest is the last file that the uploader puts. A stop that failed is tried again by the next
call. When an evening ends with a day undone, or a host that runs though its day is done, people are told.
After the weekly maintenance it stops the hosts that were started for it.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from machines import find_instance, own_tags, tag_values
from market import evening_at, maintenance_at

KEPT_SNAPSHOTS = 7
EVENING = timedelta(hours=4)
CALLED_EVERY = timedelta(minutes=5)
TRIED_FOR = timedelta(hours=1)
"""How long after a maintenance a stop that AWS refuses is tried again."""
NOT_UPLOADED = "not uploaded yet"
NOT_BACKED_UP = "the day's backup of its database is not in the bucket yet"
FAILED = "AWS refuses: "


def handler(event: Mapping[str, Any], context: object) -> dict[str, str]:
    """What was done with each host; nothing outside an evening. `event["now"]`: the schedule's time, or a test's.

    Raises what SNS refuses with: Lambda then makes the same call again, of the same minute.
    """
    import boto3

    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    names, ec2 = os.environ["HOSTS"].split(","), boto3.client("ec2")
    maintenance = maintenance_at(now, TRIED_FOR)
    if maintenance is not None and now >= maintenance[1] and os.environ["STOP"] == "true":
        done = {name: sleep_again(ec2, name, maintenance[0]) for name in names}
        if now >= maintenance[1] + TRIED_FOR - CALLED_EVERY:
            tell_what_runs(boto3.client("sns"), done)
        return done
    evening = evening_at(now, EVENING)
    if evening is None:
        return {}
    day, begun, s3 = evening[0].isoformat(), evening[1], boto3.client("s3")
    done = {name: settle(ec2, s3, name, day) for name in names}
    if now >= begun + EVENING - CALLED_EVERY:
        tell(boto3.client("sns"), day, done)
    return done


def tell(sns: Any, day: str, done: Mapping[str, str]) -> None:
    """Say of which hosts the evening ends undone."""
    unsaved = sorted(name for name, what in done.items() if what == NOT_BACKED_UP)
    if unsaved:
        sns.publish(
            TopicArn=os.environ["TOPIC"],
            Subject=f"{os.environ['ENVIRONMENT']}: the backup of {day} is not in the bucket",
            Message=f"{', '.join(unsaved)}: the day's backup of the database is not in the bucket, so the host goes on"
            " running. Look with ./inv due and ./inv logs --unit harvester-deliver-database.",
        )
    late = sorted(name for name, what in done.items() if what == NOT_UPLOADED)
    if late:
        sns.publish(
            TopicArn=os.environ["TOPIC"],
            Subject=f"{os.environ['ENVIRONMENT']}: {day} is not in the bucket",
            Message=f"{', '.join(late)}: the day {day} is not closed and uploaded, so the host goes on running. Look "
            "with ./inv status and ./inv logs --unit harvester-close.",
        )
    tell_what_runs(sns, done)


def tell_what_runs(sns: Any, done: Mapping[str, str]) -> None:
    """Say which hosts AWS did not stop."""
    failed = [f"{name}: {what}" for name, what in sorted(done.items()) if what.startswith(FAILED)]
    if failed:
        sns.publish(
            TopicArn=os.environ["TOPIC"],
            Subject=f"{os.environ['ENVIRONMENT']}: a host was not stopped",
            Message=f"{'; '.join(failed)}. Each call since then tried, and this was the last. Stop it in the "
            "console of EC2, or it costs money until the next evening.",
        )


def settle(ec2: Any, s3: Any, name: str, day: str) -> str:
    """Snapshot and stop one host when its day is done. One that was started again by hand after that is left alone."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        instance = find_instance(ec2, name)
        if instance is None:
            return "no such host"
        if not is_uploaded(s3, name, day):
            return NOT_UPLOADED
        if not is_backed_up(s3, name, day):
            return NOT_BACKED_UP
        taken = snapshot(ec2, instance, name, day)
        if os.environ["STOP"] != "true" or instance["State"]["Name"] != "running":
            return "done"
        if instance["LaunchTime"] > taken:
            return "done, and started again"
        ec2.stop_instances(InstanceIds=[instance["InstanceId"]])
        return "stopping"
    except (BotoCoreError, ClientError) as error:
        return refused(name, error)


def sleep_again(ec2: Any, name: str, begun: datetime) -> str:
    """Stop one host where it was started since `begun`; one that ran before is left alone."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        instance = find_instance(ec2, name)
        if instance is None:
            return "no such host"
        if instance["State"]["Name"] != "running" or instance["LaunchTime"] < begun:
            return "done"
        ec2.stop_instances(InstanceIds=[instance["InstanceId"]])
        return "stopping"
    except (BotoCoreError, ClientError) as error:
        return refused(name, error)


def refused(name: str, error: Exception) -> str:
    """AWS's refusal in a few words; the whole of it goes to the log."""
    print(f"{name}: {error}")
    return f"{FAILED}{' '.join(str(error).split())[:200]}"


def is_uploaded(s3: Any, name: str, day: str) -> bool:
    """Whether the bucket has a manifest of the day; each build of a day has its own, manifest-<n>.json."""
    prefix = f"{os.environ['LAKE_PREFIX']}manifest/date={day}/host={name}/manifest-"
    return bool(s3.list_objects_v2(Bucket=os.environ["BUCKET"], Prefix=prefix, MaxKeys=1).get("Contents"))


def is_backed_up(s3: Any, name: str, day: str) -> bool:
    """Whether the bucket has the manifest of the day's backup, put last, where the host has a place for them."""
    places = dict(zip(os.environ["HOSTS"].split(","), os.environ.get("BACKUPS", "").split(","), strict=False))
    if not places.get(name):
        return True
    prefix = f"{places[name]}daily/incremental_{day}.json"
    return bool(s3.list_objects_v2(Bucket=os.environ["BUCKET"], Prefix=prefix, MaxKeys=1).get("Contents"))


def snapshot(ec2: Any, instance: Mapping[str, Any], name: str, day: str) -> datetime:
    """When the day's snapshot of the root volume was begun: now, where there is none yet. Keeps the newest seven."""
    filters = [*own_tags(), {"Name": "tag:Name", "Values": [name]}]
    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
    days = {tag["Value"]: one for one in found for tag in one["Tags"] if tag["Key"] == "Day"}
    if day in days:
        return days[day]["StartTime"]
    volume = next(
        mapping["Ebs"]["VolumeId"]
        for mapping in instance["BlockDeviceMappings"]
        if mapping["DeviceName"] == instance["RootDeviceName"]
    )
    tags = [{"Key": key, "Value": value} for key, value in {**tag_values(), "Name": name, "Day": day}.items()]
    days[day] = ec2.create_snapshot(
        VolumeId=volume,
        Description=f"{name} after {day}",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
    )
    for old in sorted(days)[:-KEPT_SNAPSHOTS]:
        ec2.delete_snapshot(SnapshotId=days[old]["SnapshotId"])
    return days[day]["StartTime"]
