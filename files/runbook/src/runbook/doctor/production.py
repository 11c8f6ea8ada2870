"""doctor --production: what must have been seen once before the system is trusted."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import MARKETS, to_local
from harvester.base.validation import Refused
from harvester.calendar import TradingCalendar
from harvester.config.deliveries import POSTGRES
from harvester.config.settings import Settings
from harvester.dues.host import hours_by
from harvester.health.days import CLOSE_NS
from harvester.health.musts import CHANNELS
from runbook.doctor.account import examine_account
from runbook.doctor.finding import Finding, Severity, fail, nothing, ok
from runbook.doctor.sessions import read_settings
from runbook.fleet import deliveries, dues, jobs, live_page
from runbook.fleet.calendar import path_of
from runbook.fleet.inventory import Host
from runbook.fleet.status import ask

LOOK_BACK_DAYS = 15
"""A market may be closed for a week and the weekends around it."""
RESTORE_TEST, RESTORED_WITHIN_NS = "database-restore-test", 8 * 24 * 3600 * NS_PER_SECOND
TAKEN_WITHIN_NS = 31 * 24 * 3600 * NS_PER_SECOND
NO_CHANNELS = "./inv start; then ./inv logs --unit harvester-alert says why."
STORE_CHANNELS = "./inv secret-put --name channels stores their addresses; then ./inv notify-test sends a message."
DUES = "./inv due shows all that was due that day."
NEXT_DAY = "The next trading day that is recorded whole passes; ./inv due shows what of this one is lacking, and why."
LOGIN = "./inv status says whether the broker takes the token; ./inv token-push brings a new one."
REVISED = "./inv query shows what was recorded of the symbol that day; the broker revises a bar now and then."
PAGE = "./inv status says whether the recorder works; ./inv logs --unit harvester-live has the page's own words."


def examine_production(root: Path, hosts: Sequence[Host], inventory: str | None) -> Iterator[Finding]:
    """Every check in turn: of each host, then of the account in AWS, where there is one."""
    for host in hosts:
        if host.asleep:
            fix = "./inv wake starts it; then run this again."
            yield fail(f"{host.name}: host", "asleep, so nothing can be asked of it", fix)
            continue
        try:
            settings = read_settings(host)
            calendar = TradingCalendar.load(path_of(root, inventory, [host.variables]), MARKETS[settings.market])
        except (Refused, ConfigError) as error:
            yield fail(f"{host.name}: settings", str(error), "./inv doctor says what to correct.")
            continue
        yield from examine_host(host, settings, calendar, time.time_ns())
    yield from examine_account(root, inventory)


def examine_host(host: Host, settings: Settings, calendar: TradingCalendar, now_ns: int) -> Iterator[Finding]:
    """The checks of one host that is awake."""
    yield from check_day(host, settings, newest_closed(settings, calendar, now_ns))
    yield _attempt(f"{host.name}: live page", lambda: check_page(host, now_ns))
    yield _attempt(f"{host.name}: channels", lambda: check_channels(host, now_ns))
    yield _attempt(f"{host.name}: restored backup", lambda: check_restored(host, now_ns))


def _attempt(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except HarvesterError as error:
        return fail(name, str(error), "See there.")
    except (KeyError, TypeError, ValueError) as error:
        return fail(name, f"the host's answer has no {error}", "The host may have an older release: ./inv deploy.")


def newest_closed(settings: Settings, calendar: TradingCalendar, now_ns: int) -> date | None:
    """The newest trading day whose close is over; None: there is none in a fortnight."""
    hours, today = hours_by(settings, calendar), to_local(now_ns).date()
    days = (today - timedelta(days=back) for back in range(LOOK_BACK_DAYS))
    return next((day for day in days if (open_ := hours(day)) and open_[1] + CLOSE_NS < now_ns), None)


def check_day(host: Host, settings: Settings, day: date | None) -> Iterator[Finding]:
    """The newest closed day is recorded whole, is in the bucket, and its bars are in the database."""
    names = [f"{host.name}: {what}" for what in ("recorded day", "last bars", "bucket", "rows")]
    if day is None:
        for name in names:
            yield fail(
                name,
                f"the calendar has no trading day of the last {LOOK_BACK_DAYS} days",
                "./inv calendar-update brings the coming year's list.",
            )
        return
    [answer] = dues.gather([host], day)
    if answer.error:
        for name in names:
            yield fail(name, answer.error, "See there.")
        return
    yield _judge(names[0], day, [each for each in answer.entries if each["kind"] == "feed"], NEXT_DAY)
    if settings.history in settings.feeds:
        yield _attempt(names[1], lambda: check_bars(host, day))
    else:
        yield nothing(names[1], "this host records no candles")
    if settings.upload.bucket:
        yield _judge(names[2], day, [each for each in answer.entries if each["kind"] == "upload"], DUES)
    else:
        yield nothing(names[2], "this host has no bucket")
    if any(each.kind == POSTGRES for each in settings.deliveries):
        found = _judge(names[3], day, [each for each in answer.entries if each["kind"] == POSTGRES], DUES)
        yield found if found.level != Severity.OK else _attempt(names[3], lambda: check_rows(host, day))
    else:
        yield nothing(names[3], "no delivery to a database is configured")


def _judge(name: str, day: date, entries: Sequence[dict[str, Any]], otherwise: str) -> Finding:
    """Whether each of a day's entries is there, and whole."""
    if not entries:
        return fail(name, f"{day}: nothing was recorded by then, so nothing was due", NEXT_DAY)
    wrong = [each for each in entries if each["met_ns"] is None or each["cause"]]
    if not wrong:
        return ok(name, "; ".join(f"{day}: {each['name']}, {each['proof']}" for each in entries))
    waits = [each for each in wrong if each["state"] == "waiting"]
    if len(waits) == len(wrong):
        return nothing(name, f"{day}: there is time left for it until {to_local(waits[0]['by_ns']):%d %b %H:%M %Z}")
    said = "; ".join(f"{each['name']}: {each['cause'] or each['state']}" for each in wrong)
    remedies = [each["remedy"] for each in wrong if each["remedy"]]
    return fail(name, f"{day}: {said}", remedies[0] if remedies else otherwise)


def check_bars(host: Host, day: date) -> Finding:
    """The day's last bars are what the broker says of them when it is asked once more."""
    name, symbols = f"{host.name}: last bars", deliveries.compare_candles(host, day)
    if problems := [each["problem"] for each in symbols if each["problem"]]:
        return fail(name, f"{day}: {'; '.join(problems)}", LOGIN)
    if wrong := [said for each in symbols for said in each["differing"]]:
        return fail(name, f"{day}: {len(wrong)} bars differ: {wrong[0]}", REVISED)
    bars = sum(each["bars"] for each in symbols)
    return ok(name, f"{day}: {bars} of {bars} bars of {len(symbols)} symbols are what the broker says now")


def check_rows(host: Host, day: date) -> Finding:
    """The day's rows, read from the databases now, are those that the host makes of its lake."""
    name, places = f"{host.name}: rows", deliveries.compare_rows(host, day)
    wrong = [each for each in places if each["left_out"] or each["equal"] < each["rows"] or not each["rows"]]
    said = "; ".join(
        f"{day}: {each['left_out'] or '{equal} of {rows} rows are as in the lake in {place}'.format(**each)}"
        for each in wrong or places
    )
    fix = f"Look at what else writes there; then ./inv deliver --date {day}"
    return fail(name, said, fix) if wrong else ok(name, said)


def check_page(host: Host, now_ns: int) -> Finding:
    """The live page answers, and in session its newest point is younger than its symbol's patience."""
    name, state = f"{host.name}: live page", live_page.prove(host)
    report = ask(host, ["health", "--json"])
    if not report["session"].get("open"):
        return nothing(name, "it answers; no session is open, so how fresh it is cannot be seen")
    opened_ms = int(report["status"].get("window", {}).get("open_ns") or 0) // NS_PER_MS
    if not state["symbols"]:
        return fail(name, "it answers, and shows no symbol", PAGE)
    seen = [(state["now"] - max(row["last"] or 0, opened_ms), row) for row in state["symbols"]]
    age_ms, row = min(seen, key=lambda each: each[0])
    said = f"the newest point, of {row['name']}, is {age_ms / 1000:.1f} s old"
    if age_ms > row["patience"]:
        return fail(name, f"{said}; its patience is {row['patience'] / 1000:.1f} s", PAGE)
    return ok(name, said)


def check_channels(host: Host, now_ns: int) -> Finding:
    """Each alert channel of the host took a message within a month: a notice, or that of notify-test."""
    name, report = f"{host.name}: channels", ask(host, ["health", "--json"])
    channels = report["channels"]
    if refused := [each for each in report["checks"] if each["name"] == CHANNELS and not each["ok"]]:
        return fail(name, refused[0]["detail"], refused[0]["fix"])
    if channels is None:
        return fail(name, "the alerts have not looked at their channels yet", NO_CHANNELS)
    if not channels["count"]:
        return fail(name, "no alert channel is configured, so the host itself tells nobody anything", STORE_CHANNELS)
    if not channels["taken_ns"]:
        return fail(name, "one of the channels has taken no message yet", "./inv notify-test sends one.")
    since = f"{to_local(channels['taken_ns']):%Y-%m-%d %H:%M %Z}"
    if now_ns - channels["taken_ns"] > TAKEN_WITHIN_NS:
        return fail(name, f"one of the channels took its last message {since}", "./inv notify-test sends one.")
    return ok(name, f"each of {channels['count']} has taken a message since {since}")


def check_restored(host: Host, now_ns: int) -> Finding:
    """The restore test of the database's backups ended well within eight days."""
    name = f"{host.name}: restored backup"
    if not host.variables.get("database_backup"):
        return nothing(name, "no database is backed up here (database_backup)")
    fix = f"./inv run-job --name {RESTORE_TEST}"
    [answer] = jobs.gather([host])
    if answer.error:
        return fail(name, answer.error, "See there.")
    rows = [row for row in answer.jobs if row["name"] == RESTORE_TEST]
    if not rows:
        return fail(name, f"the host has no job {RESTORE_TEST}", "./inv deploy brings it.")
    last = rows[0]["last"]
    if last is None:
        return fail(name, "no backup was restored yet" + (f": {rows[0]['why']}" if rows[0]["why"] else ""), fix)
    ended = f"{to_local(last['ended_ns']):%Y-%m-%d %H:%M %Z}"
    if last["result"] != "ok":
        return fail(name, f"the test of {ended} did not end well ({last['result']}): {last['cause']}", fix)
    if now_ns - last["ended_ns"] > RESTORED_WITHIN_NS:
        return fail(name, f"the last test that ended well is of {ended}, more than 8 days ago", fix)
    return ok(name, f"restored and compared {ended}: {last['proof']}")
