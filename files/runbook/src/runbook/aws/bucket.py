"""The bucket with all its settings: Ansible's modules for it have no check mode."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harvester.base.errors import ConfigError
from runbook.aws.outcome import Clients, Outcome, as_tag_dict, as_tag_list, with_tags

BLOCKED = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
ENCRYPTION = "AES256"
OWNERSHIP = "BucketOwnerEnforced"
GOVERNANCE = "GOVERNANCE"
"""The mode in which who may `s3:BypassGovernanceRetention`, such as an administrator, can remove what is locked."""
NOTHING = {
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchTagSet",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
}


def ensure_bucket(
    clients: Clients,
    name: str,
    region: str,
    policy: Mapping[str, Any],
    lifecycle: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
    lock_days: int = 0,
    *,
    dry: bool = False,
) -> Outcome:
    """The bucket versioned, encrypted, closed to the public, with this policy and these lifecycle rules.

    `lock_days`: new versions cannot be removed for so long (Object Lock, governance).
    ConfigError when the name belongs to another account.
    """
    s3 = clients.client("s3")
    exists = bucket_exists(s3, name)
    found = read_bucket(s3, name) if exists else None
    wanted = {
        "versioning": "Enabled",
        "encryption": ENCRYPTION,
        "public_access": BLOCKED,
        "ownership": OWNERSHIP,
        "policy": dict(policy),
        "lifecycle": sorted((dict(rule) for rule in lifecycle), key=lambda rule: str(rule["ID"])),
        "tags": with_tags(tags, found["tags"] if found else {}),
        "lock_days": lock_days,
    }
    if not dry:
        if not exists:
            create_bucket(s3, name, region)
        for aspect, write in _writers(s3, name, wanted).items():
            if found is None or found[aspect] != wanted[aspect]:
                write()
    return Outcome({name: found} if found else {}, {name: wanted})


def bucket_exists(s3: Any, name: str) -> bool:
    """Whether the bucket is there. ConfigError when it is another account's."""
    try:
        s3.head_bucket(Bucket=name)
    except s3.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return False
        if status in (301, 403):
            raise ConfigError(
                f"The bucket {name} exists, and this account may not look at it: the name is taken by another account "
                "or region. Put a name of your own in aws_account_bucket, then run it again."
            ) from None
        raise
    return True


def create_bucket(s3: Any, name: str, region: str) -> None:
    """Make the bucket in the region; us-east-1 is asked for by saying nothing."""
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **place)
    s3.get_waiter("bucket_exists").wait(Bucket=name)


def read_bucket(s3: Any, name: str) -> dict[str, Any]:
    """The bucket's settings as they are."""
    rules = _ask(s3.get_bucket_encryption, name).get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    defaults = [rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules]
    owners = _ask(s3.get_bucket_ownership_controls, name).get("OwnershipControls", {}).get("Rules", [])
    lifecycle = _ask(s3.get_bucket_lifecycle_configuration, name).get("Rules", [])
    return {
        "versioning": s3.get_bucket_versioning(Bucket=name).get("Status", "never"),
        "encryption": defaults[0] if defaults else None,
        "public_access": _ask(s3.get_public_access_block, name).get("PublicAccessBlockConfiguration", {}),
        "ownership": owners[0]["ObjectOwnership"] if owners else None,
        "policy": json.loads(_ask(s3.get_bucket_policy, name).get("Policy", "{}")),
        "lifecycle": sorted(lifecycle, key=lambda rule: str(rule["ID"])),
        "lock_days": read_lock(s3, name)[1],
        "tags": as_tag_dict(_ask(s3.get_bucket_tagging, name).get("TagSet")),
    }


def read_lock(s3: Any, name: str) -> tuple[bool, int]:
    """Whether the bucket has Object Lock, which then stays, and for how many days new versions are locked; 0: not."""
    found = _ask(s3.get_object_lock_configuration, name).get("ObjectLockConfiguration", {})
    default = found.get("Rule", {}).get("DefaultRetention", {})
    days = int(default.get("Days") or 0) if default.get("Mode") == GOVERNANCE else -bool(default)
    return found.get("ObjectLockEnabled") == "Enabled", days


def write_lock(s3: Any, name: str, days: int) -> None:
    """Lock versions for so many days from their birth on; what is there already stays as it is. Needs versioning."""
    rule = {"Rule": {"DefaultRetention": {"Mode": GOVERNANCE, "Days": days}}} if days else {}
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", **rule})


def _ask(call: Callable[..., Any], name: str) -> dict[str, Any]:
    """The answer, or nothing where that setting was never made."""
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = call(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] in NOTHING:
            return {}
        raise
    return answer


def _writers(s3: Any, name: str, wanted: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": ENCRYPTION}}
    return {
        "public_access": lambda: s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=wanted["public_access"]
        ),
        "versioning": lambda: s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"}),
        "encryption": lambda: s3.put_bucket_encryption(
            Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]}
        ),
        "ownership": lambda: s3.put_bucket_ownership_controls(
            Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": OWNERSHIP}]}
        ),
        "policy": lambda: s3.put_bucket_policy(Bucket=name, Policy=json.dumps(wanted["policy"])),
        "lifecycle": lambda: s3.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration={"Rules": wanted["lifecycle"]}
        ),
        "lock_days": lambda: write_lock(s3, name, int(wanted["lock_days"])),
        "tags": lambda: s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": as_tag_list(wanted["tags"])}),
    }
