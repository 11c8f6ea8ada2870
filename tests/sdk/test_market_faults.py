"""Quiet connections, halts and circuits of the exchange, as clients of its sockets and of /depth see them."""

import asyncio

import pytest
from tests.sdk.sockets import DEPTH_SOCKET, MAHINDRA, SBIN, asynchronous, bare, sockets, topic, wait_for
from tests.sdk.test_sockets_faults import SNAPSHOT, arm, follow

from harvester.decode.fyers_hsm import HsmDecoder
from harvester.decode.fyers_tbt import TbtDecoder


async def silence(client, seconds=0.6):
    """Until nothing comes for so long."""
    with pytest.raises(TimeoutError):
        while True:
            await client.next(seconds)


def last_rows(frames):
    """Values of the last book and of the last quote, as decoded."""
    rows = HsmDecoder().decode(frames).rows
    return [tuple(each.values[:, -1]) for each in rows if len(each)]


@asynchronous
async def test_a_quiet_connection_answers_pings_and_has_nothing_of_what_the_market_does(busy):
    async with bare(busy, DEPTH_SOCKET) as client, bare(busy, DEPTH_SOCKET) as other:
        await client.depth([SBIN])
        await client.switch(["1"])
        await client.next()
        arm(busy, "quiet", path="/versova", count=1)
        wait_for(lambda: busy.world.faults.armed[0].used)
        await silence(client)
        await client.socket.send_str("ping")
        assert await client.next() == "pong"
        await other.depth([SBIN])
        await other.switch(["1"])
        assert await other.next()
        assert await other.next(), "the market goes on"
    assert sorted(row["dropped"] > 0 for row in sockets(busy)) == [False, True]


@asynchronous
async def test_at_its_end_a_quiet_connection_goes_on_with_snapshots(busy):
    async with bare(busy) as client:
        await follow(busy, client)
        arm(busy, "quiet", duration_seconds=1)
        wait_for(lambda: busy.world.faults.armed[0].used)
        await silence(client, 0.4)
        frame = await client.next_of(6)
        assert frame[9] == SNAPSHOT
        assert await client.next_of(6)


@asynchronous
async def test_a_halt_silences_a_symbol_and_shows_a_newcomer_the_same_book(busy):
    names = [topic(busy, SBIN, kind) for kind in ("sf", "dp")]
    async with bare(busy) as client, bare(busy) as other, bare(busy) as running:
        await client.login(busy)
        await client.subscribe(names)
        await follow(busy, running, MAHINDRA)
        await client.next_of(6)
        arm(busy, "halt", symbol=SBIN, duration_seconds=4)
        await silence(client)
        before = last_rows(client.frames)
        await other.login(busy)
        await other.subscribe(names)
        await other.next_of(6)
        assert last_rows(other.frames) == before
        assert await running.next_of(6), "another symbol goes on"
        frames = len(client.frames)
        await client.next_of(6, 6)
        assert len(client.frames) > frames


@asynchronous
async def test_a_halt_of_the_market_silences_the_depth_socket_and_depth(busy):
    async with bare(busy, DEPTH_SOCKET) as client:
        await client.depth([SBIN])
        await client.switch(["1"])
        await client.next()
        arm(busy, "halt", duration_seconds=60)
        await silence(client)
        rows = [busy.world.depth.row(SBIN, busy.world.clock.wall_ns())]
        await asyncio.sleep(0.5)
        rows.append(busy.world.depth.row(SBIN, busy.world.clock.wall_ns()))
    assert rows[0] == rows[1]
    books = TbtDecoder().decode([frame for frame in client.frames if isinstance(frame, bytes)]).books
    assert not books.suspect.any()


@asynchronous
async def test_at_its_circuit_a_symbol_has_buyers_alone(busy):
    arm(busy, "circuit", symbol=SBIN)
    async with bare(busy) as client:
        await client.login(busy)
        await client.subscribe([topic(busy, SBIN, kind) for kind in ("sf", "dp")])
        await client.next_of(6)
    quotes, books = (rows for rows in HsmDecoder().decode(client.frames).rows if len(rows))
    row = busy.world.depth.row(SBIN, busy.world.clock.wall_ns())
    assert row["totalsellqty"] == 0
    assert all(level["price"] == level["volume"] == 0 for level in row["ask"])
    assert row["ltp"] == row["upper_ckt"] == row["bids"][0]["price"]
    assert quotes.column("ltp")[0] == quotes.column("upper_ckt")[0] == books.column("bid_px_1")[0]
    assert books.column("ask_px_1")[0] == books.column("ask_qty_1")[0] == 0
