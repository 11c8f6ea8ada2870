"""morning: starts the hosts for a day's session, one call a host, until they run; people are told of one that is late.

Called every minute; acts from 10 minutes before a trading day's first phase until its session closes. A host that
somebody stopped after it was started for this session is left alone.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from machines import find_instance
from market import session_at

LEAD = timedelta(minutes=10)
TOLD_AFTER_MINUTES = (5, 60, 180)
"""Minutes of trying after which people are told of the hosts that do not run yet."""
MINUTE = timedelta(minutes=1)
RUNNING, LEFT_ALONE = "running", "left alone, because somebody stopped it in this session"


def handler(event: Mapping[str, Any], context: object) -> dict[str, str]:
    """What became of each host; nothing outside these hours. `event["now"]`: the time of the schedule, or a test's.

    Raises what SNS refuses with: Lambda then makes the same call again, of the same minute.
    """
    import boto3

    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    session = session_at(now)
    if session is None or not session[0] - LEAD <= now < session[1]:
        return {}
    begun, ec2 = session[0] - LEAD, boto3.client("ec2")
    done = {name: start(ec2, name, begun) for name in os.environ["HOSTS"].split(",")}
    late = {name: what for name, what in done.items() if what not in (RUNNING, LEFT_ALONE)}
    if late and (now - begun) // MINUTE in TOLD_AFTER_MINUTES:
        listed = "; ".join(f"{name}: {what}" for name, what in late.items())
        boto3.client("sns").publish(
            TopicArn=os.environ["TOPIC"],
            Subject=f"{os.environ['ENVIRONMENT']}: not every host runs",
            Message=f"{listed}. The session opens at {session[0]:%H:%M} IST. They are started again each minute until "
            "it closes. Where AWS has no room for the type, name another: aws_host_instance_type, then site.yml.",
        )
    return done


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
    """Whether it was started for this session and then stopped by a call, not by AWS."""
    started, why = instance.get("LaunchTime"), instance.get("StateReason", {}).get("Code", "")
    return bool(started and started >= begun and why.startswith("Client.User"))
