"""The reminders on a host: the recorder's own word for its token, the calendar, and the channels of the settings."""

from collections.abc import Callable, Collection, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from harvester.alerts.channels import Channel, SnsChannel, names_of, parse_channels
from harvester.alerts.login_end import LoginEnd, judge_login
from harvester.alerts.reminders import SessionHours, TokenState, judge_token
from harvester.base.errors import ConfigError
from harvester.base.market import MarketName
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
REMEDY, SCHWAB_REMEDY = "Log in: ./inv token-push", "Log in: ./inv token-push --broker schwab"
DAYS_AHEAD = 15
"""How far the next session is looked for: no market is closed for so long."""
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


def find_login(status: dict[str, Any] | None, after: Callable[[], int | None]) -> LoginEnd | None:
    """The end of the login by which the agent renews the token, by the recorder's report; None: it renews none.

    `after` finds when the next session after today's opens.
    """
    ends_ns = ((status or {}).get("token") or {}).get("login_ends_ns")
    return LoginEnd(int(ends_ns), after()) if ends_ns else None


def next_opening(calendars: Collection[TradingCalendar], day: date, phases: Collection[PhaseName]) -> int | None:
    """When the first session after that day opens, in wall ns; None: none within 15 days."""
    days = (day_of(calendars, day + timedelta(days=number), phases) for number in range(1, DAYS_AHEAD + 1))
    return next((found.opens_ns for found in days if found), None)


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
    state, login_ends_ns = judge_token(token["expires_at_ns"], day, now_ns), token.get("login_ends_ns")
    if login_ends_ns and token["expires_at_ns"] > now_ns:
        state = judge_login(login_ends_ns, day, now_ns)
    return state._replace(unproven=str(token.get("unproven") or ""))


def remedy_of(state: TokenState, market: MarketName = "nse") -> str:
    """What to do about it: no login makes a recorder run."""
    login = SCHWAB_REMEDY if market == "us" else REMEDY
    return RECORDER_REMEDY if state.cause == "recorder_down" else login


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
