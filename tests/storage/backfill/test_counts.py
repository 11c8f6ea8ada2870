"""What a backfill counts: refusals in a row, what it keeps of them, and rejected candles over days."""

from datetime import date, timedelta

import pytest
import structlog
from tests.storage.backfill.conftest import EVENING, FRIDAY, HOST, MONDAY, SBIN, Broker, Host, ask, candle, said

from harvester.backfill.pending import read_answers
from harvester.backfill.plan import calendars_of
from harvester.backfill.summary import summarise
from harvester.base.errors import HarvesterError
from harvester.ledger.outage import Outage

DAY = timedelta(days=1)


def test_two_refusals_after_an_answer_end_no_run_and_each_is_in_the_log(host: Host) -> None:
    broker = Broker(
        host.clock,
        lambda symbol, first, last: (
            Outage("bad_response", "HTTP 400: no")
            if len(broker.asked) in (2, 3)
            else said(candle(first, 0), candle(last, 0))
        ),
    )
    with structlog.testing.capture_logs() as logged:
        progress = ask(host, host.order(date(2026, 1, 1), FRIDAY, "5", SBIN), broker)

    assert (len(broker.asked), progress.left, len(progress.refused)) == (4, 0, 2)
    assert logged[0] == {
        "event": "backfill_refused", "log_level": "warning", "symbol": SBIN, "first": date(2026, 4, 13),
        "last": date(2026, 7, 21), "cause": "bad_response", "detail": "HTTP 400: no",
    }  # fmt: skip


def test_what_a_blocked_account_is_told_is_no_answer(host: Host) -> None:
    broker = Broker(host.clock, lambda *_: Outage("blocked", "HTTP 403: blocked for the day"))
    with pytest.raises(HarvesterError):
        ask(host, host.order(), broker)
    assert broker.asked and [*read_answers(sorted(host.journal.glob("*/*.seg")))] == []


def test_rejected_candles_are_counted_by_day_and_summed_over_days(host: Host) -> None:
    def flawed(day: date, number: int) -> list[float]:
        return [*candle(day, number)[:2], 1, 2, 3, 4]

    for day in (MONDAY, MONDAY + DAY):
        host.answer((SBIN, day, day, said(candle(day, 0), flawed(day, 1), flawed(day, 2))))
    host.build()
    order = host.order(MONDAY, FRIDAY, "5", SBIN)

    found = summarise(host.lake, HOST, order, calendars_of(host.settings, host.calendar, order.symbols))

    assert host.entry(MONDAY)["rejected"] == {"high_below_low": 2}
    assert found["symbols"][SBIN]["rejected"] == {"high_below_low": 4} and order.ordered_ns == EVENING
