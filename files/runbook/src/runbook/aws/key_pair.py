"""The key pair that new hosts are given; Ansible's module for it reports a change in every check."""

from collections.abc import Mapping
from typing import Any

from runbook.aws.outcome import Clients, Outcome, as_tag_dict, as_tag_list, with_tags


def ensure_key_pair(
    clients: Clients, name: str, public_key: str, tags: Mapping[str, str], *, dry: bool = False
) -> Outcome:
    """Import the public key under that name; another key under that name is replaced. Hosts keep the key they have."""
    ec2 = clients.client("ec2")
    material = " ".join(public_key.split()[:2])
    before = _find(ec2, name)
    found = before.get(name)
    after: dict[str, Any] = {name: {"key": material, "tags": with_tags(tags, found["tags"] if found else {})}}
    if dry or before == after:
        return Outcome(before, after)
    if found and found["key"] != material:
        ec2.delete_key_pair(KeyName=name)
    if not found or found["key"] != material:
        specification = [{"ResourceType": "key-pair", "Tags": as_tag_list(after[name]["tags"])}]
        ec2.import_key_pair(KeyName=name, PublicKeyMaterial=material.encode(), TagSpecifications=specification)
    else:
        identity = ec2.describe_key_pairs(KeyNames=[name])["KeyPairs"][0]["KeyPairId"]
        ec2.create_tags(Resources=[identity], Tags=as_tag_list(after[name]["tags"]))
    return Outcome(before, after)


def _find(ec2: Any, name: str) -> dict[str, Any]:
    pairs = ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": [name]}], IncludePublicKey=True)["KeyPairs"]
    return {
        pair["KeyName"]: {"key": " ".join(pair.get("PublicKey", "").split()[:2]), "tags": as_tag_dict(pair.get("Tags"))}
        for pair in pairs
    }
