"""etl: the csv.gz of each symbol of a day, from the raw files that ingestion left: one file in force, however often.

Called every 5 minutes; acts at 16:00 in India, or once the day's bars have settled, and mails the day's result. An hour
later it does so once more, and mails only where that changed something or failed. A call with {"date": "2026-11-20"} or
without anything is of that day, or today, at once. Which bars are missing, and why, is in the answer and in the mail.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from feed import CALLED_EVERY_NS, feed_days, ns_of, open_bucket, tell, time_of

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import INDIA
from harvester.base.redaction import redact
from harvester.page.function import setting
from harvester.price_feed.etl import bring_day
from harvester.price_feed.feed_days import FeedDays
from harvester.price_feed.raw_zone import RawDay
from harvester.upload.retries import Retries

SUCCESS, FAILURE = "Lightweight ETL Success", "Lightweight ETL FAILURE"
AT = timedelta(hours=16)
AGAIN_NS = 3600 * NS_PER_SECOND
RETRY_SECONDS = 60.0
SHOWN = 20
"""Symbols with missing bars that a mail names."""
NO_SESSION = "there is no session"


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """The day's figures for scripts (harvester.price_feed.etl.bring_day); of a schedule's other calls {"due": False}.

    Raises HarvesterError where the day could not be brought, after it was mailed; of a schedule's call the answer says
    so instead, because a call that fails is made twice more, and would be mailed as often.
    """
    now, days, is_scheduled = time_of(event), feed_days(), bool(event.get("now"))
    day = _day_of(event, now)
    turn = _turn(days, day, ns_of(now)) if is_scheduled else 1
    if not turn:
        return {"due": False}
    try:
        answer, problems = _bring(days, day, ns_of(now))
    except HarvesterError as error:
        answer, problems = {"date": day.isoformat()}, [redact(str(error))]
    print(answer, problems)
    if problems:
        tell(FAILURE, f"{day}: {' '.join(problems)}")
        if not is_scheduled:
            raise HarvesterError(" ".join(problems))
        return {**answer, "problems": problems}
    if turn == 1 or answer["uploaded_files"]:
        tell(SUCCESS, _say(answer))
    return answer


def _day_of(event: Mapping[str, Any], now: datetime) -> date:
    text = event.get("date")
    if text is None:
        return now.astimezone(INDIA).date()
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise ConfigError(f"date {text!r} is none. Write it as 2026-11-20.") from None


def _turn(days: FeedDays, day: date, now_ns: int) -> int:
    """1 and 2 for the day's two calls, 0 for all others."""
    span = days.span(day)
    if span is None:
        return 0
    at = datetime(day.year, day.month, day.day, tzinfo=INDIA) + AT
    due_ns = max(ns_of(at.astimezone(UTC)), span[1] + CALLED_EVERY_NS)
    turns = {1: due_ns, 2: due_ns + AGAIN_NS}
    return next((turn for turn, begins in turns.items() if begins <= now_ns < begins + CALLED_EVERY_NS), 0)


def _bring(days: FeedDays, day: date, now_ns: int) -> tuple[dict[str, Any], list[str]]:
    bucket, retries = open_bucket(), Retries(RETRY_SECONDS)
    raw = RawDay(days, day, now_ns)
    answer, outcome = bring_day(raw, bucket, retries, setting("NAME"))
    problems = [*raw.flaws, *outcome.problems]
    if days.span(day) is None and not raw.files:
        answer["left_out"] = NO_SESSION
    elif not raw.files:
        problems.append(f"{bucket.home} has no raw file of that day, so ingestion brought nothing.")
    return answer, problems


def _say(answer: Mapping[str, Any]) -> str:
    if "left_out" in answer:
        return f"{answer['date']}: {answer['left_out']}, nothing to do."
    text = (
        f"{answer['date']}: {answer['total_records']} bars of {answer['symbols_processed']} symbols from"
        f" {answer['processed_files']} raw files, {answer['uploaded_files']} files put. Of {answer['expected']} bars"
        f" that were due {answer['missing']} are missing, {answer['rejected']} candles were rejected,"
        f" {answer['revised']} bars revised."
    )
    missing = answer["missing_bars"]
    for symbol in sorted(missing)[:SHOWN]:
        begins = sorted(missing[symbol])
        causes = ", ".join(sorted(set(missing[symbol].values())))
        text += f"\n{symbol}: {len(begins)} missing between {begins[0][11:16]} and {begins[-1][11:16]} IST ({causes})"
    more = len(missing) - SHOWN
    return f"{text}\nand {more} more symbols" if more > 0 else text
