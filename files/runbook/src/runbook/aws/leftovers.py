"""Whether anything of an environment is left: the list by tags is behind, so each thing in it is asked after.

The tagging API lists resources that have, or had, our tags, and goes on listing for a while what is gone:
https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
"""

import time
from collections.abc import Callable
from typing import Any

from harvester.base.aws_names import Names
from runbook.aws.outcome import Clients, pages

SECONDS, ASK_AGAIN_SECONDS = 60.0, 5.0
GONE_STATES = {"terminated", "shutting-down"}
EC2: dict[str, tuple[str, str, str]] = {
    "instance": ("describe_instances", "instance-id", "Reservations"),
    "volume": ("describe_volumes", "volume-id", "Volumes"),
    "snapshot": ("describe_snapshots", "snapshot-id", "Snapshots"),
    "security-group": ("describe_security_groups", "group-id", "SecurityGroups"),
    "elastic-ip": ("describe_addresses", "allocation-id", "Addresses"),
    "vpc-endpoint": ("describe_vpc_endpoints", "vpc-endpoint-id", "VpcEndpoints"),
    "key-pair": ("describe_key_pairs", "key-pair-id", "KeyPairs"),
}
"""Of each kind in EC2: the operation, the filter that names one, and where the answer has it."""


def _last(arn: str) -> str:
    return arn.removesuffix(":*").rpartition(":")[2].rpartition("/")[2]


ASKED: dict[str, Callable[[Any, str], Any]] = {
    "access-analyzer": lambda client, arn: client.get_analyzer(analyzerName=_last(arn)),
    "cloudtrail": lambda client, arn: client.get_trail(Name=_last(arn)),
    "cloudwatch": lambda client, arn: client.describe_alarms(AlarmNames=[_last(arn)])["MetricAlarms"],
    "glue": lambda client, arn: client.get_database(Name=_last(arn)),
    "iam": lambda client, arn: client.get_role(RoleName=_last(arn)),
    "lambda": lambda client, arn: client.get_function(FunctionName=arn),
    "logs": lambda client, arn: _log_groups(client, arn),
    "s3": lambda client, arn: client.head_bucket(Bucket=_last(arn)),
    "scheduler": lambda client, arn: client.get_schedule_group(Name=_last(arn)),
    "sns": lambda client, arn: client.get_topic_attributes(TopicArn=arn),
}
"""Of each other service: how one thing is asked after; it is gone when AWS refuses with an error of the kind 404."""

CLIENTS = {"access-analyzer": "accessanalyzer"}
"""Services that the SDK calls otherwise than their ARNs."""


def left_with_tags(
    clients: Clients, names: Names, *, seconds: float = SECONDS, sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """ARNs of what has our tags and is there, asked again for so many seconds: AWS removes some things by and by."""
    waited = 0.0
    while True:
        left = sorted(arn for arn in _listed(clients, names) if _is_there(clients, arn))
        if not left or waited >= seconds:
            return left
        sleep(ASK_AGAIN_SECONDS)
        waited += ASK_AGAIN_SECONDS


def _listed(clients: Clients, names: Names) -> list[str]:
    filters = [{"Key": key, "Values": [value]} for key, value in names.tags.items()]
    tagging = clients.client("resourcegroupstaggingapi")
    found = pages(tagging, "get_resources", "ResourceTagMappingList", TagFilters=filters)
    return [mapping["ResourceARN"] for mapping in found]


def _is_there(clients: Clients, arn: str) -> bool:
    """Whether the service itself knows it. What cannot be asked after here counts as there."""
    from botocore.exceptions import ClientError

    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
    kind, _, identity = rest.partition("/")
    if service == "ec2":
        return kind not in EC2 or _is_in_ec2(clients.client("ec2"), identity, *EC2[kind])
    if service not in ASKED:
        return True
    try:
        return bool(ASKED[service](clients.client(CLIENTS.get(service, service)), arn))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if "NotFound" in code or "NoSuch" in code or code in ("404", "EntityNotFoundException"):
            return False
        raise


def _is_in_ec2(ec2: Any, identity: str, operation: str, name: str, key: str) -> bool:
    found = getattr(ec2, operation)(Filters=[{"Name": name, "Values": [identity]}])[key]
    machines = [machine for each in found for machine in each.get("Instances", ())]
    if machines:
        return any(machine["State"]["Name"] not in GONE_STATES for machine in machines)
    return any(str(each.get("State", "")).lower() != "deleted" for each in found)


def _log_groups(logs: Any, arn: str) -> list[str]:
    name = arn.removesuffix(":*").rpartition(":log-group:")[2]
    groups = pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    return [group["logGroupName"] for group in groups if group["logGroupName"] == name]
