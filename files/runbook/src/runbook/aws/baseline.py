"""What belongs to the whole account, for which there is no module: closed buckets, encrypted disks, Access Analyzer."""

from collections.abc import Mapping
from typing import Any

from runbook.aws.bucket import BLOCKED
from runbook.aws.outcome import Clients, Outcome, pages


def ensure_account(
    clients: Clients, account: str, analyzer: str, tags: Mapping[str, str], *, dry: bool = False
) -> Outcome:
    """S3 closed to the public, disks encrypted by default, and an analyzer of what others may reach, ours or another's.

    One analyzer of its kind is all that AWS allows in a region.
    """
    s3, ec2 = clients.client("s3control"), clients.client("ec2")
    found = {
        "public_access": read_public_access(s3, account),
        "disks_encrypted": bool(ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]),
        "analyzer": bool(analyzers(clients)),
    }
    wanted = {"public_access": BLOCKED, "disks_encrypted": True, "analyzer": True}
    if not dry:
        if found["public_access"] != BLOCKED:
            s3.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=BLOCKED)
        if not found["disks_encrypted"]:
            ec2.enable_ebs_encryption_by_default()
        if not found["analyzer"]:
            client = clients.client("accessanalyzer")
            client.create_analyzer(analyzerName=analyzer, type="ACCOUNT", tags=dict(tags))
    return Outcome(found, wanted)


def read_public_access(s3: Any, account: str) -> dict[str, bool]:
    """The account's own switches, empty where they were never set."""
    from botocore.exceptions import ClientError

    try:
        found: dict[str, bool] = s3.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchPublicAccessBlockConfiguration":
            raise
        return {}
    return found


def analyzers(clients: Clients) -> dict[str, dict[str, str]]:
    """Analyzers of outside access in this region: their tags by name."""
    listed = pages(clients.client("accessanalyzer"), "list_analyzers", "analyzers")
    return {one["name"]: dict(one.get("tags", {})) for one in listed if one["type"] in ("ACCOUNT", "ORGANIZATION")}
