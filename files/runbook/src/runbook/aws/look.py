"""One look at the account before anything changes: who, where, which image and subnet, which hosts are there."""

from collections.abc import Mapping, Sequence
from typing import Any

from harvester.base import aws_names
from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError
from runbook.aws.identity import inline_policies
from runbook.aws.instances import addresses_by_host, find_disks
from runbook.aws.outcome import Clients, as_tag_dict, pages
from runbook.aws.parameters import refuse_plain_text
from runbook.aws.topic import find_subscriptions

IMAGE_PARAMETER = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{architecture}/hvm/ebs-gp3/ami-id"
"""The vendor's public parameter: https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/"""
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
ALIVE = ["pending", "running", "stopping", "stopped"]


def look(
    clients: Clients,
    names: Names,
    *,
    expected_account: str = "",
    instance_type: str,
    subnet: str = "",
    functions: Sequence[str] = (),
) -> Any:
    """Everything that the roles need to know, as one dictionary; ConfigError for an account that cannot be used.

    `functions`, those of the environment, are handed on: several roles go by them. What the collections' modules cannot
    see in a check, or cannot see at all, is looked at here: policies by role, subscriptions, the key, disks, addresses.
    """
    caller = clients.client("sts").get_caller_identity()
    account = caller["Account"]
    if expected_account and account != expected_account:
        raise ConfigError(
            f"These credentials belong to account {account}, and aws_account_id says {expected_account}: nothing was "
            "touched. Choose the right profile, or correct aws_account_id."
        )
    secrets = [names.parameter(secret) for secret in aws_names.SECRETS]
    refuse_plain_text(clients.client("ssm"), names.parameter_prefix, secrets)
    ec2, partition = clients.client("ec2"), caller["Arn"].split(":")[1]
    place = find_subnet(ec2, instance_type, subnet)
    image_id, device = find_image(clients, ec2, instance_type)
    hosts = find_instances(ec2, names)
    topic = f"arn:{partition}:sns:{names.region}:{account}:{names.topic}"
    return {
        "account": account,
        "arn": caller["Arn"],
        "partition": partition,
        "names": describe(names, account),
        "image_id": image_id,
        "root_device": device,
        "functions": list(functions),
        "instances": hosts,
        "disks": find_disks(ec2, hosts),
        "addresses": addresses_by_host(ec2, names.tags),
        "key": find_key(ec2, names.key_pair),
        "policies": inline_policies(clients.client("iam"), [names.role(role) for role in aws_names.ROLES]),
        "subscriptions": find_subscriptions(clients.client("sns"), topic),
        **place,
    }


def describe(names: Names, account: str) -> dict[str, Any]:
    """The names as the roles read them."""
    return {
        "stem": names.stem,
        "region": names.region,
        "tags": names.tags,
        "bucket": names.bucket(account),
        "topic": names.topic,
        "roles": {name: names.role(name) for name in aws_names.ROLES},
        "functions": {name: names.function(name) for name in aws_names.FUNCTIONS},
        "log_groups": {name: names.function_log_group(name) for name in aws_names.FUNCTIONS},
        "parameter_prefix": names.parameter_prefix,
        "parameters": {name: names.parameter(name) for name in aws_names.SECRETS},
        "schedule_group": names.schedule_group,
        "key_pair": names.key_pair,
        "security_group": names.security_group,
        "dashboard": names.dashboard,
        "budget": names.budget,
        "database": names.database,
        "namespace": aws_names.NAMESPACE,
        "lake_prefix": aws_names.LAKE_PREFIX,
    }


def find_subnet(ec2: Any, instance_type: str, wanted: str = "") -> dict[str, str]:
    """The subnet for new hosts: the wanted one, or the default subnet of the first zone that has the type."""
    if wanted:
        subnet = ec2.describe_subnets(SubnetIds=[wanted])["Subnets"][0]
        return {"subnet_id": wanted, "vpc_id": subnet["VpcId"], "zone": subnet["AvailabilityZone"]}
    offerings = pages(
        ec2,
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [instance_type]}],
    )
    zones = sorted(offering["Location"] for offering in offerings)
    if not zones:
        raise ConfigError(f"No zone of this region offers {instance_type!r}. Correct aws_host_instance_type.")
    subnets = ec2.describe_subnets(
        Filters=[{"Name": "default-for-az", "Values": ["true"]}, {"Name": "availability-zone", "Values": zones}]
    )["Subnets"]
    if not subnets:
        raise ConfigError(
            "This region has no default subnet. Make one with `aws ec2 create-default-vpc`, or name a public subnet in "
            "aws_account_subnet."
        )
    first = min(subnets, key=lambda subnet: str(subnet["AvailabilityZone"]))
    return {"subnet_id": first["SubnetId"], "vpc_id": first["VpcId"], "zone": first["AvailabilityZone"]}


def find_image(clients: Clients, ec2: Any, instance_type: str) -> tuple[str, str]:
    """Today's Ubuntu 24.04 of the type's architecture, and the name of its root device."""
    kinds = ec2.describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"]
    architecture = ARCHITECTURES[kinds[0]["ProcessorInfo"]["SupportedArchitectures"][0]]
    parameter = IMAGE_PARAMETER.format(architecture=architecture)
    image_id = clients.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    return image_id, ec2.describe_images(ImageIds=[image_id])["Images"][0]["RootDeviceName"]


def find_instances(ec2: Any, names: Names) -> list[dict[str, Any]]:
    """The hosts of this environment that are not terminated, by name."""
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in names.tags.items()]
    filters.append({"Name": "instance-state-name", "Values": ALIVE})
    found = [
        {
            "id": instance["InstanceId"],
            "name": as_tag_dict(instance.get("Tags")).get("Name", instance["InstanceId"]),
            "state": instance["State"]["Name"],
            "type": instance["InstanceType"],
            "image": instance["ImageId"],
            "address": instance.get("PublicIpAddress", ""),
            "subnet": instance.get("SubnetId", ""),
            "profile": instance.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2],
            "disk": _root_volume(instance),
        }
        for reservation in pages(ec2, "describe_instances", "Reservations", Filters=filters)
        for instance in reservation["Instances"]
    ]
    return sorted(found, key=lambda instance: (instance["name"], instance["id"]))


def _root_volume(instance: Mapping[str, Any]) -> str:
    """The id of an instance's root volume; empty while it has none yet."""
    ids = {mapping["DeviceName"]: mapping["Ebs"]["VolumeId"] for mapping in instance.get("BlockDeviceMappings", ())}
    return str(ids.get(instance.get("RootDeviceName"), ""))


def find_key(ec2: Any, name: str) -> str:
    """The public key of a key pair, without its comment; empty when there is no such pair."""
    filters = [{"Name": "key-name", "Values": [name]}]
    pairs = ec2.describe_key_pairs(Filters=filters, IncludePublicKey=True)["KeyPairs"]
    return " ".join(pairs[0].get("PublicKey", "").split()[:2]) if pairs else ""
