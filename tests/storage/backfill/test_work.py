"""The asking as a whole: its journal, its connection, and how far it is, whatever its end."""

import asyncio
import os
import signal
import ssl
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.storage.backfill.conftest import EVENING, FRIDAY, HOST, INFY, MONDAY, SBIN, Broker, Host, ask, candle, said

from harvester.backfill import answers, spool, work
from harvester.backfill.ask import AT_ONCE
from harvester.backfill.check import check_history
from harvester.backfill.order import FIRST_DAY, FOLDER, first_day_asked, is_same, load_order, make_order, save_order
from harvester.backfill.pace import LOOK_NS, Pace
from harvester.backfill.pending import spoken_for
from harvester.backfill.progress import Progress, RefusedPiece, Reporter, load_progress
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import midnight_ns
from harvester.base.release import release_id
from harvester.journal.format import BackfillAnswer
from harvester.journal.reader import control_of, read_segment
from harvester.ledger.outage import Outage


class Network:
    """What a run opens: its client's timeout, whether it was closed, and the broker behind it."""

    def __init__(self, host: Host) -> None:
        self.broker = Broker(host.clock, lambda symbol, first, last: said(candle(first, 0), candle(last, 0)))
        self.timeout, self.open = 0.0, 0

    def client(self, _: Any, *, timeout_seconds: float, tls: Any, clock: Any) -> "Network":
        assert isinstance(tls, ssl.SSLContext) and tls.verify_mode == ssl.CERT_REQUIRED
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


def test_who_looks_before_the_first_answer_sees_how_much_is_to_be_asked_for(host: Host, network: Network) -> None:
    seen: list[Progress | None] = []

    def say(symbol: str, first: date, last: date) -> bytes:
        seen.append(load_progress(host.settings.data_dir))
        return said(candle(first, 0), candle(last, 0))

    Reporter(host.settings.data_dir, Progress(ordered_ns=1, state="ended")).say(EVENING, at_once=True)
    network.broker.say = say
    run(host)

    assert seen[0] and (seen[0].state, seen[0].left, seen[0].began_ns) == ("asking", 2, EVENING)


def test_what_a_killed_build_left_of_its_rows_is_in_no_table(host: Host) -> None:
    host.answer((SBIN, MONDAY, MONDAY, said(candle(MONDAY, 0))))
    left = host.lake / ".history" / str(MONDAY)
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(8 * answers.HEIGHT))

    assert host.build().rows == 1
    assert host.certificate(MONDAY)["release"] == release_id() and not left.exists()


def test_a_week_is_spoken_for_from_its_monday_whatever_the_stamp_of_its_bar() -> None:
    wednesday = int(datetime(2025, 11, 26, tzinfo=UTC).timestamp())
    answer = BackfillAnswer(EVENING, 200, date(2025, 11, 17), date(2025, 12, 7), "W", said([wednesday, 1, 1, 1, 1, 1]))
    assert spoken_for(answer) == (date(2025, 11, 24), date(2025, 11, 30))


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


def test_so_many_requests_are_on_their_way_at_once_and_no_more(host: Host) -> None:
    """Each takes as long as ten pauses between two requests."""
    flying, most = 0, 0
    broker = Broker(host.clock, lambda symbol, first, last: said(candle(first, 0), candle(last, 0)))
    fetch = broker.fetch

    async def slow(*words: Any) -> Any:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        for _ in range(40):
            await asyncio.sleep(0)
        flying -= 1
        return await fetch(*words)

    broker.fetch = slow  # type: ignore[method-assign]
    progress = ask(host, host.order(MONDAY.replace(month=1)), broker)

    assert most == AT_ONCE
    assert (progress.asked, progress.left) == (len(broker.asked), 0)
    assert progress.bytes == sum(len(said(candle(MONDAY, 0), candle(MONDAY, 0))) for _ in broker.asked)


def test_a_certificate_that_is_damaged_is_named_with_what_restores_it(host: Host) -> None:
    host.answer((SBIN, MONDAY, MONDAY, said(candle(MONDAY, 0))))
    host.build()
    [entry] = host.manifest(MONDAY).find("certificate")
    (host.lake / entry.path).write_bytes(b"{")

    with pytest.raises(HarvesterError, match=rf"{entry.path}: the certificate cannot be read \(.+\)\. Restore it from"):
        host.left(host.order())


def test_rows_that_are_there_twice_are_found(host: Host) -> None:
    host.answer((SBIN, MONDAY, MONDAY, said(candle(MONDAY, 0), candle(MONDAY, 1))))
    host.build()
    files = host.manifest(MONDAY).files

    assert check_history(host.lake, host.certificate(MONDAY), [*files, *files]) == [
        "2 rows are there twice", f"{SBIN}, resolution 5: recorded is 2, counted 4",
    ]  # fmt: skip


@pytest.mark.parametrize(("days", "refused"), [(40, False), (41, True)])
def test_bars_of_seconds_are_asked_for_of_forty_days_at_most(host: Host, days: int, refused: bool) -> None:
    today = date(2026, 11, 24)
    last = today - timedelta(days=days)
    if refused:
        with pytest.raises(ConfigError, match=f"--until {last}: the broker has bars of seconds of the last 30"):
            make_order(last, last, "5S", (SBIN,), EVENING)
        return
    order = make_order(date(2026, 1, 1), last, "5S", (SBIN,), EVENING)
    assert first_day_asked(order) == last
    assert first_day_asked(make_order(date(2010, 1, 1), last, "5", (SBIN,), EVENING)) == FIRST_DAY


def test_an_order_that_cannot_be_kept_or_read_is_named(host: Host) -> None:
    path = host.settings.data_dir / FOLDER / "order.json"
    path.mkdir(parents=True)
    with pytest.raises(
        HarvesterError, match=rf"^{path}: the order cannot be written \(.+\)\. Its folder is the recorder"
    ):
        save_order(host.settings.data_dir, host.order())
    with pytest.raises(HarvesterError, match=rf"^{path}: the order cannot be read \(Is a directory\)\. Give the order"):
        load_order(host.settings.data_dir)
    order = host.order()
    later = replace(order, ordered_ns=order.ordered_ns + 1)
    assert is_same(order, later) and not is_same(order, None) and not is_same(order, host.order(resolution="D"))
