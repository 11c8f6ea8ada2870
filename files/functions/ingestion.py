"""ingestion: the broker's candles of the day so far, one raw file a call, every 5 minutes of a session.

From the first opening of continuous trading until the day's bars have settled. A symbol that fails is named in the
file, and asked again by the next call, which has the whole day again; people are told of one that goes on failing, of a
round without any data at once, and of its end.
"""

import io
import os
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from feed import CALLED_EVERY_NS, feed_days, ns_of, open_bucket, tell, time_of

from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.market import INDIA
from harvester.base.redaction import Secret, redact
from harvester.ledger.outage import Outage
from harvester.page.function import api_url, setting, store
from harvester.price_feed.asking import Round, ask_history, ask_round
from harvester.price_feed.feed_days import BAR_SECONDS
from harvester.price_feed.layout import raw_key, say_resolution
from harvester.price_feed.raw_form import write_raw
from harvester.price_feed.trouble import News, judge, read_trouble
from harvester.tokens.stores import StoreError
from harvester.upload.fingerprint import take
from harvester.upload.retries import Retries
from harvester.upload.trouble import TakenError

SUCCESS, FAILURE, AGAIN = "Ingestion Success", "Ingestion FAILURE", "Ingestion works again"
NAMES = 5
"""Of files of one second that are tried."""
RETRY_SECONDS = 30.0
LOG_IN = "Log in: by the link of the reminder's message, or with ./inv token-push."


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """{"session": bool}; in a session {"file": key or None, "successful_symbols": n, "failed_symbols": {who: why}}.

    `event["now"]`: the schedule's time, or a test's. Raises HarvesterError where the file could not be stored.
    """
    now, days = time_of(event), feed_days()
    day = now.astimezone(INDIA).date()
    span = days.span(day)
    if span is None or not span[0] <= ns_of(now) < span[1] + CALLED_EVERY_NS:
        return {"session": False}
    found = _ask(days.symbols, day)
    key = _keep(found) if found.answers else None
    _tell(found, key)
    failed = {symbol: redact(f"{outage.cause}: {outage.detail}") for symbol, outage in found.failed.items()}
    print({"file": key, "failed": failed})
    return {"session": True, "file": key, "successful_symbols": len(found.answers), "failed_symbols": failed}


def _ask(symbols: list[str], day: date) -> Round:
    token = _read_token()
    if isinstance(token, Outage):
        return Round(failed=dict.fromkeys(symbols, token))
    clock = SystemClock()
    return ask_round(ask_history(api_url(), setting("APP_ID"), token, say_resolution(BAR_SECONDS), day, clock), symbols)


def _read_token() -> Secret | Outage:
    try:
        stored = store("access_token").read()
    except StoreError as error:
        return Outage("no_token", redact(str(error)))
    return stored.value if stored else Outage("no_token", "no access token is stored")


def _keep(found: Round) -> str:
    """Put the file under the time of its first answer; the key. Raises HarvesterError."""
    first_ns = min(answer.recv_ns for answer in found.answers.values())
    content = write_raw(found.answers, found.failed, first_ns, say_resolution(BAR_SECONDS))
    source, bucket, retries = io.BytesIO(content), open_bucket(), Retries(RETRY_SECONDS)
    fingerprint, headers = take(source), {"ContentType": "application/json"}
    for later in range(NAMES):
        key = raw_key(first_ns // NS_PER_SECOND + later)
        try:
            retries.retry(partial(bucket.put, key, source, fingerprint, **headers))
        except TakenError:
            continue  # by a call of the same second, or by this one, whose answer was lost
        return key
    raise TakenError(f"{bucket.place(key)}: that name and {NAMES - 1} before it are taken; the next call asks again.")


def _tell(found: Round, key: str | None) -> None:
    memory = store("feed_state")
    stored = memory.read()
    before = read_trouble(stored.value.get_secret_value() if stored else "")
    news = judge(before, found)
    for subject, text in _letters(news):
        tell(subject, text)
    if news.trouble != before:
        memory.write(Secret(news.trouble.write()))
    if key and os.environ.get("MAIL_EACH") == "true":
        failed = f"; failed: {', '.join(sorted(found.failed))}" if found.failed else ""
        tell(SUCCESS, f"{key}: {len(found.answers)} symbols{failed}")


def _letters(news: News) -> list[tuple[str, str]]:
    letters = []
    if news.begun:
        listed = "; ".join(redact(f"{who}: {why}") for who, why in news.begun.items())
        is_login = any(why.startswith(("token_refused", "no_token")) for why in news.begun.values())
        advice = LOG_IN if is_login else "Each call of the next minutes asks again, for the whole day so far."
        letters.append((FAILURE, f"No candles of {listed}. {advice}"))
    if news.ended:
        letters.append((AGAIN, f"Candles come again of {', '.join(news.ended)}, with the whole day so far."))
    return letters
