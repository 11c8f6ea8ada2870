"""Everything that is to be said of a host now: the list of what must be true, and the recorder's own status."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from harvester.base.errors import ConfigError, UnhealthyError
from harvester.calendar import TradingCalendar
from harvester.capture.status import NoStatusError, read_status
from harvester.config.file import config_hash, load_settings, settings_path
from harvester.config.segments import calendars_of
from harvester.config.settings import Settings
from harvester.health.checks import BROKEN_CALENDAR, check_health, is_fresh
from harvester.health.facts import Reach, complete, read_facts
from harvester.health.gather import look
from harvester.health.installed import Installed, find_installed
from harvester.health.musts import check_host
from harvester.health.remedies import Check
from harvester.health.view import make_view


class Examined(NamedTuple):
    """`session`: whether a session is open by the calendar, and whether it is recorded; empty: not known.

    `reach`: whether people can be told; None: not known.
    """

    checks: list[Check]
    status: dict[str, Any]
    session: dict[str, bool]
    reach: Reach | None = None


def examine(config: Path | None, now_ns: int) -> Examined:
    """Raises ConfigError for a configuration that cannot be read, where this is no host of ours."""
    installed, settings, calendar, checks = find_installed(), None, None, []
    if installed and not installed.records:
        found = {"release": Path(sys.prefix).name, "config_hash": config_hash(settings_path(config))}
        of_host, reach = _check_host(installed, None, None, now_ns)
        return Examined(of_host, found, {}, reach)
    try:
        settings = load_settings(config)
        calendar = TradingCalendar.load(settings.calendar.file)
    except ConfigError as error:
        if settings is None and installed is None:
            raise
        if settings is not None:
            checks.append(Check("calendar", False, str(error), BROKEN_CALENDAR))
    status: dict[str, Any] = {}
    try:
        status = read_status(settings.status_file if settings else installed.status_file)  # type: ignore[union-attr]
    except NoStatusError as error:
        checks.append(Check("running", False, str(error), "./inv start"))
    except UnhealthyError as error:
        checks.append(Check("running", False, str(error), "./inv restart"))
    if status and settings and calendar:
        file_hash = config_hash(settings_path(config))
        checks += check_health(settings, status, file_hash=file_hash, calendar=calendar, wall_ns=now_ns)
    reach = None
    if installed:
        of_host, reach = _check_host(installed, settings, calendar, now_ns)
        checks += of_host
    return Examined(checks, status, _session(settings, calendar, status, now_ns), reach)


def _check_host(
    installed: Installed, settings: Settings | None, calendar: TradingCalendar | None, now_ns: int
) -> tuple[list[Check], Reach | None]:
    kept = read_facts(installed.facts)
    facts = complete(look(installed, now_ns), kept)
    watched_ns = kept.at_ns if kept else None
    view = make_view(installed, facts, settings=settings, calendar=calendar, watched_ns=watched_ns, now_ns=now_ns)
    return list(check_host(view)), facts.reach


def _session(
    settings: Settings | None, calendar: TradingCalendar | None, status: dict[str, Any], now_ns: int
) -> dict[str, bool]:
    """By the calendar: a recorder that is down says nothing of the session."""
    if settings is None or calendar is None:
        return {}
    phases = settings.calendar.phases
    is_open = any(each.is_open(now_ns, phases) for each in calendars_of(settings, calendar))
    recorded = is_fresh(status, now_ns) and bool(status.get("window", {}).get("open"))
    return {"open": is_open or recorded, "recorded": recorded}
