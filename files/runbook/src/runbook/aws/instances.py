"""What belongs to hosts: their disks and their Elastic IPs."""

from collections.abc import Mapping, Sequence
from typing import Any

from runbook.aws.outcome import as_tag_dict, pages


def find_disks(ec2: Any, hosts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The root volumes of these hosts, as `look.find_instances` gives them; sizes in GiB."""
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


def release_address(ec2: Any, address: Mapping[str, Any]) -> None:
    """Take an Elastic IP off its host and give it back."""
    if address.get("AssociationId"):
        ec2.disassociate_address(AssociationId=address["AssociationId"])
    ec2.release_address(AllocationId=address["AllocationId"])
