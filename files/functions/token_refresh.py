"""token-refresh: an access token without a login, at 07:00 Indian time, where the broker still allows that."""

from collections.abc import Mapping
from typing import Any

from harvester.alerts.channels import deliver
from harvester.alerts.renewals import message_of
from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.redaction import redact
from harvester.page.function import api_url, channels, remedy, renewal_stores, setting
from harvester.tokens.renewal import renew


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """{"outcome": kind}. Raises HarvesterError when trying again may help: the scheduler does."""
    outcome = renew(
        renewal_stores(),
        app_id=setting("APP_ID"),
        api_url=api_url(),
        account=setting("ACCOUNT"),
        wall_ns=SystemClock().wall_ns(),
    )
    print(redact(f"{outcome.kind}: {outcome.detail}"))
    message = message_of(outcome, remedy() if outcome.new or outcome.days else "")
    if message:
        for delivery in deliver(channels(), message):
            print(redact(f"{delivery.channel}: {delivery.problem or 'sent'}"))
    if outcome.kind == "later":
        raise HarvesterError(redact(outcome.detail))
    return {"outcome": outcome.kind}
