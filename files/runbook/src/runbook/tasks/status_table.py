"""The table of `status`: how each host is, what is wrong there, and what is only due."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from harvester.base.market import to_local
from runbook.console.terminal import console, human_age, human_bytes, table

if TYPE_CHECKING:
    from runbook.fleet.status import HostStatus


def show_status(answers: Sequence["HostStatus"]) -> None:
    """One row per host, then what is wrong and how to put it right."""
    out = console()
    columns = ("host", "health", "session", "updates#", "last", "gaps#", "lost today#", "token", "free#", "release")
    out.print(table("", columns, [_status_row(answer) for answer in answers]))
    for answer in answers:
        if answer.error:
            out.print(f"{answer.host}: {answer.error}", markup=False)
        for check in [*answer.failed_checks, *answer.remarks]:
            out.print(f"{answer.host}: {check['name']}: {check['detail']}", markup=False)
            out.print(f"     -> {check.get('fix') or 'See ./inv logs.'}", markup=False)


def _status_row(answer: "HostStatus") -> tuple[object, ...]:
    if answer.asleep:
        return (answer.host, "[red]asleep[/]" if answer.error else "asleep", *[""] * 8)
    if answer.report is None:
        return (answer.host, "[red]no answer[/]", *[""] * 8)
    status = answer.report.get("status") or {}
    symbols = (status.get("symbols") or {}).values()
    received = [one["last_recv_ns"] for one in symbols if one.get("last_recv_ns")]
    window = status.get("window") or {}
    token = status.get("token") or {}
    free = (status.get("disk") or {}).get("free_bytes")
    return (
        answer.host,
        "[green]healthy[/]" if answer.healthy else "[red]unhealthy[/]",
        _session(answer.report.get("session") or {"open": window.get("open"), "recorded": window.get("open")}),
        f"{sum(one.get('updates', 0) for one in symbols):,}",
        f"{to_local(max(received)):%H:%M:%S}" if received else "none",
        len(status.get("open_gaps") or []),
        _lost(status),
        f"{token.get('state', 'unknown')} {answer.report.get('token_version') or ''}".strip(),
        human_bytes(free) if free is not None else "",
        answer.report.get("release", ""),
    )


def _lost(status: Mapping[str, Any]) -> str:
    """Of all symbols and feeds together, also by the gaps that are open now; the worst cause is named."""
    if "lost_today" not in status:
        return "not known"  # nothing records, or a release of before
    now_ns = int(status.get("written_at_ns") or 0)
    by_cause = Counter(status["lost_today"])
    for gap in status.get("open_gaps") or []:
        by_cause[gap["cause"]] += max(0, now_ns - int(gap["from_ns"]))
    if not by_cause.total():
        return "nothing"
    worst = by_cause.most_common(1)[0][0]
    return f"{human_age(timedelta(microseconds=by_cause.total() // 1000))}, {worst}"


def _session(session: Mapping[str, Any]) -> str:
    if not session["open"]:
        return "closed"
    return "open" if session["recorded"] else "[red]open, not recorded[/]"
