"""One round of requests for candles, by a caller without a recorder. Needs the standard library alone.

The broker allows 10 calls a second and 200 a minute, and blocks an app for the day that breaks the limit of a minute
three times (Fyers API docs, rate limits): a round ends where the broker says that it is asked too often.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlencode

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.redaction import Secret
from harvester.brokers.bars import History
from harvester.brokers.fyers.headers import data_headers
from harvester.brokers.fyers.history import ANSWER_LIMIT, PATH, history_query, read_history
from harvester.ledger.outage import Outage
from harvester.price_feed.raw_form import RawAnswer
from harvester.tokens.web import TIMEOUT_SECONDS, BrokerUnreachableError, fetch

SPACING_SECONDS = 0.3
ROUND_SECONDS = 240.0
"""A round is over before the next one begins; whom it did not come to is asked by that."""
ENDS_ROUND = frozenset({"token_refused", "rate_limited"})
PASSES = frozenset({"disconnect", "server_error", "timeout"})
"""Worth a second request in the same round."""
LATE_NS = int(TIMEOUT_SECONDS) * NS_PER_SECOND
"""From a request to its answer at most."""
Ask = Callable[[str], "RawAnswer | Outage"]


@dataclass
class Round:
    """Answers with data by symbol, and why there is none of the others."""

    answers: dict[str, RawAnswer] = field(default_factory=dict)
    failed: dict[str, Outage] = field(default_factory=dict)


def ask_history(api_url: str, app_id: str, token: Secret, resolution: str, day: date, clock: Clock) -> Ask:
    """Asks for a symbol's candles of a day in India so far."""

    def ask(symbol: str) -> RawAnswer | Outage:
        url = f"{api_url}{PATH}?{urlencode(history_query(symbol, resolution, day, day))}"
        try:
            status, body, _ = fetch("GET", url, data_headers(app_id, token), most_bytes=ANSWER_LIMIT + 1)
        except BrokerUnreachableError as error:
            return Outage("disconnect", str(error))
        recv_ns = clock.wall_ns()
        read = read_history(status, body)
        return RawAnswer(recv_ns, body) if isinstance(read, History) else read

    return ask


def ask_round(
    ask: Ask,
    symbols: Iterable[str],
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Round:
    """Ask for each symbol, and once more at the end for those whose request may pass then."""
    found, ends = Round(), monotonic() + ROUND_SECONDS
    _ask_each(ask, symbols, found, ends, sleep, monotonic)
    again = [symbol for symbol, outage in found.failed.items() if outage.cause in PASSES]
    if again and not any(outage.cause in ENDS_ROUND for outage in found.failed.values()):
        _ask_each(ask, again, found, ends, sleep, monotonic)
    return found


def _ask_each(
    ask: Ask,
    symbols: Iterable[str],
    found: Round,
    ends: float,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
) -> None:
    ended: Outage | None = None
    for number, symbol in enumerate(symbols):
        if ended is None and monotonic() >= ends:
            ended = Outage("timeout", f"the round of {ROUND_SECONDS:g} s was over before its turn")
        if ended:
            found.failed.setdefault(symbol, ended)
            continue
        sleep(SPACING_SECONDS if number or found.failed else 0)
        answer = ask(symbol)
        if isinstance(answer, RawAnswer):
            found.answers[symbol] = answer
            found.failed.pop(symbol, None)
            continue
        found.failed[symbol] = answer
        ended = answer if answer.cause in ENDS_ROUND else None
