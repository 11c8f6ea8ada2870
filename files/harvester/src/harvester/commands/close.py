"""harvester close: build the lake of closed trading days from the journal."""

import argparse
from datetime import date

from harvester.alerts.inbox import post
from harvester.alerts.message import Severity
from harvester.alerts.notice import Notice
from harvester.base.clock import NS_PER_SECOND, SystemClock, parse_date
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import to_local
from harvester.calendar import TradingCalendar
from harvester.config.segments import busy_at, calendars_of
from harvester.config.settings import Settings
from harvester.lake.certificate.candles import FORMER_HISTORY
from harvester.lake.certificate.damage import tell_damage
from harvester.lake.certificate.shares import in_percent
from harvester.lake.close import NOTHING, Closing, NotOverError, close_day, expect_day, is_due_today, pending_days
from harvester.lake.layout import Partition
from harvester.lake.publish.archive import Form

SOURCE = "harvester-close"
MOST_TEXT = 4_000
"""Characters of a notice."""
NEAR_NS = 1800 * NS_PER_SECOND
"""A close that the timer begins so long before an opening would run into it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="close this day only; default: every day not closed yet")
    parser.add_argument(
        "--due", action="store_true", help="for the timer: nothing while a session is near, nor what is closed already"
    )
    parser.add_argument("--rebuild", action="store_true", help="build the day again although nothing was added to it")
    parser.add_argument(
        "--explain",
        metavar="WHY",
        default="",
        help="close the day although something in it is not decoded, and say why",
    )


def run(args: argparse.Namespace, settings: "Settings") -> int:
    """Close the day named, or all that are pending; one that fails does not keep the others from being closed."""
    calendar = TradingCalendar.load(settings.calendar.file)
    clock = SystemClock()
    journal, lake, host = settings.journal_dir, settings.lake_dir, settings.host_id
    if args.rebuild and not args.date:
        raise ConfigError("--rebuild needs --date: say which day is to be built again.")
    if args.explain and not args.date:
        raise ConfigError("--explain needs --date: say of which day it is true.")
    wall_ns = clock.wall_ns()
    if args.due and busy_at(settings, calendar, wall_ns, NEAR_NS) is not None:
        print("A session is open, or opens soon: the day is closed after it.")
        return 0
    days = _wanted_days(args, settings, calendar, to_local(wall_ns).date())
    errors = []
    for day in days:
        try:
            closing = close_day(
                journal=journal,
                lake=lake,
                partition=Partition(day, host),
                expectation=expect_day(settings, calendar, day),
                now_ns=clock.wall_ns(),
                rebuild=args.rebuild,
                form=Form[settings.archive.upper()],
                explain=args.explain.strip(),
            )
            if closing.outcome == NOTHING and not calendar.knows(day):
                raise HarvesterError(
                    f"{day}: nothing was recorded, and whether there was a session is unknown: the calendar's facts are"
                    f" of {calendar.valid_from} to {calendar.valid_until}. Name another --date."
                )
            print(describe(closing))
            _tell_people(settings, closing)
        except NotOverError as error:
            if args.date:
                raise
            print(error)
        except HarvesterError as error:
            errors.append(str(error))
    if not days:
        print("Every day is closed.")
    if errors:
        raise HarvesterError("\n".join(errors))
    return 0


def _wanted_days(args: argparse.Namespace, settings: Settings, calendar: TradingCalendar, today: date) -> list[date]:
    """The day named, or all that are not closed; with --due, today only when its time has come."""
    lake, host, phases = settings.lake_dir, settings.host_id, settings.calendar.phases
    calendars = calendars_of(settings, calendar)
    if args.date:
        days = [parse_date(args.date)]
    else:
        days = pending_days(settings.journal_dir, lake, host, calendars, phases, today)
    return [day for day in days if not args.due or day != today or is_due_today(lake, host, calendars, phases, today)]


def _tell_people(settings: Settings, closing: Closing) -> None:
    """Hand in a notice of damage that cost something; where there is no inbox, the output alone says it."""
    damage = closing.certificate["damage"] if closing.certificate else []
    if not any(entry["loses"] or entry["kind"] in ("malformed", "undecoded") for entry in damage):
        return
    day = closing.partition.date.isoformat()
    told = tell_damage(closing.certificate or {})
    text = "\n".join([f"The journal of {day} is damaged: {len(damage)} finding(s).", *told])
    remedy = f"./inv verify-data names it on the laptop, harvester verify {settings.lake_dir} on the host."
    notice = Notice(Severity.WARNING, f"journal_damage {day}", SOURCE, settings.host_id, text[:MOST_TEXT], remedy)
    try:
        post(settings.alerts.inbox, notice)
    except HarvesterError as error:
        print(f"  {error}")


def describe(closing: Closing) -> str:
    """The outcome for a person, in one line per day and one per symbol."""
    day = closing.partition.date
    if closing.outcome == NOTHING:
        return f"{day}: no session and no data, nothing to close."
    if closing.certificate is None or closing.manifest is None:
        return f"{day}: closed before, nothing new."
    lines = [f"{day}: closed, generation {closing.manifest.generation}, {len(closing.manifest.files)} files."]
    if closing.refused_slices:
        lines.append(
            f"  {closing.refused_slices} slices made while the day ran were not taken, because what they rest on has"
            " changed since: all was decoded again, which took longer."
        )
    lines += [f"  damage: {sentence}" for sentence in tell_damage(closing.certificate)]
    for symbol, entry in closing.certificate["symbols"].items():
        causes = ", ".join(f"{cause} {slots}" for cause, slots in entry["gaps_by_cause"].items()) or "none"
        share = f"{in_percent(entry['coverage'])}%" if entry["coverage"] is not None else "no session"
        lines.append(f"  {symbol}: {entry['updates']} updates of {entry['expected']}, {share}; gap slots: {causes}")
    for feed, facts in closing.certificate["streams"].items():
        for symbol, entry in facts["symbols"].items():
            sums = entry["gaps_by_cause"].items()
            causes = ", ".join(f"{cause} {each['ns'] / NS_PER_SECOND:.1f} s" for cause, each in sums) or "none"
            share = f"{in_percent(entry['coverage'])}%" if entry["coverage"] is not None else "no session"
            came = entry["updates"] | ({"minutes": entry["minutes"]} if "minutes" in entry else {})
            rows = ", ".join(f"{count} {table}" for table, count in came.items()) or "nothing"
            lines.append(f"  {symbol} ({feed}): {rows}, {share}; gaps: {causes}")
    section = closing.certificate.get("candles", {"symbols": {}})
    feed = section.get("feed", FORMER_HISTORY)
    for symbol, entry in section["symbols"].items():
        causes = ", ".join(f"{cause} {bars}" for cause, bars in entry["gaps_by_cause"].items()) or "none"
        odd = f", {entry['revised']} revised, {sum(entry['rejected'].values())} rejected"
        if provisional := entry.get("provisional_by_cause"):
            told = ", ".join(f"{cause} {bars}" for cause, bars in provisional.items())
            odd += f", {sum(provisional.values())} provisional ({told})"
        lines.append(f"  {symbol} ({feed}): {entry['recorded']} bars of {entry['expected']}{odd}; gap bars: {causes}")
    return "\n".join(lines)
