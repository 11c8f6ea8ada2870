"""IAM roles as they are, and their removal."""

from collections.abc import Iterable
from typing import Any

from runbook.aws.outcome import as_tag_dict, pages


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
