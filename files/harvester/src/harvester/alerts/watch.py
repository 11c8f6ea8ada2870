"""States of the recorder that lose data, or will, as notices. A login that is lacking is asked for by the reminders."""

from typing import Any

from harvester.alerts.losses import other_losses
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.base.monitors import STALE_NS
from harvester.calendar import TradingCalendar
from harvester.config.settings import Settings
from harvester.health.checks import check_health
from harvester.health.remedies import Check

NOT_OURS = {"running", "config"}
"""A recorder that does not run is told of by its unit and by the reminders; a restart that is due loses nothing."""
LACKING = {"missing", "expired", "refused"}
TITLES = {
    "disk_full": "Nothing is recorded: the disk is full",
    "disk_low": "The disk is nearly full",
    "journal": "The disk does not take what is recorded",
    "data": "Symbols are not recorded",
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
    lacking = token.get("state") in LACKING and (check.name == "data" or check.name in status.get("feeds", {}))
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
