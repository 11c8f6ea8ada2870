"""morning: starts the hosts for a day's session, one call a host, until they run; people are told of one that is late.

Called every minute; acts from 10 minutes before a trading day's first phase until its session closes, and in the weekly
maintenance. A host that somebody stopped after it was started for this is left alone.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from machines import find_instance
from market import maintenance_at, session_at

LEAD = timedelta(minutes=10)
TOLD_AFTER_MINUTES = (5, 60, 180)
"""Minutes of trying after which people are told of the hosts that do not run yet."""
MINUTE = timedelta(minutes=1)
MAINTENANCE_TOLD_AFTER_MINUTES = (60,)
RUNNING, LEFT_ALONE = "running", "left alone, because somebody stopped it after it was started for this"


def handler(event: Mapping[str, Any], context: object) -> dict[str, str]:
    """What became of each host; nothing outside these hours. `event["now"]`: the time of the schedule, or a test's.

    Raises what SNS refuses with: Lambda then makes the same call again, of the same minute.
    """
    import boto3

    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    occasion = occasion_at(now)
    if occasion is None:
        return {}
    begun, what_for, told_after = occasion
    ec2 = boto3.client("ec2")
    done = {name: start(ec2, name, begun) for name in os.environ["HOSTS"].split(",")}
    late = {name: what for name, what in done.items() if what not in (RUNNING, LEFT_ALONE)}
    if late and (now - begun) // MINUTE in told_after:
        listed = "; ".join(f"{name}: {what}" for name, what in late.items())
        boto3.client("sns").publish(
            TopicArn=os.environ["TOPIC"],
            Subject=f"{os.environ['ENVIRONMENT']}: not every host runs",
            Message=f"{listed}. {what_for} Where AWS has no room for the type, name another: aws_host_instance_type, "
            "then site.yml.",
        )
    return done


def occasion_at(now: datetime) -> tuple[datetime, str, tuple[int, ...]] | None:
    """Since when hosts shall run now, why, and after how many minutes people are told of a late one. None: may sleep.

    ValueError as of `market.session_at`.
    """
    maintenance = maintenance_at(now)
    if maintenance is not None:
        why = (
            f"They shall install security upgrades, and are started again each minute until {maintenance[1]:%H:%M %Z}."
        )
        return maintenance[0], why, MAINTENANCE_TOLD_AFTER_MINUTES
    session = session_at(now)
    if session is None or not session[0] - LEAD <= now < session[1]:
        return None
    why = f"The session opens at {session[0]:%H:%M %Z}. They are started again each minute until it closes."
    return session[0] - LEAD, why, TOLD_AFTER_MINUTES


def start(ec2: Any, name: str, begun: datetime) -> str:
    """Start one host unless it runs; in a few words how it stands."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        instance = find_instance(ec2, name)
        if instance is None:
            return "no such host"
        state = instance["State"]["Name"]
        if state == "stopped":
            if _was_stopped_by_somebody(instance, begun):
                return LEFT_ALONE
            ec2.start_instances(InstanceIds=[instance["InstanceId"]])
            return "starting"
    except (BotoCoreError, ClientError) as error:
        print(f"{name}: {error}")
        return f"AWS refuses to start it ({' '.join(str(error).split())[:200]})"
    return str(state)


def _was_stopped_by_somebody(instance: Mapping[str, Any], begun: datetime) -> bool:
    """Whether it was started since `begun` and then stopped by a call, not by AWS."""
    started, why = instance.get("LaunchTime"), instance.get("StateReason", {}).get("Code", "")
    return bool(started and started >= begun and why.startswith("Client.User"))
