"""evening: a snapshot of each host's disk, and the stop, once the day is closed, uploaded and delivered; never before.

Called every 5 minutes; acts in the four hours from when a trading day's evening begins. Whether a day is uploaded is
read from the bucket: its manifest is the last file that the uploader puts. Whether it is delivered is the host's own
word, its metric DuesUndelivered: one that has said nothing for ten minutes has not delivered. A stop that failed is
tried again by the next call, and a snapshot that failed is made again, also of a host that was stopped after it. When
an evening ends with a day undone, or a host that runs though its day is done, people are told.
After the weekly maintenance it stops the hosts that were started for it.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from machines import find_instance, own_tags, tag_values
from market import evening_at, maintenance_at

KEPT_SNAPSHOTS = 7
EVENING = timedelta(hours=4)
CALLED_EVERY = timedelta(minutes=5)
TRIED_FOR = timedelta(hours=1)
"""How long after a maintenance a stop that AWS refuses is tried again."""
SAID = timedelta(minutes=10)
"""How old a host's word may be: it says each minute what is undelivered."""
SAVES = ("pending", "completed")
"""States of a snapshot that keeps the disk as it was at its begin; one in `error` keeps nothing."""
NOT_SAVED = "the day's snapshot failed"
NOT_UPLOADED = "not uploaded yet"
NOT_DELIVERED = "the day's deliveries are not all made yet"
NOT_BACKED_UP = "the day's backup of its database is not in the bucket yet"
FAILED = "AWS refuses: "
UNDONE = {
    NOT_BACKED_UP: (
        "the backup of {day} is not in the bucket",
        "the day's backup of the database is not in the bucket, so the host goes on running. Look with ./inv due and"
        " ./inv logs --unit harvester-deliver-database.",
    ),
    NOT_DELIVERED: (
        "what was due on {day} is not delivered",
        "the day's deliveries are not all made, or the host does not say that they are, so it goes on running. Look"
        " with ./inv due and ./inv status.",
    ),
    NOT_UPLOADED: (
        "{day} is not in the bucket",
        "the day {day} is not closed and uploaded, so the host goes on running. Look with ./inv status and ./inv logs"
        " --unit harvester-close.",
    ),
    NOT_SAVED: (
        "the snapshot after {day} failed",
        "AWS did not finish the snapshot of the disk, and each call since then made it again. The day is in the bucket,"
        " and snapshots of earlier days stay. Look in the console of EC2 (Snapshots, state error; its key in KMS), and"
        " make one there if you need it; the next trading day's evening makes its own.",
    ),
}
"""Subject and text of what an evening leaves undone, by what was found of a host."""


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
    delivers = [name for name in os.environ.get("DELIVERS", "").split(",") if name]
    lacking = undelivered(boto3.client("cloudwatch"), delivers, now) if delivers else {}
    done = {name: settle(ec2, s3, name, day, lacking) for name in names}
    if now >= begun + EVENING - CALLED_EVERY:
        tell(boto3.client("sns"), day, done)
    return done


def tell(sns: Any, day: str, done: Mapping[str, str]) -> None:
    """Say of which hosts the evening ends undone."""
    for state, (subject, text) in UNDONE.items():
        names = sorted(name for name, what in done.items() if what == state)
        if names:
            sns.publish(
                TopicArn=os.environ["TOPIC"],
                Subject=f"{os.environ['ENVIRONMENT']}: {subject.format(day=day)}",
                Message=f"{', '.join(names)}: {text.format(day=day)}",
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


def settle(ec2: Any, s3: Any, name: str, day: str, lacking: Mapping[str, str]) -> str:
    """Snapshot and stop one host when its day is done. One that was started again by hand after that is left alone.

    `lacking`: hosts that have not delivered, and why. It is asked until the snapshot: a host that sleeps says nothing.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        instance = find_instance(ec2, name)
        if instance is None:
            return "no such host"
        if not is_uploaded(s3, name, day):
            return NOT_UPLOADED
        if not is_backed_up(s3, name, day):
            return NOT_BACKED_UP
        made = snapshots(ec2, name)
        tries = made.get(day, [])
        if not tries and name in lacking:
            return lacking[name]
        is_saved = any(one["State"] in SAVES for one in tries)
        newest = None if is_saved else snapshot(ec2, instance, name, day, made)
        stopped = stop(ec2, instance, tries[0]["StartTime"] if tries else newest)
        return stopped if is_saved or not tries else NOT_SAVED
    except (BotoCoreError, ClientError) as error:
        return refused(name, error)


def stop(ec2: Any, instance: Mapping[str, Any], saved: datetime) -> str:
    """Stop a host whose day was first saved then, where hosts sleep; one that was started after that is left alone."""
    if os.environ["STOP"] != "true" or instance["State"]["Name"] != "running":
        return "done"
    if instance["LaunchTime"] > saved:
        return "done, and started again"
    ec2.stop_instances(InstanceIds=[instance["InstanceId"]])
    return "stopping"


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


def undelivered(cloudwatch: Any, names: Iterable[str], now: datetime) -> dict[str, str]:
    """Which of these hosts have not said lately that nothing of the day is undelivered, and why."""
    from botocore.exceptions import BotoCoreError, ClientError

    found = {}
    for name in names:
        try:
            newest = read_newest(cloudwatch, name, now)
        except (BotoCoreError, ClientError) as error:
            found[name] = refused(name, error)
        else:
            if newest != 0:
                found[name] = NOT_DELIVERED
    return found


def read_newest(cloudwatch: Any, host: str, now: datetime) -> float | None:
    """How many deliveries of the day a host said last that it has not made; None: nothing in ten minutes, or it is not
    known, as CloudWatch's answer is not whole."""
    dimensions = [{"Name": "Environment", "Value": os.environ["ENVIRONMENT"]}, {"Name": "Host", "Value": host}]
    metric = {"Namespace": os.environ["NAMESPACE"], "MetricName": "DuesUndelivered", "Dimensions": dimensions}
    query = {"Id": "undelivered", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
    answer = cloudwatch.get_metric_data(MetricDataQueries=[query], StartTime=now - SAID, EndTime=now)
    [found] = answer["MetricDataResults"]
    if found.get("StatusCode", "Complete") != "Complete":
        return None  # a newer value may be missing
    points = [*zip(found["Timestamps"], found["Values"], strict=True)]
    return max(points)[1] if points else None


def is_backed_up(s3: Any, name: str, day: str) -> bool:
    """Whether the bucket has the manifest of the day's backup, put last, where the host has a place for them."""
    places = dict(zip(os.environ["HOSTS"].split(","), os.environ.get("BACKUPS", "").split(","), strict=False))
    if not places.get(name):
        return True
    prefix = f"{places[name]}daily/incremental_{day}.json"
    return bool(s3.list_objects_v2(Bucket=os.environ["BUCKET"], Prefix=prefix, MaxKeys=1).get("Contents"))


def snapshots(ec2: Any, name: str) -> dict[str, list[Any]]:
    """A host's snapshots by their day, those of a day in the order in which they were begun."""
    filters = [*own_tags(), {"Name": "tag:Name", "Values": [name]}]
    found: dict[str, list[Any]] = {}
    answer = ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
    for one in sorted(answer, key=lambda each: each["StartTime"]):
        for day in (tag["Value"] for tag in one["Tags"] if tag["Key"] == "Day"):
            found.setdefault(day, []).append(one)
    return found


def snapshot(ec2: Any, instance: Mapping[str, Any], name: str, day: str, made: Mapping[str, list[Any]]) -> datetime:
    """Begin the day's snapshot of the root volume, and say when that was. Of `made` those go that are of use no more.

    The newest seven days that are saved stay, this one among them, and the day's first try, which tells when it was.
    """
    volume = next(
        mapping["Ebs"]["VolumeId"]
        for mapping in instance["BlockDeviceMappings"]
        if mapping["DeviceName"] == instance["RootDeviceName"]
    )
    tags = [{"Key": key, "Value": value} for key, value in {**tag_values(), "Name": name, "Day": day}.items()]
    begun: datetime = ec2.create_snapshot(
        VolumeId=volume,
        Description=f"{name} after {day}",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
    )["StartTime"]
    saved = {each for each, those in made.items() if any(one["State"] in SAVES for one in those)}
    stay = {*sorted({*saved, day})[-KEPT_SNAPSHOTS:]}
    for each, those in sorted(made.items()):
        for one in those[1:] if each == day else those:
            # AWS counts those in error among the five that it makes of a disk at a time.
            if one["State"] == "error" or (each not in stay and one["State"] in SAVES):
                ec2.delete_snapshot(SnapshotId=one["SnapshotId"])
    return begun
