"""States of the recorder that lose data, or will, and what is not true of the host, as notices.

A login that is lacking is asked for by the reminders.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from harvester.alerts.losses import other_losses
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.alerts.rules import HOST
from harvester.base.market import to_local
from harvester.base.monitors import STALE_NS
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.health.candles import CANDLES
from harvester.health.checks import check_health
from harvester.health.facts import Facts, Overdue, read_facts
from harvester.health.installed import Installed
from harvester.health.live_rows import ROWS
from harvester.health.musts import CHANNELS, DUES, WATCH, check_host
from harvester.health.musts import TITLES as HOST_TITLES
from harvester.health.remedies import Check
from harvester.health.view import make_view

NOT_OURS = {"running", "config", "account"}
"""A recorder that does not run is told of by its unit and by the reminders; a restart that is due loses nothing; a
blocked account is among the other losses."""
LACKING = {"missing", "expired", "refused"}
TITLES = {
    "disk_full": "Nothing is recorded: the disk is full",
    "disk_low": "The disk is nearly full",
    "journal": "The disk does not take what is recorded",
    "recovery": "A file of the journal cannot be read",
    "data": "Symbols are not recorded",
    CANDLES: "The broker's own candles do not come",
    "clock": "The clock of this host is wrong",
    "calendar": "The trading calendar cannot be relied on",
    "symbols": "The broker does not list a symbol",
    "symbols_refused": "Symbols are not recorded: the calendar has no hours of their segment",
    "token": "The token cannot be read",
}
CRITICAL = {"disk_full", "journal", "data"}


def find_losses(
    settings: Settings, status: dict[str, Any], calendar: TradingCalendar, wall_ns: int
) -> list[Notice] | None:
    """What is wrong now by the recorder's own status; None where that is not fresh, so that nothing is known."""
    if abs(wall_ns - int(status.get("written_at_ns", 0))) > STALE_NS:
        return None
    checks = check_health(settings, status, file_hash="", calendar=calendar, wall_ns=wall_ns)
    found = [_notice(check, settings, status) for check in checks if not check.ok and not _is_excused(check, status)]
    return found + [
        Notice(each.severity, each.cause, "recorder", settings.host_id, f"{each.title}\n{each.body}")
        for each in other_losses(status, wall_ns, settings.host_id)
    ]


def _is_excused(check: Check, status: dict[str, Any]) -> bool:
    token = status.get("token") or {}
    if check.name == "token":
        return not token.get("problem")
    if check.name == "symbols" and status.get("lost_symbols") and not status.get("refused_symbols"):
        return True  # told with the successors
    if check.name.startswith(ROWS):
        return True  # a live delivery tells of itself, its unit is watched, and its files are not seen from here
    needs_token = {"data", CANDLES, *status.get("feeds", {})}
    lacking = token.get("state") in LACKING and check.name in needs_token
    return check.name in NOT_OURS or lacking


def _notice(check: Check, settings: Settings, status: dict[str, Any]) -> Notice:
    is_feed = check.name in status.get("feeds", {})
    cause = "data" if is_feed else check.name
    if cause == "disk":
        cause = "disk_full" if (status.get("disk") or {}).get("full") else "disk_low"
    if cause == "symbols" and status.get("refused_symbols"):
        cause = "symbols_refused"
    severity = Severity.CRITICAL if cause in CRITICAL else Severity.WARNING
    source = check.name if is_feed else "recorder"
    return Notice(severity, cause, source, settings.host_id, f"{TITLES[cause]}\n{check.detail}", check.fix)


class HostLook(NamedTuple):
    """What is not true of the host. `complete`: all of it was looked at, so that what is not named is true."""

    notices: list[Notice]
    complete: bool
    in_session: bool


def find_faults(
    installed: Installed, settings: Settings | None, calendar: TradingCalendar | None, wall_ns: int
) -> HostLook:
    """What of the list is not true, by what the watch saw last; where it saw nothing lately, that alone."""
    facts = read_facts(installed.facts) or Facts(at_ns=0, booted_ns=0)
    view = make_view(
        installed, facts, settings=settings, calendar=calendar, watched_ns=facts.at_ns or None, now_ns=wall_ns
    )
    found = {check.name: check for check in check_host(view) if check.gravity}
    if facts.reach and not facts.reach.channels:
        found.pop(CHANNELS, None)  # there is nobody to tell
    is_watched = WATCH not in found
    told = found.values() if is_watched else [found[WATCH]]
    notices = [_host_notice(check, installed.host_id) for check in told if check.name != DUES or not facts.overdue]
    if is_watched:
        notices += tell_overdue(facts.overdue or (), installed.host_id)
    return HostLook(notices, is_watched, view.in_session)


def tell_overdue(overdue: Sequence[Overdue], host_id: str) -> list[Notice]:
    """A notice of its own for each thing, so that each is told of, and each is over when it comes again."""
    return [
        Notice(
            Severity.WARNING,
            f"{DUES} {each.kind} {each.name}",
            HOST,
            host_id,
            f"The {each.kind} {each.name} was due {to_local(each.due_ns):%d %b %H:%M %Z} and did not come\n"
            f"{each.cause}",
            each.remedy,
        )
        for each in overdue
    ]


def _host_notice(check: Check, host_id: str) -> Notice:
    severity = Severity[check.gravity.upper()]
    return Notice(severity, check.name, HOST, host_id, f"{HOST_TITLES[check.name]}\n{check.detail}", check.fix)
