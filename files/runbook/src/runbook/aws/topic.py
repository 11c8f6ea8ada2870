"""The topic of alerts: whether it is there, and who is subscribed to it."""

from typing import Any

from runbook.aws.outcome import pages


def find_subscriptions(sns: Any, arn: str) -> list[dict[str, str]] | None:
    """Protocol and endpoint of each subscription to the topic; None when there is no such topic."""
    try:
        found = list(pages(sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn))
    except sns.exceptions.NotFoundException:
        return None
    return [{"protocol": one["Protocol"], "endpoint": one["Endpoint"]} for one in found]
