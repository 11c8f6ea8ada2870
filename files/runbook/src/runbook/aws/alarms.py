"""CloudWatch: exactly our alarms, and the dashboard. One process for all; Ansible's module takes one at a time."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from runbook.aws.outcome import Clients, Outcome, as_tag_dict, as_tag_list, pages

DEFAULTS: dict[str, Any] = {
    "Statistic": "Maximum",
    "Dimensions": [],
    "OKActions": [],
    "AlarmActions": [],
    "InsufficientDataActions": [],
    "TreatMissingData": "missing",
}
KEYS = (*DEFAULTS, "AlarmDescription", "Namespace", "MetricName", "Period", "EvaluationPeriods", "DatapointsToAlarm",
        "Threshold", "ComparisonOperator")  # fmt: skip


def ensure_alarms(
    clients: Clients,
    prefix: str,
    alarms: Mapping[str, Mapping[str, Any]],
    tags: Mapping[str, str],
    *,
    dry: bool = False,
) -> Outcome:
    """Make these alarms (name to what put_metric_alarm takes) and remove others that begin with `prefix` and are ours.

    Ours are those with the tags: what an environment whose name begins with that of this one has stays.
    """
    cloudwatch = clients.client("cloudwatch")
    found = read_alarms(cloudwatch, prefix, tags, kept=alarms)
    wanted = {name: _wanted(alarm) for name, alarm in alarms.items()}
    if not dry:
        surplus = sorted(found.keys() - wanted.keys())
        if surplus:
            cloudwatch.delete_alarms(AlarmNames=surplus)
        for name, alarm in wanted.items():
            if found.get(name) != alarm:
                cloudwatch.put_metric_alarm(AlarmName=name, Tags=as_tag_list(tags), **alarm)
    return Outcome(found, wanted)


def ensure_dashboard(clients: Clients, name: str, body: Mapping[str, Any], *, dry: bool = False) -> Outcome:
    """The dashboard with this body."""
    cloudwatch = clients.client("cloudwatch")
    found = [entry["DashboardName"] for entry in pages(cloudwatch, "list_dashboards", "DashboardEntries")]
    before = {}
    if name in found:
        before = {name: json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])}
    after = {name: dict(body)}
    if not dry and before != after:
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))
    return Outcome(before, after)


def read_alarms(
    cloudwatch: Any, prefix: str, tags: Mapping[str, str], kept: Iterable[str] = ()
) -> dict[str, dict[str, Any]]:
    """Alarms whose names begin with the prefix and that have these tags, as they are; those named in `kept` anyway."""
    named = set(kept)
    return {
        alarm["AlarmName"]: _normal({key: alarm.get(key) for key in (*KEYS, "ActionsEnabled")})
        for alarm in pages(cloudwatch, "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix)
        if alarm["AlarmName"] in named or _has(cloudwatch, alarm["AlarmArn"], tags)
    }


def _has(cloudwatch: Any, arn: str, tags: Mapping[str, str]) -> bool:
    found = as_tag_dict(cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"])
    return tags.items() <= found.items()


def _wanted(alarm: Mapping[str, Any]) -> dict[str, Any]:
    return _normal({"DatapointsToAlarm": alarm["EvaluationPeriods"], **alarm, "ActionsEnabled": True})


def _normal(alarm: Mapping[str, Any]) -> dict[str, Any]:
    values = {**DEFAULTS, **{key: value for key, value in alarm.items() if value is not None}}
    values["Threshold"] = float(values["Threshold"])
    values["Dimensions"] = sorted(values["Dimensions"], key=lambda dimension: str(dimension["Name"]))
    for key in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        values[key] = sorted(values[key])
    return values
