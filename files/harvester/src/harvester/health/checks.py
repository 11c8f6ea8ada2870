"""Whether the recorder does its work, judged from its status file; each failing check says what to do."""

from collections.abc import Iterator
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.base.monitors import STALE_NS
from harvester.calendar import TradingCalendar
from harvester.capture.status import POLLS
from harvester.config.rules import describe_outdated, find_outdated
from harvester.config.segments import calendars_of, describe_refused
from harvester.config.settings import Settings
from harvester.health.candles import check_candles
from harvester.health.live_rows import check_rows
from harvester.health.remedies import BLOCKED, CAUSE_FIXES, LOGIN, Check, free_space, update_lists
from harvester.health.streams import check_streams

TOKEN_AHEAD_NS = 3600 * NS_PER_SECOND
NEXT_YEAR = "Add the exchange's holidays and sessions of the coming year to the calendar file, and deploy."
BROKEN_CALENDAR = "./inv deploy brings the inventory's calendar; the recorder goes on with the last good one."
CONTRADICTED = (
    "Look up the exchange's circular: correct the calendar file, or say in its rule (key master) what the symbol master"
    " writes all the same; then ./inv calendar-update brings it everywhere."
)
SYNC_PATIENCE_RECORDS = 10_000


def check_health(
    settings: Settings, status: dict[str, Any], *, file_hash: str, calendar: TradingCalendar, wall_ns: int
) -> list[Check]:
    """All checks on a recorder's status, with `file_hash` of the configuration file as it is now."""
    return [
        _check_running(status, wall_ns),
        _check_config(status, file_hash),
        *_check_data(settings, status, wall_ns),
        *check_streams(status, wall_ns),
        *check_candles(status),
        _check_token(settings, status, calendar, wall_ns),
        _check_journal(status),
        *_check_recovery(settings, status),
        _check_disk(settings, status),
        _check_calendar(status, calendar, wall_ns),
        *check_rows(settings, wall_ns),
        _check_clock(status),
        _check_symbols(settings, status, wall_ns),
        *_check_account(status, wall_ns),
    ]


def is_fresh(status: dict[str, Any], wall_ns: int) -> bool:
    """Whether the recorder has just published it."""
    return -STALE_NS < wall_ns - int(status.get("written_at_ns", 0)) < STALE_NS


def _check_running(status: dict[str, Any], wall_ns: int) -> Check:
    age_ns = wall_ns - int(status.get("written_at_ns", 0))
    ok = is_fresh(status, wall_ns)
    detail = f"release {status.get('release')}, state published {age_ns / NS_PER_SECOND:.0f} s ago"
    return Check(
        "running", ok, detail, "" if ok else "The recorder hangs or has ended: ./inv logs, then ./inv restart."
    )


def _check_config(status: dict[str, Any], file_hash: str) -> Check:
    ok = status.get("config_hash") == file_hash
    detail = f"running with configuration {status.get('config_hash')}"
    return Check("config", ok, detail, "" if ok else f"The file is {file_hash} now: ./inv restart to use it.")


def _check_data(settings: Settings, status: dict[str, Any], wall_ns: int) -> Iterator[Check]:
    window = status.get("window", {})
    if not window.get("open"):
        yield Check("data", True, f"market closed; next change {_when(window.get('next_change_ns'))}")
        return
    polled = {name: symbol["feeds"] for name, symbol in status.get("symbols", {}).items() if POLLS in symbol["feeds"]}
    if not polled or settings.poll.when != "always":
        standing_in = ", polls stand in for a socket" if status.get("polling") else ""
        yield Check("data", True, f"recorded by sockets{standing_in}")
        return
    patience_ns = 2 * settings.poll.interval_ns + int(settings.poll.timeout * NS_PER_SECOND)
    started_ns, opened = int(status.get("started_at_ns", 0)), _openings(status)
    due = {name: feeds for name, feeds in polled.items() if opened.get(name, window.get("open_ns")) is not None}
    silent = [
        name
        for name, feeds in due.items()
        if wall_ns - max(int(opened.get(name, window["open_ns"])), started_ns, feeds[POLLS]["last_recv_ns"] or 0)
        > patience_ns
    ]
    if not silent:
        yield Check("data", True, f"all {len(due)} symbols deliver")
        return
    gaps = (gap for gap in status.get("open_gaps", []) if gap["symbol"] in silent and "feed" not in gap)
    gap = next(gaps, None)
    cause = f"{gap['cause']}: {gap['detail']}" if gap else "no gap is open for them"
    fix = CAUSE_FIXES.get(gap["cause"], "") if gap else ""
    names = ", ".join(silent[:5]) + (" ..." if len(silent) > 5 else "")
    yield Check("data", False, f"no data of {len(silent)} symbols ({names}); {cause}", fix or "See ./inv logs.")


def _openings(status: dict[str, Any]) -> dict[str, int | None]:
    """When the open window of each symbol began, by segment; None: its segment is closed. Empty for one segment."""
    parts = status.get("segments", {}).values()
    return {symbol: part["open_ns"] for part in parts for symbol in part["symbols"]}


def _check_token(settings: Settings, status: dict[str, Any], calendar: TradingCalendar, wall_ns: int) -> Check:
    token = status.get("token", {})
    state = token.get("state")
    detail = f"{state}, version {token.get('version')}, good until {_when(token.get('expires_at_ns'))}"
    if token.get("login_ends_ns"):
        detail += f", renewed until the login ends {_when(token['login_ends_ns'])}"
    if token.get("problem"):
        return Check("token", False, token["problem"], "Restart the token agent: ./inv restart.")
    if state == "ok":
        return Check("token", True, detail)
    calendars, phases = calendars_of(settings, calendar), settings.calendar.phases
    changes = [change for each in calendars if (change := each.next_change(wall_ns, phases)) is not None]
    change_ns = min(changes, default=None)
    is_open = any(each.is_open(wall_ns, phases) for each in calendars)
    needed = is_open or (change_ns is not None and change_ns - wall_ns < TOKEN_AHEAD_NS)
    if needed:
        return Check("token", False, detail, LOGIN)
    return Check("token", True, f"{detail}; needed by {_when(change_ns)}")


def _check_journal(status: dict[str, Any]) -> Check:
    journal = status.get("journal", {})
    behind = int(journal.get("seq", 0)) - int(journal.get("durable_seq", 0))
    if journal.get("failure"):
        return Check("journal", False, journal["failure"], "Recording resumes by itself once the disk accepts data.")
    ok = behind < SYNC_PATIENCE_RECORDS
    fix = "" if ok else "The disk does not keep up: look for what else writes to it."
    return Check("journal", ok, f"{journal.get('seq')} records, {behind} not yet durable", fix)


def _check_recovery(settings: Settings, status: dict[str, Any]) -> Iterator[Check]:
    problems = status.get("journal", {}).get("problems")
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        path = settings.journal_dir
        fix = f"On the host: sudo chown -R --reference={path} {path}; sudo chmod -R u+rwX {path}; then ./inv restart"
        yield Check("recovery", False, f"{problems[0]}{more}", fix)


def _check_disk(settings: Settings, status: dict[str, Any]) -> Check:
    free = int(status.get("disk", {}).get("free_bytes", 0))
    ok = free >= 2 * settings.disk_reserve_bytes
    detail = f"{free >> 20} MiB free, recording stops below {settings.disk_reserve_bytes >> 20} MiB"
    return Check("disk", ok, detail, "" if ok else free_space(settings.data_dir))


def _check_calendar(status: dict[str, Any], calendar: TradingCalendar, wall_ns: int) -> Check:
    problem = status.get("calendar", {}).get("problem")
    if problem:
        return Check("calendar", False, problem, BROKEN_CALENDAR)
    if contradictions := status.get("calendar_contradictions"):
        return Check("calendar", False, "; ".join(contradictions), CONTRADICTED)
    today = calendar.trading_date(wall_ns)
    detail = f"facts until {calendar.valid_until}, {calendar.days_left(today)} days left"
    match calendar.outlook(today):
        case "known":
            return Check("calendar", True, detail)
        case "ending":
            return Check("calendar", True, f"{detail}: the coming year's list is due to be added")
    return Check("calendar", False, detail, NEXT_YEAR)


def _check_clock(status: dict[str, Any]) -> Check:
    clock = status.get("clock", {})
    offset_ns = clock.get("offset_ns")
    if offset_ns is None:
        return Check("clock", True, f"not compared with the broker yet, {clock.get('steps', 0)} steps")
    detail = f"{offset_ns / NS_PER_SECOND:+.1f} s against the broker, {clock.get('steps', 0)} steps"
    fix = "Set the host's clock right: chronyc tracking shows why it is not." if clock.get("off") else ""
    return Check("clock", not clock.get("off"), detail, fix)


def _check_symbols(settings: Settings, status: dict[str, Any], wall_ns: int) -> Check:
    unknown = status.get("unknown_symbols") or {}
    refused = status.get("refused_symbols") or {}
    if refused:
        return Check("symbols", False, describe_refused(refused), "Correct the calendar or the symbols, and deploy.")
    if not unknown:
        rules = [_describe_rule(each) for each in status.get("symbol_rules", [])]
        old = find_outdated(settings.rules, settings.index_lists, to_local(wall_ns).date())
        said = [*rules, *status.get("symbol_master_remarks", []), *filter(None, [describe_outdated(old)])]
        remarks = "".join(f"; {remark}" for remark in said)
        return Check("symbols", True, f"{len(status.get('symbols', {}))} symbols{remarks}", update_lists(old))
    sentences = status.get("lost_symbols") or {}
    detail = "; ".join(sentences.get(name, f"{name} is not in the symbol master") for name in unknown)
    return Check("symbols", False, detail, "Correct symbols in the inventory, and deploy.")


def _describe_rule(resolved: dict[str, Any]) -> str:
    words = [str(value) for key, value in resolved["rule"].items() if value and (key, value) != ("expiry", "nearest 1")]
    of = f" of {resolved['date']}" if "date" in resolved else ""
    return f"{len(resolved['symbols'])} by {', '.join(words)}{of}"


def _check_account(status: dict[str, Any], wall_ns: int) -> Iterator[Check]:
    until_ns = status.get("blocked_until_ns")
    if until_ns and wall_ns < until_ns:
        yield Check("account", False, f"blocked by the broker for the day, until {_when(until_ns)}", BLOCKED)


def _when(wall_ns: int | None) -> str:
    return f"{to_local(wall_ns):%Y-%m-%d %H:%M:%S %Z}" if wall_ns else "not known"
