"""Messages of what was delivered well, of deliveries that have `tell_each`."""

from harvester.alerts.inbox import post
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings

ROUND_SECONDS, ROUNDS = 300, 24
"""Of one cause people are told once an hour (alerts.message), so one of two hours ago has another. Two dozen causes are
few enough that the book of the alerts has room for all else."""


def tell_success(settings: Settings, delivery: DeliverySettings, text: str, now_ns: int) -> None:
    """Hand a message in, where it is wanted. What was delivered is delivered without it as well."""
    if not delivery.tell_each:
        return
    cause = f"delivered {now_ns // (ROUND_SECONDS * NS_PER_SECOND) % ROUNDS}"
    try:
        post(settings.alerts.inbox, Notice(Severity.INFO, cause, f"delivery {delivery.name}", settings.host_id, text))
    except HarvesterError as error:
        print(f"nobody is told: {error}")
