"""The reminders on a host: the recorder's own word for its token, the calendar, and the channels of the settings."""

from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from harvester.alerts.channels import Channel, SnsChannel, names_of, parse_channels
from harvester.alerts.reminders import SessionHours, TokenState, judge_token
from harvester.base.errors import ConfigError
from harvester.base.monitors import STALE_NS
from harvester.base.redaction import Secret
from harvester.calendar import PhaseName, TradingCalendar
from harvester.config.alerting import AlertSettings
from harvester.config.file import find_settings, load_settings
from harvester.config.segments import hours_of
from harvester.config.settings import Settings
from harvester.health.installed import find_installed
from harvester.tokens.places import open_place, storing
from harvester.tokens.stores import DeniedError

log = structlog.get_logger()
USER = "harvester-alert"
REMEDY = "Log in: ./inv token-push"
RECORDER_REMEDY = "See why: ./inv status; then ./inv start, and ./inv token-push if it lacks a token"


class Telling(NamedTuple):
    """Who tells people, and how."""

    host_id: str
    alerts: AlertSettings
    settings: Settings | None
    """None on a host that records nothing: the role wrote down the rest."""


def find_telling(config: Path | None) -> Telling:
    """Raises ConfigError for a configuration that cannot be read, where the host is to record."""
    settings, installed = find_settings(config), find_installed()
    if settings is None and installed and not installed.records:
        return Telling(installed.host_id, installed.alerts, None)
    settings = settings or load_settings(config)
    return Telling(settings.host_id, settings.alerts, settings)


def day_of(calendars: Iterable[TradingCalendar], day: date, phases: Collection[PhaseName]) -> SessionHours | None:
    """The day's first opening and last close of what is recorded; None when all segments are closed."""
    hours = hours_of(calendars, day, phases)
    return SessionHours(*hours) if hours else None


def read_calendar(settings: Settings) -> TradingCalendar:
    """The host's calendar; where it cannot be read, which others tell of, that of the package."""
    try:
        return TradingCalendar.load(settings.calendar.file)
    except ConfigError as error:
        log.warning("calendar_unreadable", detail=str(error))
        return TradingCalendar.load()


def judge_status(status: dict[str, Any] | None, day: SessionHours | None, now_ns: int, host_id: str) -> TokenState:
    """How the recorder's token stands by its own report; None: there is no report."""
    if status is None or abs(now_ns - int(status.get("written_at_ns", 0))) > STALE_NS:
        return TokenState(
            "recorder_down", f"the recorder of {host_id} does not run, so whether it has a token cannot be said"
        )
    token = status.get("token") or {}
    if token.get("state") == "refused":
        return TokenState("token_refused", f"the broker refuses the access token ({token.get('version')})")
    if token.get("expires_at_ns") is None:
        return TokenState("no_token", "the recorder has been handed no access token")
    return judge_token(token["expires_at_ns"], day, now_ns)._replace(unproven=str(token.get("unproven") or ""))


def remedy_of(state: TokenState) -> str:
    """What to do about it: no login makes a recorder run."""
    return RECORDER_REMEDY if state.cause == "recorder_down" else REMEDY


def open_channels(settings: AlertSettings) -> list[Channel]:
    """The topic and the channels of the settings. Raises ConfigError when there is none, StoreError when unreadable.

    Where there is a topic, channels may be missing, and a host that may not read them tells the topic alone.
    """
    topic: list[Channel] = [SnsChannel(settings.topic, region=settings.region)] if settings.topic else []
    stored = _read_channels(settings)
    if stored is not None:
        return topic + parse_channels(stored)
    if not topic:
        store = open_place(settings.channels, settings.region)
        raise ConfigError(
            f"{store.place}: no alert channel is configured, so nobody is told anything. Write apprise addresses into a"
            f" file, one a line, and bring it there: {storing('channels', store, USER)}"
        )
    return topic


def find_channels(settings: AlertSettings) -> list[str]:
    """The names of topic and channels of the settings; none where there is none. Raises ConfigError, StoreError."""
    stored = _read_channels(settings)
    topic = [SnsChannel(settings.topic).name] if settings.topic else []
    return topic + (names_of(stored) if stored is not None else [])


def _read_channels(settings: AlertSettings) -> Secret | None:
    """What is stored as channels; None: nothing, or what this host may not read where it has a topic besides."""
    try:
        stored = open_place(settings.channels, settings.region).read()
    except DeniedError as error:
        if not settings.topic:
            raise
        log.warning("channels_denied", detail=str(error))
        return None
    return stored.value if stored else None
