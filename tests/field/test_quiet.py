"""A market that stands still is not a connection that has failed, and a connection that has failed is found out."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.field.quiet_stories import STALE, causes, certificate, flow, is_whole, made, now, play, quiet, short_grace
from tests.golden.still import StillTime
from tests.recorder.live_feed import Stand
from tests.recorder.sockets import until

__all__ = ["certificate", "now", "short_grace"]
SOCKETS = pytest.mark.parametrize("path", ["/hsm", "/tbt"])


@SOCKETS
@pytest.mark.parametrize("way", [{}, {"may_overlap": False}, {"redundant": True}])
def test_a_halt_is_quiet_and_no_gap_and_the_first_frame_after_it_is_recorded(
    certificate: tuple[Path, Path], now: StillTime, path: str, way: dict[str, Any]
) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.is_halted = True
        await quiet(stand)
        await asyncio.sleep(2 * STALE)
        stand.broker.is_halted = False
        await flow(stand)

    stand = play(certificate, now, story, path=path, **way)

    (record,) = stand.journal.of_type("quiet")
    assert set(record["symbols"]) == set(stand.symbols)
    assert record["feed"] == stand.number
    left = [gap for gap in stand.journal.gaps[1:] if not (record["from_ns"] <= gap[1] and gap[2] <= record["to_ns"])]
    assert left == [], "no gap but, where only one connection may be open, within what is proven"
    assert way == {"may_overlap": False} or causes(stand.journal) == ["not_started"]
    assert made(stand) == (3 if way == {"redundant": True} else 2)
    assert all(is_whole(stand, number) for number in range(made(stand)))


@SOCKETS
def test_a_connection_that_brings_nothing_while_the_market_goes_on_is_replaced_with_a_gap_from_its_last_frame(
    certificate: tuple[Path, Path], now: StillTime, path: str
) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.deaf.add((path, 0))
        await until(lambda: made(stand) == 2 and len(causes(stand.journal)) == 2, 10)
        await flow(stand)

    stand = play(certificate, now, story, path=path)

    (_, from_ns, to_ns) = stand.journal.gaps[1]
    assert causes(stand.journal) == ["not_started", "mute"]
    assert from_ns == stand.journal.last_data_ns(0, to_ns)
    assert from_ns < to_ns
    assert stand.journal.of_type("quiet") == []
    assert made(stand) == 2
    assert stand.journal.of_type("disconnect")[0]["cause"] == "mute"


@pytest.mark.parametrize("is_halted", [True, False])
def test_a_connection_that_answers_no_pings_any_more_is_ended_and_made_again(
    certificate: tuple[Path, Path], now: StillTime, *, is_halted: bool
) -> None:
    async def story(stand: Stand) -> None:
        stand.trading.since_ns = {}
        await until(lambda: stand.socket.answers_pings, 10)
        stand.broker.is_halted = is_halted
        stand.stop_answering()
        await until(lambda: made(stand) == 2, 10)
        stand.broker.is_mute = False
        stand.broker.is_halted = False
        await flow(stand)

    stand = play(certificate, now, story)

    assert causes(stand.journal) == ["not_started", "mute"]
    assert "ping" in stand.journal.of_type("disconnect")[0]["detail"]


def test_nothing_is_asked_after_the_close_of_a_segment_while_another_one_trades(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    async def story(stand: Stand) -> None:
        stand.trading.since_ns = {"mcx": 0}
        stand.broker.is_halted = True
        await asyncio.sleep(3 * STALE)

    stand = play(certificate, now, story)

    assert made(stand) == 1
    assert stand.journal.of_type("quiet") == []


def test_a_broker_that_allows_one_connection_is_asked_in_its_place(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.most_open["/hsm"] = 1
        stand.broker.is_halted = True
        await quiet(stand)
        stand.broker.is_halted = False
        await flow(stand)

    stand = play(certificate, now, story)

    (record,) = stand.journal.of_type("quiet")
    assert all(record["from_ns"] <= gap[1] and gap[2] <= record["to_ns"] for gap in stand.journal.gaps[1:])
    assert made(stand) == 2


def test_a_broker_that_ends_the_older_of_two_connections_starts_no_fight(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.ends_older = True
        stand.broker.is_halted = True
        await quiet(stand)
        stand.broker.is_halted = False
        await flow(stand, 20)

    stand = play(certificate, now, story)

    (record,) = stand.journal.of_type("quiet")
    assert all(record["from_ns"] <= gap[1] and gap[2] <= record["to_ns"] for gap in stand.journal.gaps[1:])
    assert made(stand) == 2


def test_a_market_that_goes_on_while_it_is_asked_about_keeps_its_connection(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.is_halted = True
        stand.broker.sends_snapshots = False
        await until(lambda: made(stand) == 2, 10)
        stand.broker.is_halted = False
        await until(lambda: len(stand.journal.of_type("disconnect")) == 1, 10)
        await flow(stand)

    stand = play(certificate, now, story)

    assert causes(stand.journal) == ["not_started"]
    assert stand.journal.of_type("disconnect")[0]["stream"] == 1, "the second one goes"
    assert stand.journal.of_type("quiet") == []
    assert is_whole(stand, 0)


def test_one_deaf_connection_of_two_is_replaced_and_costs_nothing(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.deaf.add(("/hsm", 0))
        await until(lambda: made(stand) == 3, 10)
        await flow(stand)

    stand = play(certificate, now, story, redundant=True)

    ended = stand.journal.of_type("disconnect")[0]
    assert ended["cause"] == "mute"
    assert causes(stand.journal) == ["not_started"]
    assert made(stand) == 3


def test_two_deaf_connections_are_found_out(certificate: tuple[Path, Path], now: StillTime) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.deaf |= {("/hsm", 0), ("/hsm", 1)}
        await until(lambda: made(stand) == 4 and len(causes(stand.journal)) == 2, 10)
        await flow(stand)

    stand = play(certificate, now, story, redundant=True)

    assert causes(stand.journal) == ["not_started", "mute"]
    assert stand.journal.gaps[1][1] == max(
        stand.journal.last_data_ns(stream, stand.journal.gaps[1][2]) for stream in (0, 1)
    )


def test_a_new_token_in_a_halt_is_no_gap(certificate: tuple[Path, Path], now: StillTime) -> None:
    async def story(stand: Stand) -> None:
        stand.trading.since_ns = {}
        stand.broker.is_halted = True
        await asyncio.sleep(0.3)
        stand.hand_over("n")
        stand.feed.change_token()
        await until(lambda: stand.connection.stream == 1 and len(stand.journal.of_type("disconnect")) == 1, 10)

    stand = play(certificate, now, story)

    assert causes(stand.journal) == ["not_started"]


def test_the_gap_of_a_cut_in_a_halt_begins_with_the_last_sign_of_life(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    async def story(stand: Stand) -> None:
        stand.trading.since_ns = {}
        stand.broker.is_halted = True
        await asyncio.sleep(1)
        stand.broker.cut("/hsm")
        await until(lambda: made(stand) == 2 and len(causes(stand.journal)) == 2, 10)

    stand = play(certificate, now, story)

    cause, from_ns, to_ns = stand.journal.gaps[1]
    assert cause == "disconnect"
    assert from_ns > stand.journal.last_data_ns(0, to_ns) + 500_000_000, "it had answered pings since"
