"""The topic of alerts and its e-mail subscription; Ansible's module for it cannot check a topic that is not there."""

from collections.abc import Mapping
from typing import Any

from runbook.aws.outcome import Clients, Outcome, as_tag_dict, as_tag_list, pages, with_tags

PENDING = "PendingConfirmation"


def ensure_topic(clients: Clients, arn: str, email: str, tags: Mapping[str, str], *, dry: bool = False) -> Outcome:
    """The topic with this ARN, and this address alone among its e-mail subscriptions; others than e-mail are left.

    `values["pending"]` says whether the address has yet to confirm AWS's mail.
    """
    sns = clients.client("sns")
    found = read_topic(sns, arn)
    mails = _mails(sns, arn) if found is not None else {}
    before = {arn: {"emails": sorted(mails), "tags": found}} if found is not None else {}
    after = {arn: {"emails": [email] if email else [], "tags": with_tags(tags, found or {})}}
    if not dry and before != after:
        if found is None:
            sns.create_topic(Name=arn.rsplit(":", 1)[1], Tags=as_tag_list(tags))
        elif found != after[arn]["tags"]:
            sns.tag_resource(ResourceArn=arn, Tags=as_tag_list(tags))
        for other in mails.keys() - {email}:
            if mails[other] != PENDING:  # AWS drops those by itself after a while
                sns.unsubscribe(SubscriptionArn=mails[other])
        if email and email not in mails:
            mails[email] = sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=email)["SubscriptionArn"]
    return Outcome(before, after, {"pending": mails.get(email, "").lower().startswith("pending")})


def read_topic(sns: Any, arn: str) -> dict[str, str] | None:
    """The tags of the topic, or None when it is not there."""
    try:
        return as_tag_dict(sns.list_tags_for_resource(ResourceArn=arn)["Tags"])
    except (sns.exceptions.ResourceNotFoundException, sns.exceptions.NotFoundException):
        return None


def _mails(sns: Any, arn: str) -> dict[str, str]:
    subscriptions = pages(sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn)
    return {one["Endpoint"]: one["SubscriptionArn"] for one in subscriptions if one["Protocol"] == "email"}
