"""Log groups in CloudWatch: of functions, whose logs Lambda writes, and of the hosts, which send their own."""

from collections.abc import Mapping
from typing import Any

from runbook.aws.outcome import Clients, Outcome, pages, with_tags


def ensure_log_groups(clients: Clients, groups: Mapping[str, int], tags: Mapping[str, str], *, dry: bool) -> Outcome:
    """Make each group keep its logs for so many days; one of 0 days is none of ours, and what is there stays."""
    logs = clients.client("logs")
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, days in groups.items():
        if not days:
            continue
        found = read_log_group(logs, name)
        before |= {name: found} if found else {}
        after[name] = {"days": days, "tags": with_tags(tags, found["tags"] if found else {})}
        if not dry:
            keep_log_group(logs, name, found, after[name])
    return Outcome(before, after)


def read_log_group(logs: Any, name: str) -> dict[str, Any] | None:
    """Days and tags of a log group, or None."""
    found = _find_log_group(logs, name)
    if not found:
        return None
    tags = logs.list_tags_for_resource(resourceArn=found["arn"].removesuffix(":*"))["tags"]
    own = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return {"days": found.get("retentionInDays"), "tags": own}


def _find_log_group(logs: Any, name: str) -> dict[str, Any]:
    groups = pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    return next((group for group in groups if group["logGroupName"] == name), {})


def keep_log_group(logs: Any, name: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> None:
    """Make a log group, or give the one that was found its days and tags."""
    if found is None:
        logs.create_log_group(logGroupName=name, tags=wanted["tags"])
    elif found["tags"] != wanted["tags"]:
        arn = _find_log_group(logs, name)["arn"].removesuffix(":*")
        logs.tag_resource(resourceArn=arn, tags=wanted["tags"])
    if (found or {}).get("days") != wanted["days"]:
        logs.put_retention_policy(logGroupName=name, retentionInDays=wanted["days"])
