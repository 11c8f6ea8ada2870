"""dead-man: whether each host is silent inside a session, even when the host is gone.

Called every minute. A host is silent when CloudWatch has no heartbeat of it for 4 minutes: it sends one while its
recorder works and its alerts look. The finding is a metric, HostSilent, so that the alarm on it sends one message when
it begins and one when it ends: within 6 minutes, with the minutes of metric, schedule and alarm.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from market import session_at

SILENCE = timedelta(minutes=4)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """{"session": bool, "silent": [hosts]}. `event["now"]` stands for the clock in tests; Scheduler sends none."""
    import boto3

    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    session = session_at(now)
    if session is None or not session[0] + SILENCE <= now < session[1]:
        return {"session": False, "silent": []}
    cloudwatch = boto3.client("cloudwatch")
    hosts = os.environ["HOSTS"].split(",")
    silent = [host for host in hosts if is_silent(cloudwatch, host, now)]
    cloudwatch.put_metric_data(
        Namespace=os.environ["NAMESPACE"],
        MetricData=[
            {
                "MetricName": "HostSilent",
                "Dimensions": dimensions(host),
                "Value": float(host in silent),
                "Timestamp": now,
            }
            for host in hosts
        ],
    )
    return {"session": True, "silent": silent}


def is_silent(cloudwatch: Any, host: str, now: datetime) -> bool:
    """No heartbeat of the host in the last 4 minutes."""
    metric = {"Namespace": os.environ["NAMESPACE"], "MetricName": "Heartbeat", "Dimensions": dimensions(host)}
    query = {"Id": "heartbeat", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    answer = cloudwatch.get_metric_data(MetricDataQueries=[query], StartTime=now - SILENCE, EndTime=now)
    return not any(value > 0 for result in answer["MetricDataResults"] for value in result["Values"])


def dimensions(host: str) -> list[dict[str, str]]:
    return [{"Name": "Environment", "Value": os.environ["ENVIRONMENT"]}, {"Name": "Host", "Value": host}]
