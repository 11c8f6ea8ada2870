"""When a host records: the hours of the segments that its configuration uses."""

from collections.abc import Iterator
from pathlib import Path

from harvester.base.errors import ConfigError
from harvester.base.market import to_local
from harvester.base.validation import Refused, validate
from harvester.calendar import PhaseName, TradingCalendar
from harvester.calendar.segments import guess_segment, in_order
from harvester.config.rules import split_rules
from harvester.config.segments import describe_refused
from harvester.config.settings import Settings
from runbook.doctor.finding import Finding, fail, ok
from runbook.fleet.inventory import Host


def read_settings(host: Host) -> Settings:
    """The settings that the inventory states. Raises Refused."""
    return validate(Settings, split_rules(host.settings))


def check_sessions(host: Host, file: Path | None, wall_ns: int) -> Iterator[Finding]:
    """What opens or closes next of what the host records, by the calendar file in force (None: the packaged one).

    Nothing for settings or a file that are refused: other checks say so.
    """
    try:
        settings, calendar = read_settings(host), TradingCalendar.load(file)
    except (Refused, ConfigError):
        return
    name = f"{host.name}: sessions"
    segments = {symbol: guess_segment(symbol) for symbol in settings.all_symbols}
    segments |= {rule.words: rule.segment for rule in settings.rules}
    if refused := {symbol: segment for symbol, segment in segments.items() if segment not in calendar.segments}:
        yield fail(name, describe_refused(refused), "With hours in a file: ./inv calendar-update --source FILE.")
        return
    phases = settings.calendar.phases
    yield ok(name, "; ".join(_outlook(calendar.of(each), phases, wall_ns) for each in in_order(segments.values())))


def _outlook(calendar: TradingCalendar, phases: tuple[PhaseName, ...], wall_ns: int) -> str:
    following = calendar.next_change(wall_ns, phases)
    if following is None:
        return f"{calendar.segment} has no session within a year"
    what = "closes" if calendar.is_open(wall_ns, phases) else "opens"
    return f"{calendar.segment} {what} {to_local(following):%a %d %b %H:%M %Z}"
