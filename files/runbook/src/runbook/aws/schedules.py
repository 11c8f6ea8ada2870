"""EventBridge Scheduler: one group that holds exactly our schedules. No Ansible module exists for it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from harvester.base.errors import ConfigError
from runbook.aws.outcome import Clients, Outcome, as_tag_dict, as_tag_list, pages, with_tags

EXPRESSION = re.compile(r"^(cron\(\S+ \S+ \S+ \S+ \S+ \S+\)|rate\(\d+ (minutes?|hours?|days?)\)|at\([0-9T:-]+\))$")
NO_WINDOW = {"Mode": "OFF"}


def ensure_schedules(
    clients: Clients,
    group: str,
    schedules: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
    *,
    timezone: str,
    dry: bool = False,
) -> Outcome:
    """Make the group hold exactly these schedules: {"name", "description", "expression", "target"}.

    `target` is as AWS takes it: Arn, RoleArn, Input, RetryPolicy. Others in the group are removed.
    """
    check(schedules, timezone)
    scheduler = clients.client("scheduler")
    group_before = read_group(scheduler, group)
    found = read_schedules(scheduler, group) if group_before is not None else {}
    wanted = {schedule["name"]: _wanted(schedule, timezone) for schedule in schedules}
    group_after = with_tags(tags, group_before or {})
    if not dry:
        _make_group(scheduler, group, group_before, group_after)
        for name in found.keys() - wanted.keys():
            scheduler.delete_schedule(GroupName=group, Name=name)
        for name, schedule in wanted.items():
            if found.get(name) != schedule:
                write = scheduler.update_schedule if name in found else scheduler.create_schedule
                write(GroupName=group, Name=name, FlexibleTimeWindow=NO_WINDOW, **schedule)
    before = {"group": group_before, "schedules": found} if group_before is not None else {}
    return Outcome(before, {"group": group_after, "schedules": wanted})


def check(schedules: Sequence[Mapping[str, Any]], timezone: str) -> None:
    """ConfigError for an expression or zone that AWS would refuse, before anything is changed."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(f"{timezone!r} is not a time zone. Write it as Europe/London.") from None
    for schedule in schedules:
        if not EXPRESSION.match(schedule["expression"]):
            raise ConfigError(f"schedule {schedule['name']}: {schedule['expression']!r} is no cron, rate or at.")


def read_group(scheduler: Any, group: str) -> dict[str, str] | None:
    """The tags of the group, or None when there is no such group."""
    try:
        arn = scheduler.get_schedule_group(Name=group)["Arn"]
    except scheduler.exceptions.ResourceNotFoundException:
        return None
    return as_tag_dict(scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"])


def read_schedules(scheduler: Any, group: str) -> dict[str, Any]:
    """The schedules of the group as they are."""
    names = [schedule["Name"] for schedule in pages(scheduler, "list_schedules", "Schedules", GroupName=group)]
    found = {}
    for name in names:
        schedule = scheduler.get_schedule(GroupName=group, Name=name)
        keys = ("ScheduleExpression", "ScheduleExpressionTimezone", "Description", "State", "Target")
        found[name] = {key: schedule.get(key) for key in keys}
    return found


def remove_group(scheduler: Any, group: str) -> None:
    """Remove the group with its schedules; nothing happens when it is not there."""
    if read_group(scheduler, group) is None:
        return
    for name in read_schedules(scheduler, group):
        scheduler.delete_schedule(GroupName=group, Name=name)
    scheduler.delete_schedule_group(Name=group)


def _wanted(schedule: Mapping[str, Any], timezone: str) -> dict[str, Any]:
    return {
        "ScheduleExpression": schedule["expression"],
        "ScheduleExpressionTimezone": timezone,
        "Description": schedule["description"],
        "State": "ENABLED",
        "Target": schedule["target"],
    }


def _make_group(scheduler: Any, group: str, before: Mapping[str, str] | None, after: Mapping[str, str]) -> None:
    if before is None:
        scheduler.create_schedule_group(Name=group, Tags=as_tag_list(after))
    elif before != after:
        arn = scheduler.get_schedule_group(Name=group)["Arn"]
        scheduler.tag_resource(ResourceArn=arn, Tags=as_tag_list(after))
