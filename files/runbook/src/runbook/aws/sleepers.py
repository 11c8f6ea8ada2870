"""Hosts that the schedules have stopped: who changes something on them starts them, and leaves them as they were."""

from collections.abc import Iterator
from contextlib import contextmanager

from runbook.aws.environment import Environment, reaching


@contextmanager
def left_asleep(here: Environment) -> Iterator[list[str]]:
    """Inside, hosts may be started; those that were stopped before are stopped again afterwards. Gives their names.

    Raises ConfigError with AWS's reason.
    """
    with reaching(here):
        asleep = _stopped(here)
    try:
        yield list(asleep)
    finally:
        if asleep:
            with reaching(here):
                here.account.client("ec2").stop_instances(InstanceIds=list(asleep.values()))


def _stopped(here: Environment) -> dict[str, str]:
    """Instance by name of each of our hosts that is stopped."""
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in here.names.tags.items()]
    filters.append({"Name": "instance-state-name", "Values": ["stopping", "stopped"]})
    pages = here.account.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    return {_name(one["Tags"]): str(one["InstanceId"]) for one in found}


def _name(tags: list[dict[str, str]]) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == "Name"), "")
