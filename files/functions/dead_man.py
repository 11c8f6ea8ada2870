"""dead-man: whether each host is silent inside a session, or beats and records nothing while there is trading.

Called every minute. A host is silent when CloudWatch has no heartbeat of it for 4 minutes: it sends one while its
recorder works and its alerts look. It is idle when it beats, and has no update of any symbol in the same two whole
minutes of continuous trading. Both findings are metrics, HostSilent and HostIdle, inside sessions alone, so that their
alarms change their state when something begins, and not when the night does: an alarm tells of changes, never of a
state.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from market import session_at, trading_since

SILENCE = timedelta(minutes=4)
IDLENESS = timedelta(minutes=2)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """{"session": bool, "silent": [hosts], "idle": [hosts]}. `event["now"]` stands for the clock in tests."""
    import boto3

    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    session = session_at(now)
    if session is None or not session[0] + SILENCE <= now < session[1]:
        return {"session": False, "silent": [], "idle": []}
    cloudwatch, trading = boto3.client("cloudwatch"), trading_since(now)
    silent, idle = [], []
    for host in os.environ["HOSTS"].split(","):
        found = read(cloudwatch, host, now)
        if not found["beats"]:
            silent.append(host)
        elif trading and now >= trading + SILENCE and found["beats lately"] and not found["updates lately"]:
            idle.append(host)
    tell(cloudwatch, now, {"HostSilent": silent, "HostIdle": idle})
    return {"session": True, "silent": silent, "idle": idle}


def read(cloudwatch: Any, host: str, now: datetime) -> dict[str, bool]:
    """Whether there was a heartbeat in the last 4 minutes; heartbeat and update in the last 2 whole ones ("lately").

    RuntimeError where CloudWatch does not say all of it: that is no silence. Lambda makes the call again, and the
    function's errors have an alarm.
    """
    queries = []
    for metric in ("Heartbeat", "Updates"):
        named = {"Namespace": os.environ["NAMESPACE"], "MetricName": metric, "Dimensions": dimensions(host)}
        stat = {"Metric": named, "Period": 60, "Stat": "Sum"}
        queries.append({"Id": metric.lower(), "MetricStat": stat})
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=now - SILENCE, EndTime=now)
    for result in answer["MetricDataResults"]:
        if (code := result.get("StatusCode", "Complete")) != "Complete":
            raise RuntimeError(f"{host}: CloudWatch does not say its {result['Id']}: {code}")
    some = {
        result["Id"]: [at for at, value in zip(result["Timestamps"], result["Values"], strict=True) if value > 0]
        for result in answer["MetricDataResults"]
    }
    since = now.replace(second=0, microsecond=0) - IDLENESS
    lately = {metric: any(at >= since for at in times) for metric, times in some.items()}
    return {
        "beats": bool(some["heartbeat"]),
        "beats lately": lately["heartbeat"],
        "updates lately": lately["updates"],
    }


def tell(cloudwatch: Any, now: datetime, found: Mapping[str, list[str]]) -> None:
    """Put 1 for the hosts that are found so, and 0 for the others."""
    cloudwatch.put_metric_data(
        Namespace=os.environ["NAMESPACE"],
        MetricData=[
            {"MetricName": metric, "Dimensions": dimensions(host), "Value": float(host in those), "Timestamp": now}
            for metric, those in found.items()
            for host in os.environ["HOSTS"].split(",")
        ],
    )


def dimensions(host: str) -> list[dict[str, str]]:
    return [{"Name": "Environment", "Value": os.environ["ENVIRONMENT"]}, {"Name": "Host", "Value": host}]
