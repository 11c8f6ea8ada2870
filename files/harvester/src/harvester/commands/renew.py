"""harvester renew: an access token without a login, where the broker still allows that; a timer runs it at 07:00."""

import argparse
import json
import time
from collections.abc import Callable

import structlog

from harvester.alerts.host import REMEDY
from harvester.alerts.inbox import InboxChannel
from harvester.alerts.message import Message
from harvester.alerts.renewals import message_of
from harvester.base.clock import SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.logs import configure_logs
from harvester.config.settings import Settings
from harvester.tokens.places import open_place
from harvester.tokens.renewal import RenewalOutcome, Stores, forget, remembered, renew

log = structlog.get_logger()
PAUSES_SECONDS = (60, 300, 900, 1800)
"""Between tries while the broker or the store has no time; the last one is over before the first reminder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--remembered", action="store_true", help="only print what is held against the next try")
    instead.add_argument("--forget", action="store_true", help="only forget that, so that the next run tries again")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Raises HarvesterError when the token was not renewed; a login is needed then."""
    configure_logs(debug=args.debug)
    token, parts = settings.token, settings.token.renew
    places = (token.place, parts.refresh_token, parts.pin, parts.app_secret, parts.state)
    stores = Stores(*(open_place(place, token.region) for place in places))
    if args.remembered:
        held = remembered(stores.state)
        print(json.dumps({"kind": held.kind, "detail": held.detail} if held else {}))
        return 0
    if args.forget:
        forget(stores.state)
        print(f"{stores.state.place}: forgotten; the next run tries again")
        return 0
    outcome = _try(settings, stores)
    log.info("renewal", outcome=outcome.kind, detail=outcome.detail)
    message = message_of(outcome, REMEDY)
    if message:
        _tell(settings, message)
    if outcome.kind not in ("renewed", "not_set_up"):
        raise HarvesterError(f"The token was not renewed: {outcome.detail}")
    return 0


def _try(settings: Settings, stores: Stores, sleep: Callable[[float], None] = time.sleep) -> RenewalOutcome:
    """What became of it in the end. A refusal is final; what may succeed later is tried again."""
    broker, clock = settings.broker, SystemClock()
    for pause in (*PAUSES_SECONDS, None):
        outcome = renew(stores, app_id=broker.app_id, api_url=broker.api_url, account=None, wall_ns=clock.wall_ns())
        if outcome.kind != "later" or pause is None:
            break
        log.warning("renewal_later", detail=outcome.detail, retry_seconds=pause)
        sleep(pause)
    return outcome


def _tell(settings: Settings, message: Message) -> None:
    problem = InboxChannel(settings.alerts.inbox, source="refresh", host=settings.host_id).send(message)
    if problem:  # what became of the token counts, whoever can be told of it
        log.warning("nobody_told", cause=message.cause, detail=problem)
