"""What belongs to a host and what Ansible's ec2_instance leaves as it is: volume, metadata, address, profile."""

from collections.abc import Mapping
from typing import Any

from harvester.base.errors import ConfigError
from runbook.aws.outcome import Clients, Outcome, as_tag_dict, as_tag_list, with_tags

METADATA = {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}
"""IMDSv2 alone, and no further than the host itself."""


def ensure_parts(
    clients: Clients,
    hosts: Mapping[str, str],
    tags: Mapping[str, str],
    *,
    volume_gib: int,
    instance_profile: str,
    elastic_ip: bool,
    dry: bool = False,
) -> Outcome:
    """Give each host (name to instance id) its volume size and type, its tags, its profile and its address.

    A host without an id is yet to be made, as in a check. A volume never shrinks. ConfigError for what cannot be
    mended in place: an unencrypted root volume.
    """
    ec2 = clients.client("ec2")
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    reached: dict[str, dict[str, str]] = {}
    for name, instance_id in hosts.items():
        if not instance_id:
            after[name] = f"{volume_gib} GiB of gp3, {'with' if elastic_ip else 'without'} an address of its own"
            continue
        instance = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        volume = _root_volume(ec2, instance)
        address = _address(ec2, name, tags, instance_id)
        worn = _profile(ec2, instance_id)
        own_tags = {**tags, "Name": name}
        before[name] = {
            "volume": {"gib": volume["Size"], "type": volume["VolumeType"]},
            "volume_tags": as_tag_dict(volume.get("Tags")),
            "metadata": {key: instance["MetadataOptions"].get(key) for key in METADATA},
            "profile": worn.get("name"),
            "elastic_ip": (address or {}).get("InstanceId") == instance_id,
        }
        after[name] = {
            "volume": {"gib": max(volume["Size"], volume_gib), "type": "gp3"},
            "volume_tags": with_tags(own_tags, before[name]["volume_tags"]),
            "metadata": METADATA,
            "profile": instance_profile,
            "elastic_ip": elastic_ip,
        }
        if not dry:
            _mend_volume(ec2, volume, before[name], after[name])
            if before[name]["metadata"] != METADATA:
                ec2.modify_instance_metadata_options(InstanceId=instance_id, **METADATA)
            if worn.get("name") != instance_profile:
                _wear(ec2, instance_id, instance_profile, worn.get("association"))
            address = _mend_address(ec2, instance_id, address, own_tags, wanted=elastic_ip)
        public = (address or {}).get("PublicIp", "") or instance.get("PublicIpAddress", "")
        reached[name] = {"id": instance_id, "address": public}
    return Outcome(before, after, {"hosts": reached})


def _root_volume(ec2: Any, instance: Mapping[str, Any]) -> Any:
    root = [
        mapping["Ebs"]["VolumeId"]
        for mapping in instance["BlockDeviceMappings"]
        if mapping["DeviceName"] == instance["RootDeviceName"]
    ]
    volume = ec2.describe_volumes(VolumeIds=root)["Volumes"][0]
    if not volume["Encrypted"]:
        raise ConfigError(
            f"The root volume of {instance['InstanceId']} is not encrypted, and that cannot be changed in place. "
            "Run ./inv replace-host for it: the new host has an encrypted one."
        )
    return volume


def _mend_volume(ec2: Any, volume: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    if before["volume"] != after["volume"]:
        size, kind = after["volume"]["gib"], after["volume"]["type"]
        ec2.modify_volume(VolumeId=volume["VolumeId"], Size=size, VolumeType=kind)
    if before["volume_tags"] != after["volume_tags"]:
        ec2.create_tags(Resources=[volume["VolumeId"]], Tags=as_tag_list(after["volume_tags"]))


def _profile(ec2: Any, instance_id: str) -> dict[str, str]:
    found = ec2.describe_iam_instance_profile_associations(Filters=[{"Name": "instance-id", "Values": [instance_id]}])
    for association in found["IamInstanceProfileAssociations"]:
        if association["State"] in ("associating", "associated"):
            arn = association["IamInstanceProfile"]["Arn"]
            return {"name": arn.rsplit("/", 1)[1], "association": association["AssociationId"]}
    return {}


def _wear(ec2: Any, instance_id: str, profile: str, association: str | None) -> None:
    if association:
        ec2.replace_iam_instance_profile_association(AssociationId=association, IamInstanceProfile={"Name": profile})
    else:
        ec2.associate_iam_instance_profile(InstanceId=instance_id, IamInstanceProfile={"Name": profile})


def find_addresses(ec2: Any, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Elastic IPs with these tags."""
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    found: list[dict[str, Any]] = ec2.describe_addresses(Filters=filters)["Addresses"]
    return found


def _address(ec2: Any, name: str, tags: Mapping[str, str], instance_id: str) -> dict[str, Any] | None:
    """The host's Elastic IP: by its tags, so that one whose run died before it was attached is found again."""
    found = find_addresses(ec2, {**tags, "Name": name})
    found.sort(key=lambda address: address.get("InstanceId") != instance_id)
    return found[0] if found else None


def _mend_address(
    ec2: Any, instance_id: str, address: dict[str, Any] | None, tags: Mapping[str, str], *, wanted: bool
) -> dict[str, Any] | None:
    if not wanted:
        if address:
            release_address(ec2, address)
        return None
    if address is None:
        specification = [{"ResourceType": "elastic-ip", "Tags": as_tag_list(tags)}]
        address = ec2.allocate_address(Domain="vpc", TagSpecifications=specification)
    if address.get("InstanceId") != instance_id:
        ec2.associate_address(InstanceId=instance_id, AllocationId=address["AllocationId"], AllowReassociation=True)
    return address


def release_address(ec2: Any, address: Mapping[str, Any]) -> None:
    """Take an Elastic IP off its host and give it back."""
    if address.get("AssociationId"):
        ec2.disassociate_address(AssociationId=address["AssociationId"])
    ec2.release_address(AllocationId=address["AllocationId"])
