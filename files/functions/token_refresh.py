"""token-refresh: an access token without a login, from 07:00 market time, where the broker still allows that.

Called every ten minutes until one has worked, or until the last call of the morning, which fails where the others did.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from harvester.alerts.channels import deliver
from harvester.alerts.renewals import message_of
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.market import zone
from harvester.base.redaction import redact
from harvester.page.function import api_url, channels, remedy, renewal_stores, setting
from harvester.tokens.renewal import renew

LAST_CALL = time(8, 50)
REST = timedelta(hours=12)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """{"outcome": kind}. Raises HarvesterError when trying again might have helped, and nothing tries again today.

    `event["now"]`: the time of the schedule; a call without it is the only one.
    """
    outcome = renew(
        renewal_stores(),
        app_id=setting("APP_ID"),
        api_url=api_url(),
        account=setting("ACCOUNT"),
        wall_ns=SystemClock().wall_ns(),
        rest_ns=int(REST.total_seconds()) * NS_PER_SECOND if event.get("now") else 0,
    )
    print(redact(f"{outcome.kind}: {outcome.detail}"))
    message = message_of(outcome, remedy() if outcome.new or outcome.days else "")
    if message:
        for delivery in deliver(channels(), message):
            print(redact(f"{delivery.channel}: {delivery.problem or 'sent'}"))
    called = datetime.fromisoformat(event["now"]).astimezone(zone()).time() if event.get("now") else LAST_CALL
    if outcome.kind == "later" and called >= LAST_CALL:
        raise HarvesterError(redact(outcome.detail))
    return {"outcome": outcome.kind}
