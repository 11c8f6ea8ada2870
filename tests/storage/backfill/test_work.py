"""The asking as a whole: its journal, its connection, and how far it is, whatever its end."""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.storage.backfill.conftest import EVENING, FRIDAY, HOST, INFY, MONDAY, SBIN, Broker, Host, ask, candle, said

from harvester.backfill import answers, spool, work
from harvester.backfill.pace import LOOK_NS, Pace
from harvester.backfill.progress import Progress, RefusedPiece, Reporter, load_progress
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import midnight_ns
from harvester.journal.reader import control_of, read_segment
from harvester.ledger.outage import Outage


class Network:
    """What a run opens: its client's timeout, whether it was closed, and the broker behind it."""

    def __init__(self, host: Host) -> None:
        self.broker = Broker(host.clock, lambda symbol, first, last: said(candle(first, 0), candle(last, 0)))
        self.timeout, self.open = 0.0, 0

    def client(self, _: Any, *, timeout_seconds: float, tls: Any, clock: Any) -> "Network":
        self.timeout, self.open = timeout_seconds, self.open + 1
        return self

    async def close(self) -> None:
        self.open -= 1


@pytest.fixture
def network(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    network = Network(host)
    monkeypatch.setattr(work, "FyersRestClient", network.client)
    monkeypatch.setattr(work, "FyersHistory", lambda client: client.broker)
    yield network
    assert network.open == 0, "closed, whatever the end"


def run(host: Host) -> Progress:
    return work.ask(host.settings, host.order(), host.calendar, "c0ffee", host.clock)


def test_a_run_keeps_what_came_in_a_journal_that_says_whose_it_is(host: Host, network: Network) -> None:
    progress = run(host)

    assert (progress.state, progress.asked, progress.left, progress.sent_today) == ("done", 2, 0, 2)
    assert load_progress(host.settings.data_dir) == progress and progress.began_ns == EVENING
    [segment] = host.journal.glob("*/*.seg")
    header = control_of(next(iter(read_segment(segment))), "segment")
    assert header and header["host_id"] == HOST and header["config_hash"] == "c0ffee" and header["release"]
    assert (header["streams"], header["candles"]) == ({}, {"0": SBIN, "1": INFY})
    assert network.timeout == work.TIMEOUT_SECONDS
    assert host.build().days == 5 and host.left(host.order()) == []


def test_a_run_of_which_nothing_is_left_asks_nobody_and_is_done(host: Host, network: Network) -> None:
    run(host)
    network.timeout = 0

    assert run(host).state == "done" and network.timeout == 0 and len(network.broker.asked) == 2


def test_why_a_run_ended_is_there_for_who_looks_later(host: Host, network: Network) -> None:
    network.broker.say = lambda *_: Outage("token_refused", "HTTP 401, code -8: expired")

    with pytest.raises(HarvesterError, match=r"^The broker refuses the token: HTTP 401, code -8: expired\. Log in"):
        run(host)

    progress = load_progress(host.settings.data_dir)
    assert progress and (progress.state, progress.left) == ("ended", 2)
    assert progress.why.startswith("The broker refuses the token: HTTP 401")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_ends_with_a_sentence(host: Host, network: Network, number: signal.Signals) -> None:
    async def stopped(*_: object) -> Any:
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    network.broker.fetch = stopped  # type: ignore[method-assign]

    with pytest.raises(HarvesterError, match=r"^It was stopped\. Run the same command again"):
        run(host)
    progress = load_progress(host.settings.data_dir)
    assert progress and progress.state == "ended" and progress.why.startswith("It was stopped")


def test_what_earlier_runs_of_the_day_sent_counts_and_of_yesterday_nothing(
    host: Host, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "daily", lambda _: 3)
    reporter = Reporter(host.settings.data_dir, Progress(ordered_ns=1, sent_today=2))
    reporter.say(EVENING - NS_PER_SECOND, at_once=True)
    with pytest.raises(HarvesterError, match=r"^3 requests were sent today, .* again tomorrow"):
        run(host)
    assert len(network.broker.asked) == 1

    host.clock.now_ns += 86_400 * NS_PER_SECOND
    host.log_in("v2")
    assert run(host).sent_today == 1 and len(network.broker.asked) == 2


def test_a_run_over_midnight_has_the_requests_of_the_new_day(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of both days together are more than a day may have."""
    monkeypatch.setattr(Pace, "daily", lambda _: 3)
    host.clock.now_ns = midnight_ns(FRIDAY) - NS_PER_SECOND // 2
    order = host.order(MONDAY.replace(year=2025, month=6), FRIDAY.replace(month=10), "5", SBIN)
    broker = Broker(host.clock, lambda symbol, first, last: said(candle(first, 0), candle(last, 0)))

    progress = ask(host, order, broker)

    before = sum(moment < midnight_ns(FRIDAY) for moment in broker.moments)
    assert before == 2 and len(broker.moments) == 5
    assert progress.sent_today == 3


def test_while_a_run_waits_it_says_for_what(host: Host) -> None:
    """Three requests of a minute with a limit of two: the third is held until the minute is over."""
    host.settings = replace(host.settings, broker=replace(host.settings.broker, requests_per_minute=26))
    host.clock.now_ns = midnight_ns(FRIDAY) + 10 * 3600 * NS_PER_SECOND
    told: list[tuple[str, str]] = []

    class Watched(type(host.clock)):  # type: ignore[misc]
        async def sleep_until(self, mono_ns: int) -> None:
            progress = load_progress(host.settings.data_dir)
            told.append((progress.state, progress.why) if progress else ("", ""))
            self.now_ns += 3600 * NS_PER_SECOND

    host.clock = Watched(host.clock.now_ns)
    broker = Broker(host.clock, lambda symbol, first, last: said(candle(first, 0), candle(last, 0)))
    progress = ask(host, host.order(MONDAY, MONDAY, "5", SBIN), broker)

    assert told[0] == ("waiting", "the session leaves no room for it in the broker's limits")
    assert (progress.state, progress.why) == ("asking", "")


def test_the_days_that_the_broker_refused_are_noted(host: Host) -> None:
    broker = Broker(host.clock, lambda *_: Outage("bad_response", "HTTP 400: no"))
    progress = ask(host, host.order(), broker)

    assert progress.refused[0] == RefusedPiece(SBIN, str(MONDAY), str(FRIDAY), "bad_response: HTTP 400: no")


def test_the_pace_is_looked_at_again_after_half_a_minute_and_when_the_clock_was_set_back(host: Host) -> None:
    pace, opens = Pace(host.settings, host.calendar), midnight_ns(FRIDAY) + (8 * 60 + 55) * 60 * NS_PER_SECOND
    seen = [pace.at(opens + away).in_session for away in (-1, LOOK_NS - 2, LOOK_NS - 1, -2)]

    assert seen == [False, False, True, False]


def test_answers_of_more_days_than_fit_into_memory_come_out_the_same(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes: list[int] = []
    flush = spool.DaySpool._flush

    def counted(self: spool.DaySpool) -> None:
        flushes.append(self._bytes)
        flush(self)

    monkeypatch.setattr(spool, "FLUSH_BYTES", 2 * answers.HEIGHT * 8)
    monkeypatch.setattr(spool.DaySpool, "_flush", counted)
    host.answer((SBIN, MONDAY, MONDAY, said(candle(MONDAY, 0))), (INFY, MONDAY, MONDAY, said(candle(MONDAY, 0))))
    host.answer((SBIN, MONDAY, MONDAY, said(candle(MONDAY, 0), candle(MONDAY, 1))))

    assert host.build().rows == 3
    assert flushes == [2 * answers.HEIGHT * 8, 2 * answers.HEIGHT * 8, 0]
