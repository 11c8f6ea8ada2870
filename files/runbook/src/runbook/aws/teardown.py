"""destroy: what belongs to an environment, by names and by tags, and its removal."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from harvester.base.aws_names import FUNCTIONS, ROLES, Names
from runbook.aws import baseline, bucket, budget, glue, schedules
from runbook.aws.account import (
    find_addresses,
    find_instances,
    find_parameters,
    find_subscriptions,
    read_role,
)
from runbook.aws.alarms import read_alarms
from runbook.aws.log_groups import read_log_group
from runbook.aws.outcome import Clients, pages

DELETE_AT_ONCE = 1000


@dataclass(frozen=True)
class Doomed:
    """One thing that destroy removes: its kind, its name, and how."""

    kind: str
    name: str
    remove: Callable[[], Any]


def plan(
    clients: Clients, names: Names, account: str, partition: str = "aws", secrets: Collection[str] = ()
) -> list[Doomed]:
    """Everything of the environment, in the order of removal: what acts first, what holds data last.

    `secrets`: those of Secrets Manager that it has besides what is under its prefix.
    """
    return [
        *_schedules_and_alarms(clients, names),
        *_functions(clients, names, account, partition),
        *_hosts(clients, names),
        *_identity(clients, names),
        *_secrets(clients, names, secrets),
        *_budget(clients, names, account),
        *_tables(clients, names),
        *_baseline(clients, names, account),
        *_bucket(clients, names, account),
    ]


def _schedules_and_alarms(clients: Clients, names: Names) -> Iterator[Doomed]:
    scheduler, cloudwatch = clients.client("scheduler"), clients.client("cloudwatch")
    group = names.schedule_group
    if schedules.read_group(scheduler, group) is not None:
        yield Doomed("schedules", group, partial(schedules.remove_group, scheduler, group))
    for alarm in sorted(read_alarms(cloudwatch, f"{names.stem}-", names.tags)):
        yield Doomed("alarm", alarm, partial(cloudwatch.delete_alarms, AlarmNames=[alarm]))
    boards = [entry["DashboardName"] for entry in pages(cloudwatch, "list_dashboards", "DashboardEntries")]
    if names.dashboard in boards:
        yield Doomed(
            "dashboard", names.dashboard, partial(cloudwatch.delete_dashboards, DashboardNames=[names.dashboard])
        )


def _functions(clients: Clients, names: Names, account: str, partition: str) -> Iterator[Doomed]:
    functions, logs, sns = clients.client("lambda"), clients.client("logs"), clients.client("sns")
    there = {function["FunctionName"] for function in pages(functions, "list_functions", "Functions")}
    for name in (names.function(one) for one in FUNCTIONS):
        if name in there:
            yield Doomed("function", name, partial(functions.delete_function, FunctionName=name))
    for group in (*(names.function_log_group(one) for one in FUNCTIONS), names.host_log_group):
        if read_log_group(logs, group) is not None:
            yield Doomed("log group", group, partial(logs.delete_log_group, logGroupName=group))
    topic = f"arn:{partition}:sns:{names.region}:{account}:{names.topic}"
    if find_subscriptions(sns, topic) is not None:
        yield Doomed("topic", names.topic, partial(sns.delete_topic, TopicArn=topic))


def _hosts(clients: Clients, names: Names) -> Iterator[Doomed]:
    ec2 = clients.client("ec2")
    for address in find_addresses(ec2, names.tags):
        yield Doomed("address", address["PublicIp"], partial(release_address, ec2, address))
    for host in find_instances(ec2, names):
        yield Doomed("host with its disk", host["name"], partial(terminate, ec2, host["id"]))
    mine = [{"Name": f"tag:{key}", "Values": [value]} for key, value in names.tags.items()]
    for one in pages(ec2, "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=mine):
        found = one["SnapshotId"]
        yield Doomed("snapshot", found, partial(ec2.delete_snapshot, SnapshotId=found))
    for one in ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]:
        if one["State"].lower() not in ("deleting", "deleted"):
            found = one["VpcEndpointId"]
            yield Doomed("endpoint for S3", found, partial(ec2.delete_vpc_endpoints, VpcEndpointIds=[found]))
    for group in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]:
        found = group["GroupId"]
        yield Doomed("security group", group["GroupName"], partial(ec2.delete_security_group, GroupId=found))
    for pair in ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": [names.key_pair]}])["KeyPairs"]:
        yield Doomed("key pair", pair["KeyName"], partial(ec2.delete_key_pair, KeyName=names.key_pair))


def terminate(ec2: Any, instance_id: str) -> None:
    """Take the protection off, terminate, and wait until the host is gone: its security group can go only then."""
    ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance_id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance_id])


def _identity(clients: Clients, names: Names) -> Iterator[Doomed]:
    iam = clients.client("iam")
    for name in (names.role(role) for role in ROLES):
        if read_role(iam, name) is not None:
            yield Doomed("role", name, partial(remove_role, iam, name))


def _secrets(clients: Clients, names: Names, others: Collection[str]) -> Iterator[Doomed]:
    """What commands and functions stored, in SSM and in Secrets Manager, under the environment's prefix; and others."""
    ssm, manager = clients.client("ssm"), clients.client("secretsmanager")
    for name in sorted(find_parameters(ssm, names.parameter_prefix)):
        yield Doomed("parameter", name, partial(ssm.delete_parameter, Name=name))
    prefix = f"{names.parameter_prefix}/"
    asked = [{"Key": "name", "Values": [prefix, *others]}]
    for secret in pages(manager, "list_secrets", "SecretList", Filters=asked):
        name = secret["Name"]
        if name.startswith(prefix) or name in others:  # the filter takes it as the beginning of any word of the name
            remove = partial(manager.delete_secret, SecretId=name, ForceDeleteWithoutRecovery=True)
            yield Doomed("secret", name, remove)


def _budget(clients: Clients, names: Names, account: str) -> Iterator[Doomed]:
    client = clients.client("budgets", region=budget.REGION)
    if budget.read_budget(client, account, names.budget):
        yield Doomed("budget", names.budget, partial(client.delete_budget, AccountId=account, BudgetName=names.budget))


def _tables(clients: Clients, names: Names) -> Iterator[Doomed]:
    """What athena-tables made, and tables that a person added there."""
    client, name = clients.client("glue"), names.database
    if glue.database_exists(client, name):
        yield Doomed("database with every table in it", name, partial(glue.remove_database, client, name))


def _baseline(clients: Clients, names: Names, account: str) -> Iterator[Doomed]:
    """What aws_baseline made and tagged; the account's own settings stay."""
    trails, s3, bucket_name = clients.client("cloudtrail"), clients.client("s3"), names.trail_bucket(account)
    if names.trail in {one["Name"] for one in pages(trails, "list_trails", "Trails")}:
        yield Doomed("trail", names.trail, partial(trails.delete_trail, Name=names.trail))
    if names.tags.items() <= baseline.analyzers(clients).get(names.trail, {}).items():
        client = clients.client("accessanalyzer")
        yield Doomed("analyzer", names.trail, partial(client.delete_analyzer, analyzerName=names.trail))
    if bucket.bucket_exists(s3, bucket_name):
        yield Doomed("bucket of the trail", bucket_name, partial(empty_and_remove, s3, bucket_name))


def _bucket(clients: Clients, names: Names, account: str) -> Iterator[Doomed]:
    s3, name = clients.client("s3"), names.bucket(account)
    if bucket.bucket_exists(s3, name):
        yield Doomed("bucket with every version in it", name, partial(empty_and_remove, s3, name))


def empty_and_remove(s3: Any, name: str) -> None:
    """Delete every version, locked ones too, and every unfinished upload of the bucket, then the bucket."""
    bypass = {"BypassGovernanceRetention": True} if bucket.read_lock(s3, name)[0] else {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        for start in range(0, len(keys), DELETE_AT_ONCE):
            some = {"Objects": keys[start : start + DELETE_AT_ONCE], "Quiet": True}
            s3.delete_objects(Bucket=name, Delete=some, **bypass)
    for upload in pages(s3, "list_multipart_uploads", "Uploads", Bucket=name):
        s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=name)


def release_address(ec2: Any, address: Mapping[str, Any]) -> None:
    """Take an Elastic IP off its host and give it back."""
    if address.get("AssociationId"):
        ec2.disassociate_address(AssociationId=address["AssociationId"])
    ec2.release_address(AllocationId=address["AllocationId"])


def remove_role(iam: Any, name: str) -> None:
    """Remove a role with its policies and its instance profile; nothing happens when it is not there."""
    found = read_role(iam, name)
    if found is None:
        return
    for profile in found["profiles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=name)
        iam.delete_instance_profile(InstanceProfileName=profile)
    for policy in found["policies"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    for arn in found["attached"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    iam.delete_role(RoleName=name)
