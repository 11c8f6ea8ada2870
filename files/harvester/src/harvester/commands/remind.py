"""harvester remind: one look at the token; a notice to people when one is due. A timer runs it every five minutes."""

import argparse

import structlog

from harvester.alerts import host
from harvester.alerts.inbox import InboxChannel
from harvester.alerts.reminders import is_lost
from harvester.alerts.round import look
from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError, HarvesterError, UnhealthyError
from harvester.base.logs import configure_logs
from harvester.capture.status import read_status
from harvester.config.file import load_settings
from harvester.config.segments import calendars_of
from harvester.config.settings import Settings
from harvester.tokens.stores import FileStore

log = structlog.get_logger()
LOGIN = "token_too_short"
"""Who tells people of this tells them of a login's end: it is the same lack, seen earlier."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "On a trading day 60, 30 and 10 minutes before the opening and 5 after it, then every two hours."


def run(args: argparse.Namespace, _: None) -> int:
    """Raises HarvesterError when there was something to say and it could not be handed in, ConfigError when blind."""
    configure_logs(debug=args.debug)
    try:
        settings = load_settings(args.config)
    except ConfigError as error:
        raise ConfigError(f"Whether today's login is there cannot be looked at: {error}") from None
    return _look(settings)


def _look(settings: Settings) -> int:
    now_ns = SystemClock().wall_ns()
    calendar = host.read_calendar(settings)
    today = calendar.trading_date(now_ns)
    calendars, phases = calendars_of(settings, calendar), settings.calendar.phases
    day = host.day_of(calendars, today, phases)
    try:
        status = read_status(settings.status_file)
    except UnhealthyError:
        status = None
    state = host.judge_status(status, day, now_ns, settings.host_id)
    asks = LOGIN in settings.alerts.causes
    if state.cause and state.cause not in settings.alerts.causes:
        if not is_lost(now_ns, day):
            log.info("left_to_another_sender", cause=state.cause, detail=state.detail)
            return 0
        state = state._replace(detail=f"on {settings.host_id} {state.detail}")
    done = look(
        now_ns,
        day,
        state,
        memory=FileStore(settings.alerts.memory),
        channels=lambda: [InboxChannel(settings.alerts.inbox, source="reminder", host=settings.host_id)],
        remedy=lambda: host.remedy_of(state, settings.market),
        login=host.find_login(status, lambda: host.next_opening(calendars, today, phases)) if asks else None,
    )
    for message in done.messages:
        log.info("message", severity=message.severity.name.lower(), cause=message.cause, title=message.title)
    if done.trouble:
        log.warning("memory_failed", detail=done.trouble)
    if done.reached_nobody:
        raise HarvesterError(f"{done.deliveries[0].problem} The next look tries again.")
    return 0
