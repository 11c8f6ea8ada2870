"""Connections of a socket feed in this process: how they end, are replaced and are watched; the journal is a list."""

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from tests.recorder.live_feed import BETWEEN, FAR, FULL, NEAR, SBIN, TOPICS, Journal, Stand, live_feed
from tests.recorder.sockets import SocketBroker, until

from exchange.wire import hsm
from harvester.base.clock import NS_PER_SECOND
from harvester.brokers.fyers.hsm import HsmSession
from harvester.capture.feed import Turn
from harvester.capture.streams.liveness import LivenessMonitor
from harvester.journal.format import MAX_PAYLOAD
from harvester.ledger.outage import Outage
from harvester.net import graceful_close


@pytest.mark.parametrize("turns_before", [[FAR._replace(hold=FULL)], [NEAR._replace(hold=FULL)], [FAR], []])
@pytest.mark.parametrize("closed_for", [None, BETWEEN])
def test_a_hold_is_the_cause_whatever_state_the_feed_is_in(
    certificate: tuple[Path, Path], turns_before: list[Turn], closed_for: Outage | None
) -> None:
    async def story() -> list[tuple[str, int, int]]:
        tls = ssl.create_default_context(cafile=str(certificate[0]))
        async with SocketBroker(certificate) as broker:
            stand = Stand(broker, tls, redundant=False, topics=TOPICS)
            if closed_for:
                stand.feed.follow(NEAR)
                await until(lambda: stand.is_live)
                await stand.feed.stop(closed_for)
            for turn in turns_before:
                stand.feed.follow(turn)
            stand.open_window()
            stand.feed.follow(NEAR._replace(hold=FULL))
            stand.feed.follow(NEAR._replace(hold=FULL._replace(detail="6 bytes free")))
            await asyncio.sleep(0.01)
            stand.feed.follow(NEAR)
            await until(lambda: stand.is_live)
            await stand.feed.stop(BETWEEN)
            return stand.journal.gaps

    gaps = asyncio.run(story())

    assert gaps[-1][0] == "disk_full", "until the snapshot"
    if any(turn.hold for turn in turns_before):
        assert [cause for cause, _, _ in gaps] == ["disk_full"], "from the opening on"


def test_a_hold_that_is_over_before_the_opening_is_no_cause_of_it(certificate: tuple[Path, Path]) -> None:
    async def story() -> Journal:
        async with SocketBroker(certificate) as broker:
            stand = Stand(broker, ssl.create_default_context(), redundant=False, topics=TOPICS)
            stand.feed.follow(FAR._replace(hold=FULL))
            stand.feed.follow(FAR)
            stand.open_window()
            return stand.journal

    (gap, _) = asyncio.run(story()).of_type("gap_open")

    assert gap["cause"] == "not_started"


def test_what_is_on_its_way_when_the_recorder_hangs_up_is_taken_in(certificate: tuple[Path, Path]) -> None:
    async def story() -> tuple[Journal, SocketBroker]:
        async with live_feed(certificate) as stand:
            transport = stand.socket._transport
            assert transport
            transport.underlying_transport.pause_reading()  # the recorder is behind
            for number in range(500):
                await stand.broker.send("/hsm", hsm.feed(number, [hsm.update(1, [number] * 30)]))
            closes = stand.close_window()
            asyncio.get_running_loop().call_later(0.5, transport.underlying_transport.resume_reading)
            await stand.feed.stop(BETWEEN)
            assert all(to_ns <= closes for _, _, to_ns in stand.journal.gaps)
            return stand.journal, stand.broker

    journal, broker = asyncio.run(story())

    sent = broker.sent["/hsm", 0]
    assert journal.messages == sent[: len(journal.messages)]
    assert len(journal.messages) >= len(sent) - 1, "one may be sent into the end of the connection"
    assert [gap[0] for gap in journal.gaps] == ["not_started"], "the end of the window is whole"


def test_a_server_that_is_gone_at_the_close_leaves_a_gap_up_to_it(certificate: tuple[Path, Path]) -> None:
    async def story() -> tuple[Journal, int, int]:
        async with live_feed(certificate) as stand:
            stand.stop_answering()
            await asyncio.sleep(0.3)
            last_ns = stand.socket.last_wall_ns
            closes = stand.close_window()
            began = time.monotonic()
            await stand.feed.stop(BETWEEN)
            assert time.monotonic() - began < graceful_close.DRAIN_NS / NS_PER_SECOND
            return stand.journal, last_ns, closes

    journal, last_ns, closes = asyncio.run(story())

    assert journal.gaps[-1] == ("mute", last_ns, closes)


def test_a_server_that_goes_on_after_the_goodbye_is_not_waited_for_for_ever(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graceful_close, "DRAIN_NS", NS_PER_SECOND)

    async def story() -> tuple[Journal, int, int]:
        async with live_feed(certificate) as stand:
            await until(lambda: stand.socket.answers_pings)
            stand.stop_hearing()
            proven_ns = stand.socket.proven_ns
            await asyncio.sleep(0.5)
            closes = stand.close_window()
            await stand.feed.stop(BETWEEN)
            return stand.journal, proven_ns, closes

    journal, proven_ns, closes = asyncio.run(story())

    assert journal.gaps[-1] == ("slow_consumer", proven_ns, closes)


@pytest.mark.parametrize("too_many", [1, 400_000])
def test_a_message_too_large_never_reaches_the_journal(certificate: tuple[Path, Path], too_many: int) -> None:
    async def story() -> Journal:
        async with live_feed(certificate) as stand:
            await stand.broker.send("/hsm", bytes(MAX_PAYLOAD + too_many))
            await until(lambda: stand.broker.connections("/hsm") == 2 and stand.is_live)
            return stand.journal

    journal = asyncio.run(story())

    assert max(map(len, journal.messages)) < MAX_PAYLOAD
    assert [record["bytes"] for record in journal.of_type("oversize")] == [MAX_PAYLOAD + too_many]
    assert [gap[0] for gap in journal.gaps] == ["not_started", "bad_response"]


def test_a_stop_in_the_middle_of_a_change_of_token_closes_all_books(certificate: tuple[Path, Path]) -> None:
    async def story() -> Stand:
        async with live_feed(certificate) as stand:
            old = stand.connection
            stand.hand_over("n")
            stand.feed.change_token()
            stand.stop_hearing()
            await until(lambda: not old.is_running)
            assert old.is_open, "it waits for the server's Close frame"
            await stand.feed.stop(BETWEEN)
            return stand

    stand = asyncio.run(story())

    assert not any(map(stand.ledger.is_live, stand.ledger.symbols)), "nothing delivers them now"
    assert len(stand.journal.of_type("connect")) == len(stand.journal.of_type("disconnect")) == 2


def test_who_stops_a_feed_that_is_being_stopped_waits_for_the_end_of_it(certificate: tuple[Path, Path]) -> None:
    async def story() -> Journal:
        async with live_feed(certificate) as stand:
            stand.stop_answering()
            stand.feed.follow(FAR)
            await asyncio.sleep(0.1)
            await stand.feed.stop(Outage("stopped", "the recorder was told to stop"))
            assert not stand.feed.is_running
            assert stand.journal.of_type("disconnect")
            return stand.journal

    journal = asyncio.run(story())

    assert len(journal.of_type("disconnect")) == 1


def test_a_token_that_the_broker_refuses_costs_one_of_two_connections_at_most(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harvester.capture.streams.group.HANDOVER_SECONDS", 1.0)

    async def story() -> None:
        async with live_feed(certificate, redundant=True) as stand:
            await until(lambda: not any(connection.missing() for connection in stand.feed.connections))
            stand.broker.authenticates = False
            stand.hand_over("n")
            before = stand.broker.connections("/hsm")
            stand.feed.change_token()
            await until(lambda: "token_not_used_yet" in capsys.readouterr().out)
            assert stand.broker.connections("/hsm") > before
            assert stand.feed.connections[1].is_open, "it still delivers, with the old token"
            assert stand.is_live

    asyncio.run(story())


@pytest.mark.parametrize("where", ["subscribe", "run"])
def test_a_defect_beside_a_connection_ends_it_and_is_told(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    async def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr({"subscribe": HsmSession, "run": LivenessMonitor}[where], where, fail)

    async def story() -> Journal:
        async with live_feed(certificate, topics={"dp|nse_cm|3045": SBIN}) as stand:
            await until(lambda: len(stand.journal.of_type("connect")) >= 2)
            return stand.journal

    journal = asyncio.run(story())

    assert journal.of_type("disconnect")[0]["detail"] == "ZeroDivisionError in the recorder"
    assert "connection_failed" in capsys.readouterr().out


def test_a_start_that_fails_by_a_defect_is_made_again(
    certificate: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    async def story() -> None:
        async with live_feed(certificate) as stand:
            await stand.feed.stop(BETWEEN)
            stand.defects = 1
            for _ in range(2):
                stand.feed.follow(NEAR)
                await asyncio.sleep(0.1)
            await until(lambda: stand.is_live)

    asyncio.run(story())

    assert "feed_failed" in capsys.readouterr().out


def test_what_came_of_a_symbol_is_counted_over_the_windows(certificate: tuple[Path, Path]) -> None:
    """The metrics take the difference to the count before: one that begins anew would be less than nothing."""

    async def story() -> list[int]:
        tls, counts = ssl.create_default_context(cafile=str(certificate[0])), []
        async with SocketBroker(certificate) as broker:
            stand = Stand(broker, tls, redundant=False, topics=TOPICS)
            for _ in range(2):
                stand.feed.follow(NEAR)
                await until(lambda: stand.is_live)
                counts.append(stand.feed.count(SBIN).updates)
                await stand.feed.stop(BETWEEN)
                counts.append(stand.feed.count(SBIN).updates)
        return counts

    first, after, second, last = asyncio.run(story())

    assert 0 < first <= after < second <= last
