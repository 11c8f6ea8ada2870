"""IAM roles with exactly one inline policy each: what else somebody attached is taken off again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runbook.aws.outcome import Clients, Outcome, as_tag_dict, as_tag_list, pages, with_tags

POLICY = "exactly-this"


def ensure_roles(
    clients: Clients,
    roles: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
    *,
    absent: Sequence[str] = (),
    dry: bool = False,
) -> Outcome:
    """Make each role as wanted: {"name", "description", "trust", "policy", "profile": whether hosts wear it}.

    `policy` and `trust` are policy documents. The diff shows both in full. Roles named in `absent` are removed.
    """
    iam = clients.client("iam")
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for role in roles:
        name = role["name"]
        found = read_role(iam, name)
        if found:
            before[name] = found
        after[name] = _wanted(role, tags, found)
        if not dry and found != after[name]:
            _make(iam, role, found, after[name])
    for name in absent:
        if (found := read_role(iam, name)) is not None:
            before[name] = found
            if not dry:
                remove_role(iam, name)
    return Outcome(before, after)


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


def remove_role(iam: Any, name: str) -> None:
    """Remove a role with its policies and its instance profile; nothing happens when it is not there."""
    found = read_role(iam, name)
    if found is None:
        return
    for profile in found["profiles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=name)
        iam.delete_instance_profile(InstanceProfileName=profile)
    _strip(iam, name, found, keep=())
    iam.delete_role(RoleName=name)


def _wanted(role: Mapping[str, Any], tags: Mapping[str, str], found: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "description": role["description"],
        "trust": role["trust"],
        "policies": {POLICY: role["policy"]},
        "attached": [],
        "profiles": [role["name"]] if role.get("profile") else [],
        "tags": with_tags(tags, found["tags"] if found else {}),
    }


def _make(iam: Any, role: Mapping[str, Any], found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> None:
    name = role["name"]
    trust = json.dumps(wanted["trust"])
    if found is None:
        tags = as_tag_list(wanted["tags"])
        iam.create_role(RoleName=name, Description=role["description"], AssumeRolePolicyDocument=trust, Tags=tags)
    else:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        iam.update_role(RoleName=name, Description=role["description"])
        iam.tag_role(RoleName=name, Tags=as_tag_list(wanted["tags"]))
        _strip(iam, name, found, keep=(POLICY,))
    iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(role["policy"]))
    if wanted["profiles"]:
        _wear(iam, name, wanted["tags"])


def _strip(iam: Any, name: str, found: Mapping[str, Any], keep: Sequence[str]) -> None:
    for policy in set(found["policies"]) - set(keep):
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    for arn in found["attached"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)


def _wear(iam: Any, name: str, tags: Mapping[str, str]) -> None:
    """An instance profile of the role's name with the role in it, whatever of that is there already."""
    try:
        profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    except iam.exceptions.NoSuchEntityException:
        profile = iam.create_instance_profile(InstanceProfileName=name, Tags=as_tag_list(tags))["InstanceProfile"]
        iam.get_waiter("instance_profile_exists").wait(InstanceProfileName=name)
    worn = [role["RoleName"] for role in profile["Roles"]]
    for stranger in set(worn) - {name}:
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=stranger)
    if name not in worn:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
