"""What is in the account, read and never changed: who, image and subnet, hosts, roles, topic, names of secrets.

Secrets have no tags. Their path names project and environment, and they are written when a token is pushed or a
link is used: a run that tags would have something to change each time, and those writers would need one more right.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harvester.base import aws_names
from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError
from runbook.aws.outcome import Clients, as_tag_dict, pages

IMAGE_PARAMETER = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{architecture}/hvm/ebs-gp3/ami-id"
"""The vendor's public parameter: https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/"""
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
ALIVE = ["pending", "running", "stopping", "stopped"]


def read_account(
    clients: Clients,
    names: Names,
    *,
    expected_account: str = "",
    instance_type: str,
    subnet: str = "",
    functions: Sequence[str] = (),
) -> Any:
    """Everything that the roles need to know, as one dictionary; ConfigError for an account that cannot be used.

    `functions`, those of the environment, are passed through for the roles. What the collections' modules cannot read
    in a check, or at all, is read here: policies by role, subscriptions, the key, disks, addresses.
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
        "trail": names.trail,
        "trail_bucket": names.trail_bucket(account),
        "topic": names.topic,
        "roles": {name: names.role(name) for name in aws_names.ROLES},
        "functions": {name: names.function(name) for name in aws_names.FUNCTIONS},
        "log_groups": {name: names.function_log_group(name) for name in aws_names.FUNCTIONS},
        "host_log_group": names.host_log_group,
        "parameter_prefix": names.parameter_prefix,
        "parameters": {name: names.parameter(name) for name in aws_names.SECRETS},
        "schwab_secret": names.schwab_secret,
        "schedule_group": names.schedule_group,
        "key_pair": names.key_pair,
        "security_group": names.security_group,
        "dashboard": names.dashboard,
        "budget": names.budget,
        "database": names.database,
        "namespace": aws_names.NAMESPACE,
        "lake_prefix": aws_names.LAKE_PREFIX,
        "worker_inbox": aws_names.WORKER_INBOX,
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


def find_disks(ec2: Any, hosts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The root volumes of these hosts, as `find_instances` gives them; sizes in GiB."""
    of_host = {host["disk"]: host["name"] for host in hosts if host["disk"]}
    if not of_host:
        return []
    return [
        {
            "host": of_host[volume["VolumeId"]],
            "id": volume["VolumeId"],
            "zone": volume["AvailabilityZone"],
            "gib": volume["Size"],
            "type": volume["VolumeType"],
            "encrypted": volume["Encrypted"],
            "tags": as_tag_dict(volume.get("Tags")),
        }
        for volume in pages(ec2, "describe_volumes", "Volumes", VolumeIds=sorted(of_host))
    ]


def find_addresses(ec2: Any, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Elastic IPs with these tags."""
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    found: list[dict[str, Any]] = ec2.describe_addresses(Filters=filters)["Addresses"]
    return found


def addresses_by_host(ec2: Any, tags: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The Elastic IP of each host, by its tags: one whose run died before it was attached is found again.

    {"ip", "instance": id of the instance that has it, or empty}. Of two with one name the attached one counts.
    """
    found = sorted(find_addresses(ec2, tags), key=lambda address: "InstanceId" in address)
    return {
        as_tag_dict(one["Tags"]).get("Name", ""): {"ip": one["PublicIp"], "instance": one.get("InstanceId", "")}
        for one in found
    }


def inline_policies(iam: Any, roles: Iterable[str]) -> dict[str, list[str]]:
    """The names of the inline policies of each of these roles that is there."""
    found = {}
    for name in roles:
        try:
            found[name] = sorted(pages(iam, "list_role_policies", "PolicyNames", RoleName=name))
        except iam.exceptions.NoSuchEntityException:
            continue
    return found


def read_role(iam: Any, name: str) -> dict[str, Any] | None:
    """What a role is now, or None."""
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None
    policies = list(pages(iam, "list_role_policies", "PolicyNames", RoleName=name))
    attached = pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    profiles = pages(iam, "list_instance_profiles_for_role", "InstanceProfiles", RoleName=name)
    return {
        "description": role.get("Description", ""),
        "trust": role["AssumeRolePolicyDocument"],
        "policies": {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in policies
        },
        "attached": sorted(policy["PolicyArn"] for policy in attached),
        "profiles": sorted(profile["InstanceProfileName"] for profile in profiles),
        "tags": as_tag_dict(iam.list_role_tags(RoleName=name)["Tags"]),
    }


def find_subscriptions(sns: Any, arn: str) -> list[dict[str, str]] | None:
    """Protocol and endpoint of each subscription to the topic; None when there is no such topic."""
    try:
        found = list(pages(sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn))
    except sns.exceptions.NotFoundException:
        return None
    return [{"protocol": one["Protocol"], "endpoint": one["Endpoint"]} for one in found]


def refuse_plain_text(ssm: Any, prefix: str, secrets: Iterable[str]) -> None:
    """ConfigError for a parameter of `secrets` that was stored as plain text; no value is read or decrypted."""
    found = find_parameters(ssm, prefix)
    plain = sorted(name for name in secrets if found.get(name, "SecureString") != "SecureString")
    if plain:
        raise ConfigError(
            f"{', '.join(plain)} is stored as plain text. Delete it (`aws ssm delete-parameter --name ...`), store it "
            "again with the command that the runbook names, and replace the secret: others may have read it."
        )


def find_parameters(ssm: Any, prefix: str) -> dict[str, str]:
    """Names below the prefix, and their types."""
    filters = [{"Key": "Path", "Option": "Recursive", "Values": [prefix]}]
    listed = pages(ssm, "describe_parameters", "Parameters", ParameterFilters=filters)
    return {parameter["Name"]: parameter["Type"] for parameter in listed}


def has_secret(manager: Any, name: str) -> bool:
    """Whether Secrets Manager has a secret of this name, and is not about to remove it."""
    asked = [{"Key": "name", "Values": [name]}]
    return name in {secret["Name"] for secret in pages(manager, "list_secrets", "SecretList", Filters=asked)}
