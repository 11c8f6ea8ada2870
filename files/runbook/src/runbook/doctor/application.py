"""The hours of the user's application, against those of the market."""

from collections.abc import Iterator
from pathlib import Path

from harvester.application.cuts import find_cuts
from harvester.application.model import Application
from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.base.validation import Refused, validate
from harvester.calendar import TradingCalendar
from harvester.dues.host import hours_by
from runbook.doctor.finding import Finding, fail, ok, warn
from runbook.doctor.sessions import read_settings
from runbook.fleet.inventory import Host

SOURCES = ("application_source", "application_repository")
AHEAD_DAYS = 60
# Defaults of the role application; a contract test holds them to it.
START, STOP = "08:55", "15:35"


def check_application(host: Host, file: Path | None, wall_ns: int) -> Iterator[Finding]:
    """Whether its hours cut or miss a phase of the days ahead; nothing of a host without an application.

    Nothing for settings or a calendar that are refused: other checks say so.
    """
    if not any(host.variables.get(name) for name in SOURCES):
        return
    name = f"{host.name}: application"
    said = {
        "start": host.variables.get("application_start", START),
        "stop": host.variables.get("application_stop", STOP),
    }
    try:
        application = validate(Application, {"unit": "market-app.service", **said})
    except Refused as refused:
        yield fail(
            name, f"its hours are refused:{str(refused).rstrip()}", "Correct application_start and application_stop."
        )
        return
    try:
        settings, calendar = read_settings(host), TradingCalendar.load(file)
    except (Refused, ConfigError):
        return
    hours, today = hours_by(settings, calendar), to_local(wall_ns).date()
    cuts = list(find_cuts(application, calendar, settings.calendar.phases, hours, (today, AHEAD_DAYS)))
    for day, sentence in cuts:
        yield warn(
            name,
            f"from {day:%a %d %b} on {sentence}",
            "Set application_start: open-5m and application_stop: close+5m, which follow the market; then ./inv deploy",
        )
    if not cuts:
        yield ok(
            name,
            f"its hours, {application.start} to {application.stop}, hold every phase of the next {AHEAD_DAYS} days",
        )
