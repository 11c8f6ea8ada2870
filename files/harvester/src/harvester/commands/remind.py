"""harvester remind: one look at the token; a message to people when one is due. A timer runs it every five minutes."""

import argparse
import json
from typing import Any

import structlog

from harvester.alerts import host
from harvester.alerts.channels import deliver
from harvester.alerts.losses import decide_losses, find_losses
from harvester.alerts.reminders import is_lost
from harvester.alerts.round import Round, look
from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError, HarvesterError, UnhealthyError
from harvester.base.logs import configure_logs
from harvester.base.redaction import Secret
from harvester.calendar import TradingCalendar
from harvester.capture.status import read_status
from harvester.config.segments import calendars_of
from harvester.config.settings import Settings
from harvester.tokens.stores import FileStore

log = structlog.get_logger()
LOSSES = "losses"
"""File beside the memory of the reminders that remembers which losses were told."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "On a trading day 60, 30 and 10 minutes before the opening and 5 after it, then every two hours."


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Raises HarvesterError when there was something to say and no channel took it."""
    configure_logs(debug=args.debug)
    now_ns = SystemClock().wall_ns()
    calendar = TradingCalendar.load(settings.calendar.file)
    today = calendar.trading_date(now_ns)
    day = host.day_of(calendars_of(settings, calendar), today, settings.calendar.phases)
    try:
        status = read_status(settings.status_file)
    except UnhealthyError:
        status = None
    if status:
        _tell_losses(settings, status, now_ns)
    state = host.judge_status(status, day, now_ns, settings.host_id)
    if state.cause and state.cause not in settings.alerts.causes:
        if not is_lost(now_ns, day):
            log.info("left_to_another_sender", cause=state.cause, detail=state.detail)
            return 0
        state = state._replace(detail=f"on {settings.host_id} {state.detail}")
    try:
        done = look(
            now_ns,
            day,
            state,
            memory=FileStore(settings.alerts.memory),
            channels=lambda: host.open_channels(settings.alerts),
            remedy=lambda: host.remedy_of(state),
        )
    except ConfigError as error:
        log.warning("nobody_told", cause=state.cause, detail=str(error))  # in the log is all that can be done
        return 0
    _report(done)
    if done.reached_nobody:
        raise HarvesterError("No channel took the message; the next look tries again. Try them: ./inv notify-test.")
    return 0


def _tell_losses(settings: Settings, status: dict[str, Any], now_ns: int) -> None:
    """Tell people of what this host loses besides the token. What no channel took is said again at the next look."""
    store = FileStore(settings.alerts.memory.with_name(LOSSES))
    try:
        stored = store.read()
        memory = json.loads(stored.value.get_secret_value()) if stored else {}
        told = decide_losses(find_losses(status, now_ns, settings.host_id), memory)
        if not told.messages:
            return
        channels = host.open_channels(settings.alerts)
        deliveries = [delivery for message in told.messages for delivery in deliver(channels, message)]
        _report(Round(told.messages, deliveries, ""))
        if any(not delivery.problem for delivery in deliveries):
            store.write(Secret(json.dumps(told.memory)))
    except (HarvesterError, ValueError) as error:
        log.warning("nobody_told", cause="losses", detail=str(error))  # in the log is all that can be done


def _report(done: Round) -> None:
    for message in done.messages:
        log.info("message", severity=message.severity.name.lower(), cause=message.cause, title=message.title)
    for delivery in done.deliveries:
        if delivery.problem:
            log.warning("channel_failed", channel=delivery.channel, detail=delivery.problem)
    if done.trouble:
        log.warning("memory_failed", detail=done.trouble)
