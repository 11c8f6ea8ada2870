"""The hosts of this environment in EC2, by the tags that the role gives them."""

import os
from typing import Any

ALIVE = ["pending", "running", "stopping", "stopped"]


def find_instance(ec2: Any, name: str) -> dict[str, Any] | None:
    """The instance of a host that is not terminated, as EC2 describes it."""
    filters = [*own_tags(), {"Name": "tag:Name", "Values": [name]}, {"Name": "instance-state-name", "Values": ALIVE}]
    found = [one for group in ec2.describe_instances(Filters=filters)["Reservations"] for one in group["Instances"]]
    return found[0] if found else None


def tag_values() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in os.environ["TAGS"].split(","))


def own_tags() -> list[dict[str, Any]]:
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tag_values().items()]
