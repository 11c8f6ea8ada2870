"""The asking: paced below the session's own requests, kept before it counts, resumed anywhere, and told why it ends."""

import asyncio
from collections import namedtuple
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.storage.backfill.conftest import (
    FRIDAY,
    INFY,
    MONDAY,
    SBIN,
    Broker,
    Host,
    SleepClock,
    ask,
    candle,
    said,
)  # fmt: skip

from harvester.backfill import ask as asking
from harvester.backfill.order import FOLDER
from harvester.backfill.pace import Pace, spacing_ns
from harvester.backfill.pending import read_answers
from harvester.backfill.progress import EVERY_NS, Progress, Reporter, load_progress
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import INDIA
from harvester.config.limits import Need, RequestLimits
from harvester.ledger.outage import Outage

DAY = timedelta(days=1)
SINCE = date(2026, 1, 1)
LIMITS = RequestLimits(10, 200, 100_000)


def all_of_it(_: str, first: date, last: date) -> bytes:
    """A bar of each weekday."""
    days = ((first + at * DAY) for at in range((last - first).days + 1))
    return said(*(candle(day, 0) for day in days if day.weekday() < 5))


def test_an_order_is_asked_for_in_windows_and_kept_as_it_came(host: Host) -> None:
    broker = Broker(host.clock, all_of_it)
    progress = ask(host, host.order(SINCE, FRIDAY, "5", SBIN), broker)

    assert broker.asked == [
        (SBIN, "2026-01-01", "2026-04-10"), (SBIN, "2026-04-13", "2026-07-21"),
        (SBIN, "2026-07-22", "2026-10-29"), (SBIN, "2026-10-30", "2026-11-20"),
    ]  # fmt: skip
    assert (progress.asked, progress.left, progress.refused) == (4, 0, [])
    kept = [*read_answers(sorted(host.journal.glob("*/*.seg")))]
    assert [(each.symbol, str(each.said.first), str(each.said.last)) for each in kept] == broker.asked
    assert [each.said.body for each in kept] == [all_of_it(SBIN, each.said.first, each.said.last) for each in kept]
    assert host.left(host.order(SINCE, FRIDAY, "5", SBIN)) == []


def test_requests_keep_the_pace(host: Host) -> None:
    broker = Broker(host.clock, all_of_it)
    ask(host, host.order(SINCE), broker)
    apart = [other - one for one, other in pairwise(broker.moments)]

    assert min(apart) >= 333_333_333, "180 in a minute: nine tenths of the broker's limit"
    assert max(apart) < 400_000_000


def test_a_killed_run_is_gone_on_with_where_it_was(host: Host) -> None:
    order = host.order(SINCE, FRIDAY)
    asked: list[tuple[str, str, str]] = []

    def dies(symbol: str, first: date, last: date) -> bytes:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append((symbol, str(first), str(last)))
        return all_of_it(symbol, first, last)

    with pytest.raises(KeyboardInterrupt):
        ask(host, order, Broker(host.clock, dies))
    rest = Broker(host.clock, all_of_it)
    ask(host, order, rest)

    assert len(asked) == 3
    assert sorted([*asked, *rest.asked]) == sorted({*asked, *rest.asked}), "nothing was asked for twice"
    assert len(rest.asked) == 5


def test_what_an_answer_leaves_out_at_its_ends_is_asked_for_by_itself(host: Host) -> None:
    """The share was listed on Wednesday, and the broker cuts its answers to two days."""

    def short(_: str, first: date, last: date) -> bytes:
        days = [first + at * DAY for at in range((last - first).days + 1)]
        return said(*[candle(day, 0) for day in days if day >= MONDAY + 2 * DAY][:2])

    broker = Broker(host.clock, short)
    ask(host, host.order(MONDAY, FRIDAY, "5", SBIN), broker)

    assert broker.asked == [
        (SBIN, "2026-11-16", "2026-11-20"), (SBIN, "2026-11-16", "2026-11-17"), (SBIN, "2026-11-20", "2026-11-20"),
    ]  # fmt: skip
    host.build()
    assert [host.entry(MONDAY + at * DAY)["recorded"] for at in range(5)] == [0, 0, 1, 1, 1]
    assert host.left(host.order(MONDAY, FRIDAY, "5", SBIN)) == []


def test_a_symbol_that_the_broker_does_not_know_ends_its_own_requests_alone(host: Host) -> None:
    def unknown(symbol: str, first: date, last: date) -> bytes | Outage:
        return Outage("not_listed", "HTTP 200, code -300: no") if symbol == SBIN else all_of_it(symbol, first, last)

    broker = Broker(host.clock, unknown)
    progress = ask(host, host.order(SINCE), broker)

    assert [symbol for symbol, *_ in broker.asked].count(SBIN) <= asking.AT_ONCE
    assert [symbol for symbol, *_ in broker.asked].count(INFY) == 4
    assert progress.refused[0].symbol == SBIN
    assert (progress.refused[0].first, progress.refused[0].last) == (str(SINCE), str(FRIDAY))
    assert "not_listed" in progress.refused[0].why
    assert {each.symbol for each in progress.refused} == {SBIN}
    assert host.left(host.order(SINCE))[0][0] == SBIN, "another day the broker may know it"
    alone = ask(host, host.order(SINCE, FRIDAY, "5", SBIN), Broker(host.clock, unknown))
    assert [(each.first, each.last) for each in alone.refused][:1] == [(str(SINCE), str(FRIDAY))]


def test_a_token_that_ends_in_the_middle_is_told_and_the_next_run_goes_on(host: Host) -> None:
    refused = Outage("token_refused", "HTTP 401, code -8: expired")
    broker = Broker(host.clock, lambda symbol, *days: refused if len(broker.asked) > 2 else all_of_it(symbol, *days))
    with pytest.raises(HarvesterError, match=r"HTTP 401, code -8: expired\. Log in \(\./inv token-push\)\. Run the"):
        ask(host, host.order(SINCE), broker)
    host.clock.now_ns += NS_PER_SECOND
    host.log_in("v2")
    rest = Broker(host.clock, all_of_it)
    ask(host, host.order(SINCE), rest)

    assert len(rest.asked) == 6


def test_whatever_ends_a_run_no_request_of_it_is_under_way_any_more(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is refused while the first has no answer yet."""
    run, flying, left = asking.Asker.run, list[str](), list[int]()
    broker = Broker(host.clock, lambda *_: Outage("token_refused", "HTTP 401, code -8: expired"))
    fetch = broker.fetch

    async def slow(symbol: str, *words: Any) -> Any:
        flying.append(symbol)
        if len(flying) == 1:
            await asyncio.Event().wait()
        return await fetch(symbol, *words)

    async def watched(asker: asking.Asker) -> None:
        try:
            await run(asker)
        finally:
            left.append(len(asyncio.all_tasks()) - 1)

    broker.fetch = slow  # type: ignore[method-assign]
    monkeypatch.setattr(asking.Asker, "run", watched)
    with pytest.raises(HarvesterError, match="code -8"):
        ask(host, host.order(SINCE), broker)
    assert (len(flying), left) == (2, [0])


def test_without_a_token_nothing_is_asked(host: Host) -> None:
    host.settings.token.handover.unlink()
    broker = Broker(host.clock, all_of_it)

    with pytest.raises(HarvesterError, match=r"^No access token has been handed over\. Log in"):
        ask(host, host.order(), broker)
    assert broker.asked == []


@pytest.mark.parametrize("cause", ["timeout", "disconnect", "server_error"])
def test_what_passes_is_tried_again_and_more_and_more_rarely(host: Host, cause: Any) -> None:
    broker = Broker(
        host.clock,
        lambda symbol, *days: Outage(cause, "away") if 1 < len(broker.asked) < 6 else all_of_it(symbol, *days),
    )
    ask(host, host.order(SINCE, FRIDAY, "5", SBIN), broker)

    assert host.left(host.order(SINCE, FRIDAY, "5", SBIN)) == []
    assert len(broker.asked) == 8


def test_a_broker_that_stays_away_ends_the_run(host: Host) -> None:
    broker = Broker(host.clock, lambda *_: Outage("timeout", "no whole answer within 30 s"))

    with pytest.raises(HarvesterError, match=r"no whole answer within 30 s, 7 times in a row\. Run the same"):
        ask(host, host.order(SINCE), broker)
    assert [*read_answers(sorted(host.journal.glob("*/*.seg")))] == []


def test_a_breach_of_the_limit_waits_and_a_third_ends_the_run(host: Host) -> None:
    broker = Broker(host.clock, lambda *_: Outage("rate_limited", "HTTP 429"))

    with pytest.raises(HarvesterError, match=r"its limit is passed .* 3 times in this run.*Does\s+anything else"):
        ask(host, host.order(SINCE, FRIDAY, "5", SBIN), broker)
    assert len(broker.asked) <= 2 * asking.AT_ONCE
    assert len(host.left(host.order(SINCE, FRIDAY, "5", SBIN))) == 4


def test_an_account_that_the_broker_blocks_is_asked_for_nothing_more(host: Host) -> None:
    """Each request of a blocked account may make its block longer: there is no second one."""
    broker = Broker(host.clock, lambda *_: Outage("blocked", "HTTP 403: blocked for the day"))
    order = host.order(SINCE, FRIDAY, "5", SBIN)

    with pytest.raises(HarvesterError, match=r"its limit is passed \(HTTP 403: blocked for the day\), 1 times"):
        ask(host, order, broker)
    assert len(broker.asked) <= asking.AT_ONCE
    assert len(host.left(order)) == 4


def test_an_account_without_the_right_to_data_ends_the_run(host: Host) -> None:
    broker = Broker(host.clock, lambda *_: Outage("bad_response", "HTTP 400: no"))

    with pytest.raises(
        HarvesterError,
        match=r"answered 3 requests in a row without data, the last for .*-EQ from .* until somebody has looked\."
        r" Is the app's permission for market data still there \(the broker's API dashboard\)\?$",
    ):
        ask(host, host.order(SINCE), broker)


def test_refusals_with_answers_between_them_end_nothing_however_many(host: Host) -> None:
    """The broker refuses a stretch of each symbol: its answers to the others show that the app's right is there."""

    def now_and_then(symbol: str, first: date, last: date) -> bytes | Outage:
        refused = first.month in (1, 7)
        return Outage("bad_response", "HTTP 400: no") if refused else all_of_it(symbol, first, last)

    symbols = ("NSE:A-EQ", "NSE:B-EQ", "NSE:C-EQ", "NSE:D-EQ")
    broker = Broker(host.clock, now_and_then)
    progress = ask(host, host.order(SINCE, FRIDAY, "5", *symbols), broker)

    assert {each.symbol for each in progress.refused} == {*symbols}
    assert len(progress.refused) > asking.MOST_REFUSALS


def test_a_disk_that_fills_up_ends_the_run_before_the_recorder_s_reserve(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker(host.clock, all_of_it)
    reserve, usage = host.settings.disk_reserve_bytes, namedtuple("usage", "total used free")
    monkeypatch.setattr(asking.shutil, "disk_usage", lambda _: usage(0, 0, 2 * reserve - (len(broker.asked) > 1)))

    with pytest.raises(HarvesterError, match=r"MiB free, and twice the recorder's reserve \(2 MiB\) must stay"):
        ask(host, host.order(SINCE), broker)
    assert 1 < len(broker.asked) <= 2 + asking.AT_ONCE


@pytest.mark.parametrize(
    ("need", "ns"),
    [
        (Need(0, 0), 333_333_334), (Need(100, 0), 666_666_667), (Need(198, 0), 33_333_333_334), (Need(199, 0), None),
        (Need(200, 0), None), (Need(900, 0), None),
    ],
)  # fmt: skip
def test_the_pace_is_what_the_session_leaves(need: Need, ns: int | None) -> None:
    assert spacing_ns(LIMITS, need) == ns


@pytest.mark.parametrize(("limits", "ns"), [((1, 200, 1), 1_000_000_000), ((10, 900, 1), 300_000_000)])
def test_no_two_requests_come_closer_than_a_second_s_limit_or_the_least_pause(limits: Any, ns: int) -> None:
    assert spacing_ns(RequestLimits(*limits), Need(0, 0)) == ns


def at(day: date, hour: int, minute: int) -> int:
    return int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=INDIA).timestamp()) * NS_PER_SECOND


def test_a_session_has_the_polls_of_its_symbols_first(host: Host) -> None:
    """Two symbols every five seconds need 26 requests in a minute."""
    pace = Pace(host.settings, host.calendar)

    assert pace.at(at(FRIDAY, 8, 54)) == (333_333_334, False)
    assert pace.at(at(FRIDAY, 8, 56)) == (383_141_763, True)
    assert pace.at(at(FRIDAY, 15, 14)) == (383_141_763, True)
    assert pace.at(at(FRIDAY, 15, 16)) == (333_333_334, False)
    assert pace.at(at(date(2026, 11, 21), 11, 0)) == (333_333_334, False), "a Saturday"
    assert pace.daily() < 90_000


def test_a_session_that_needs_all_is_waited_out(host: Host) -> None:
    from msgspec.structs import replace

    broker_settings = replace(host.settings.broker, requests_per_minute=26)
    host.settings = replace(host.settings, broker=broker_settings)
    host.clock = SleepClock(at(FRIDAY, 15, 0))
    order = host.order(MONDAY, MONDAY)
    broker = Broker(host.clock, all_of_it)
    ask(host, order, broker)

    assert broker.moments[0] >= at(FRIDAY, 15, 15)


def test_a_breach_in_a_session_leaves_the_rest_of_it_to_the_polls(host: Host) -> None:
    host.clock = SleepClock(at(FRIDAY, 15, 0))
    broker = Broker(
        host.clock,
        lambda symbol, *days: Outage("rate_limited", "429") if len(broker.asked) == 1 else all_of_it(symbol, *days),
    )
    ask(host, host.order(MONDAY, MONDAY, "5", SBIN), broker)

    first, second = broker.moments
    assert first < at(FRIDAY, 15, 1)
    assert second >= at(FRIDAY, 15, 15)


def test_a_day_s_limit_ends_the_run_until_tomorrow(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "daily", lambda _: 3)
    broker = Broker(host.clock, all_of_it)

    with pytest.raises(HarvesterError, match=r"3 requests were sent today, .* again tomorrow"):
        ask(host, host.order(SINCE), broker)
    assert len(broker.asked) == 3
    assert len(host.left(host.order(SINCE))) == 5


def test_progress_is_written_once_a_second_and_at_once_when_the_clock_was_set_back(host: Host) -> None:
    (host.settings.data_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    reporter, told = Reporter(host.settings.data_dir, Progress(ordered_ns=1)), []
    begin = 5 * EVERY_NS
    for asked, wall_ns in enumerate((begin, begin, begin + EVERY_NS - 1, begin + EVERY_NS, begin + EVERY_NS - 1)):
        reporter.progress.asked = asked
        reporter.say(wall_ns)
        found = load_progress(host.settings.data_dir)
        told.append(found.asked if found else None)

    assert told == [0, 0, 0, 3, 4]
