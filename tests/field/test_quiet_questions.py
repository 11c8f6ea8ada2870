"""How often silence is asked about: ever more rarely, soon again once data has flowed, one socket for another."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from tests.field.quiet_stories import STALE, books_of, causes, certificate, flow, made, now, play, quiet, short_grace
from tests.golden.still import StillTime
from tests.recorder.live_feed import SBIN, TOPICS, Stand
from tests.recorder.sockets import until

__all__ = ["certificate", "now", "short_grace"]


@pytest.mark.parametrize("times", [0.9, 1.5, 6])
def test_symbols_that_seldom_change_cost_few_connections_and_no_gap(
    certificate: tuple[Path, Path], now: StillTime, times: float
) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.period = times * STALE
        await asyncio.sleep(150 * STALE)

    stand = play(certificate, now, story)

    assert causes(stand.journal) == ["not_started"]
    assert made(stand) <= 2, "a market's silence is no reason to connect again and again"


@pytest.mark.parametrize(("flows", "most"), [(1, 31), (8, 7), (62, 2)])
def test_a_connection_that_is_deaf_after_a_halt_is_found_out_the_sooner_the_longer_all_has_flowed(
    certificate: tuple[Path, Path], now: StillTime, flows: int, most: int
) -> None:
    """Times are in what a connection may be silent for."""

    async def story(stand: Stand) -> None:
        stand.broker.is_halted = True
        await quiet(stand)
        stand.broker.is_halted = False
        await asyncio.sleep(flows * STALE)
        stand.broker.deaf |= {("/hsm", number) for number in range(made(stand))}
        await until(lambda: len(causes(stand.journal)) == 2, 30)

    stand = play(certificate, now, story)

    (cause, from_ns, to_ns) = stand.journal.gaps[1]
    assert cause == "mute"
    assert to_ns - from_ns < (most + 1) * stand.stale_ns
    assert made(stand) == 3


def test_a_halt_that_lasts_is_asked_about_ever_more_rarely(certificate: tuple[Path, Path], now: StillTime) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.is_halted = True
        await quiet(stand, 2)

    stand = play(certificate, now, story)

    first, second = stand.journal.of_type("quiet")
    assert first["to_ns"] <= second["from_ns"], "what is proven is proven once"
    assert second["to_ns"] - second["from_ns"] > 5 * (first["to_ns"] - first["from_ns"])


def test_a_server_that_sends_snapshots_alone_is_asked_less_and_less_often(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    async def story(stand: Stand) -> None:
        stand.broker.is_mute = True
        await until(lambda: len(causes(stand.journal)) == 5, 20)

    stand = play(certificate, now, story)

    assert causes(stand.journal)[1:] == ["mute"] * 4
    ends = [to_ns for _, _, to_ns in stand.journal.gaps[1:]]
    pauses = [later - earlier for earlier, later in pairwise(ends)]
    assert pauses == sorted(pauses)
    assert pauses[2] > 1.5 * pauses[0]


def test_the_socket_with_most_symbols_is_asked_for_the_other_one_too(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    async def story(stand: Stand) -> None:
        async with books_of(stand) as books:
            stand.broker.is_halted = True
            await quiet(stand)
            await asyncio.sleep(20 * STALE)
            stand.broker.is_halted = False
            await flow(stand)
            await flow(books)
        assert causes(books.journal) == ["not_started"]
        assert books.journal.of_type("quiet") == [], "of what was not asked nothing is proven"

    stand = play(certificate, now, story)

    assert causes(stand.journal) == ["not_started"]
    assert [stand.broker.connections(path) for path in ("/hsm", "/tbt")] == [2, 1]


@pytest.mark.parametrize("is_halted", [True, False])
def test_a_deaf_socket_is_found_out_when_the_other_one_has_data(
    certificate: tuple[Path, Path], now: StillTime, *, is_halted: bool
) -> None:
    async def story(stand: Stand) -> None:
        async with books_of(stand) as books:
            stand.broker.is_halted = is_halted
            if is_halted:
                await quiet(stand)
            stand.broker.deaf.add(("/tbt", 0))
            await asyncio.sleep(5 * STALE if is_halted else 0)
            stand.broker.is_halted, resumed_ns = False, now.wall_ns
            await until(lambda: len(causes(books.journal)) == 2, 10)
            assert now.wall_ns - resumed_ns < 4 * stand.stale_ns
            await flow(books)
        assert causes(books.journal) == ["not_started", "mute"]
        assert books.journal.of_type("quiet") == []

    play(certificate, now, story)


NIFTY = {"if|nse_cm|Nifty 50": "NSE:NIFTY50-INDEX"}
OTHERS = {"50 levels": ("/tbt", TOPICS), "50 levels of more": ("/tbt", {**TOPICS, **NIFTY}), "index": ("/hsm", NIFTY)}


@pytest.mark.parametrize("beside", OTHERS)
@pytest.mark.parametrize("halts", [0, 2])
def test_a_data_socket_that_is_deaf_right_after_a_long_halt_is_asked_at_once_because_others_flow(
    certificate: tuple[Path, Path], now: StillTime, halts: int, beside: str
) -> None:
    path, topics = OTHERS[beside]

    async def story(stand: Stand) -> None:
        async with books_of(stand, path, topics=topics) as other:
            stand.broker.is_halted = halts > 0
            await quiet(stand, halts)
            stand.deafen()
            stand.broker.is_halted, resumed_ns = False, now.wall_ns
            await until(lambda: len(causes(stand.journal)) == 2, 20)
            assert now.wall_ns - resumed_ns < 5 * stand.stale_ns
            await flow(stand)
            await flow(other)
        assert "mute" not in {each["cause"] for each in other.journal.of_type("disconnect")}, "it flows all the time"

    stand = play(certificate, now, story)

    assert causes(stand.journal) == ["not_started", "mute"]


def test_fifty_levels_that_are_deaf_right_after_a_long_halt_are_asked_at_once_because_others_flow(
    certificate: tuple[Path, Path], now: StillTime
) -> None:
    """The data socket has not all of their symbols, so each is asked for itself."""

    async def story(stand: Stand) -> None:
        async with books_of(stand) as books:
            stand.broker.is_halted = True
            await quiet(books, 2)
            books.deafen()
            stand.broker.is_halted, resumed_ns = False, now.wall_ns
            await until(lambda: len(causes(books.journal)) == 2, 20)
            assert now.wall_ns - resumed_ns < 4 * stand.stale_ns
            await flow(books)
        assert causes(books.journal) == ["not_started", "mute"]

    play(certificate, now, story, topics={"dp|nse_cm|1594": "NSE:INFY-EQ"})


@pytest.mark.parametrize("times", [1.5, 6, 1000])
def test_symbols_that_seldom_change_beside_others_that_flow_cost_few_connections(
    certificate: tuple[Path, Path], now: StillTime, times: float
) -> None:
    async def story(stand: Stand) -> None:
        async with books_of(stand, topics={"dp|nse_cm|3045": SBIN}):
            stand.broker.periods["/hsm"] = times * STALE
            await asyncio.sleep(150 * STALE)

    stand = play(certificate, now, story)

    assert causes(stand.journal) == ["not_started"]
    assert made(stand) <= 3


def test_data_of_another_segment_says_nothing_of_a_halt(certificate: tuple[Path, Path], now: StillTime) -> None:
    """Commodities are traded while shares are halted."""

    async def story(stand: Stand) -> None:
        stand.trading.since_ns["mcx"] = now.mono_ns
        stand.broker.is_halted = True
        await quiet(stand, 2)
        stand.broker.periods["/hsm"] = 1000 * STALE
        await asyncio.sleep(STALE)
        before, stand.broker.is_halted = made(stand), False
        async with books_of(stand, topics={"dp|mcx_fo|1": "MCX:GOLD26DECFUT"}, segment="mcx"):
            await asyncio.sleep(20 * STALE)
        assert made(stand) == before

    play(certificate, now, story)


@pytest.mark.parametrize("is_lasting", [False, True])
def test_both_sockets_that_are_deaf_together_are_found_out(
    certificate: tuple[Path, Path], now: StillTime, *, is_lasting: bool
) -> None:
    """The connections made in their place deliver, or are deaf, too."""

    async def story(stand: Stand) -> None:
        async with books_of(stand) as books:
            stand.broker.is_mute = is_lasting
            stand.broker.deaf |= {("/hsm", 0), ("/tbt", 0)}
            await until(lambda: len(causes(books.journal)) == 2, 10)
            stand.broker.is_mute = False
            await flow(books)
        assert books.journal.gaps[1][2] - books.journal.gaps[1][1] < 4 * stand.stale_ns
        assert causes(books.journal) == ["not_started", "mute"]

    stand = play(certificate, now, story)

    assert set(causes(stand.journal)) == {"not_started", "mute"}


def test_a_socket_that_is_down_answers_for_no_other_one(certificate: tuple[Path, Path], now: StillTime) -> None:
    async def story(stand: Stand) -> None:
        async with books_of(stand) as books:
            stand.broker.most_open["/hsm"] = 0
            stand.broker.cut("/hsm")
            stand.broker.is_halted = True
            await quiet(books)

    play(certificate, now, story)
