"""Judges the closed days: each trading day is closed in time, and is in the bucket where there is one."""

from datetime import date, timedelta

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.health import units
from harvester.health.facts import Facts
from harvester.health.view import Fault, View

CLOSE_NS = 3 * 3600 * NS_PER_SECOND
"""From a day's last window to its manifest: the close is tried each hour."""
UPLOAD_NS = 2 * 3600 * NS_PER_SECOND
"""From the manifest to its copy."""
LOOK_BACK = 31


def judge_closed(view: View) -> Fault | None:
    missing = [day for day in _expected(view) if day not in {each.date for each in view.facts.days or ()}]
    if not missing:
        return None
    return Fault(
        f"{_list(missing)} {'is' if len(missing) == 1 else 'are'} not closed: no certificate", how_to_close(missing[0])
    )


def how_to_close(day: str) -> str:
    """What to do about a day that is not closed."""
    return f"On the host: sudo systemctl start harvester-close@{day}; then ./inv logs --unit harvester-close"


def judge_certificate(view: View) -> Fault | None:
    last = view.facts.days[-1] if view.facts.days else None
    if last is None or not last.problem:
        return None
    fix = f"On the host: sudo systemctl start harvester-close@{last.date}; then ./inv status"
    return Fault(f"{last.date}: {last.problem}", fix)


def judge_uploads(view: View) -> Fault | None:
    if not view.installed.uploads:
        return None
    late = [
        day.date
        for day in view.facts.days or ()
        if not (day.uploaded or day.left_out) and view.now_ns - day.closed_ns > UPLOAD_NS
    ]
    if not late:
        return None
    fix = units.how_to_run("harvester-upload")
    return Fault(f"{_list(late)} {'is' if len(late) == 1 else 'are'} not in the bucket", fix)


def describe_closed(facts: Facts) -> str:
    return f"{len(facts.days or ())} days, the last one {facts.days[-1].date}" if facts.days else "none yet"


def describe_uploads(facts: Facts) -> str:
    up = sum(day.uploaded for day in facts.days or ())
    return f"{up} days are in it" if up else "nothing waits for it"


def _expected(view: View) -> list[str]:
    """Trading days since the first that was recorded here whose close is overdue; of the last month."""
    known = sorted([day.date for day in view.facts.days or ()] + (view.facts.recorded or []))
    if not known or not view.calendars:
        return []
    today = to_local(view.now_ns).date()
    first = max(_date(known[0]) or today, today - timedelta(days=LOOK_BACK))
    days = (first + timedelta(days=number) for number in range((today - first).days + 1))
    return [day.isoformat() for day in days if _is_overdue(view, day)]


def _is_overdue(view: View, day: date) -> bool:
    windows = [window for each in view.calendars or () for window in each.windows(day, view.phases)]
    return bool(windows) and max(closes for _, closes in windows) + CLOSE_NS < view.now_ns


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _list(days: list[str]) -> str:
    return ", ".join(days[-5:]) + (f" and {len(days) - 5} before" if len(days) > 5 else "")
