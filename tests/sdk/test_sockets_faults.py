"""Faults of the sockets, as their clients see them."""

import asyncio

import aiohttp
import pytest
from tests.sdk.sockets import (
    DEPTH_SOCKET,
    MAHINDRA,
    SBIN,
    asynchronous,
    bare,
    count_breaks,
    sdk_data,
    sockets,
    topic,
    wait_for,
)

from exchange.faults import Fault
from exchange.market.load import FIRST_TOKEN
from exchange.options import SocketRules
from harvester.decode.fyers_hsm import HsmDecoder
from harvester.decode.fyers_tbt import TbtDecoder

SNAPSHOT = 0x53


def arm(server, action, **more):
    server.world.faults.arm([Fault(action=action, **more)])


async def follow(server, client, *symbols):
    """Subscribe the depth topics of the symbols on the data socket."""
    await client.login(server)
    await client.subscribe([topic(server, symbol, "dp") for symbol in symbols or (SBIN,)])


async def end_of(client, seconds=3):
    """Read until the server has broken off."""
    async with asyncio.timeout(seconds):
        while await client.next(seconds) is not None:
            pass


@pytest.mark.long
def test_the_sdk_comes_back_after_a_cut(busy):
    with sdk_data(busy, ([SBIN], "DepthUpdate")) as client:
        wait_for(lambda: client.of(SBIN, "dp"))
        arm(busy, "cut", path="/hsm/*")
        wait_for(lambda: sockets(busy)[0]["cause"] == "fault: cut")
        client.messages.clear()
        wait_for(lambda: client.of(SBIN, "dp"), 12)
    assert client.connects == 2 and len(sockets(busy)) == 2


@asynchronous
async def test_a_cut_ends_one_connection_after_so_many_frames(busy):
    arm(busy, "cut", after_requests=3)
    async with bare(busy) as first, bare(busy) as second:
        await follow(busy, first)
        await end_of(first)
        await follow(busy, second)
        assert await second.next_of(6)
    assert sum(frame[2] == 6 for frame in first.frames) >= 3
    assert wait_for(lambda: [row["cause"] for row in sockets(busy)])[0] == "fault: cut"


@asynchronous
async def test_a_mute_connection_answers_nothing_and_goes_on_with_snapshots(busy):
    async with bare(busy) as client, bare(busy) as other:
        await follow(busy, client)
        await follow(busy, other, MAHINDRA)
        arm(busy, "mute", symbol=SBIN, duration_seconds=1)
        wait_for(lambda: busy.world.faults.armed[0].used)
        with pytest.raises(TimeoutError):
            while True:
                await client.next(0.4)
        assert await other.next_of(6)
        frame = await client.next_of(6)
        assert frame[9] == SNAPSHOT
        assert await client.next_of(6)
        # Before they are closed: a frame for a client that has gone counts as dropped, too.
        assert sorted(row["dropped"] > 0 for row in sockets(busy)) == [False, True]
    assert not HsmDecoder().decode(client.frames).leftovers


@asynchronous
async def test_a_half_open_connection_turns_out_to_be_dead(busy):
    async with bare(busy, DEPTH_SOCKET) as client:
        await client.depth([SBIN])
        await client.switch(["1"])
        await client.next()
        arm(busy, "half_open", duration_seconds=1)
        wait_for(lambda: busy.world.faults.armed[0].used)
        await client.socket.send_str("ping")
        with pytest.raises(TimeoutError):
            while True:
                assert await client.next(0.5) != "pong"
        await end_of(client)
    assert wait_for(lambda: sockets(busy)[0]["cause"]) == "fault: half-open"


@asynchronous
async def test_garbage_and_truncated_frames_come_among_good_ones(busy):
    async with bare(busy) as client:
        await follow(busy, client)
        arm(busy, "garbage_frame", size_bytes=33)
        while not any(len(frame) == 33 for frame in client.frames):
            await client.next()
        arm(busy, "truncated_frame", size_bytes=20)
        while not any(len(frame) == 20 for frame in client.frames):
            await client.next()
        await client.next_of(6)
    assert len(HsmDecoder().decode(client.frames).leftovers) >= 2


@pytest.mark.parametrize(("action", "breaks"), [("skip", 1), ("reorder", 3)])
def test_sequence_numbers_of_a_symbol_break(busy, action, breaks):
    @asynchronous
    async def story():
        async with bare(busy, DEPTH_SOCKET) as client:
            await client.depth([SBIN])
            await client.switch(["1"])
            for _ in range(2):
                await client.next()
            arm(busy, action)
            while not busy.world.faults.armed[0].used:
                await client.next()
            for _ in range(8):  # some were on their way before it
                await client.next()
        batch = TbtDecoder().decode(client.frames)
        assert count_breaks(batch.books) == breaks and batch.books.suspect.any()

    story()


@asynchronous
async def test_who_does_not_read_is_cut_off(start):
    server = start(load_symbols=2000, load_rate=10, sockets=SocketRules(slow_bytes=1_000_000))
    async with bare(server, narrow=True) as client:
        await client.login(server)
        await client.subscribe([f"dp|nse_cm|{FIRST_TOKEN + number}" for number in range(2000)])
        wait_for(lambda: sockets(server)[0]["cause"] == "slow consumer", 20)


@asynchronous
async def test_authentication_is_refused_for_a_while(busy):
    arm(busy, "refuse_auth", count=1)
    async with bare(busy) as client:
        assert (await client.login(busy))[7:8] == b"N"
        assert (await client.login(busy))[7:8] == b"K"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"action": "error", "status": 401}, 401),
        ({"action": "error", "status": 403}, 403),
        ({"action": "html", "status": 200}, 200),
        ({"action": "html"}, 502),
    ],
)
def test_handshakes_are_refused(busy, fault, status):
    @asynchronous
    async def story():
        arm(busy, path="/hsm/*", count=1, **fault)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with bare(busy):
                pass
        assert refusal.value.status == status
        async with bare(busy) as client:
            assert (await client.login(busy))[7:8] == b"K"

    story()


@asynchronous
async def test_a_restart_ends_connections_and_lets_new_ones_in(busy):
    async with bare(busy) as client:
        await follow(busy, client)
        arm(busy, "restart", duration_seconds=0.3)
        await end_of(client)
        async with asyncio.timeout(5):
            while True:
                try:
                    async with bare(busy) as again:
                        await follow(busy, again)
                        assert (await again.next_of(6))[9] == SNAPSHOT
                        return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)


@asynchronous
async def test_revoked_tokens_end_connections_of_both_sockets(busy):
    async with bare(busy) as data, bare(busy, DEPTH_SOCKET) as depth:
        await follow(busy, data)
        arm(busy, "revoke")
        await end_of(data)
        await end_of(depth)
    assert {row["cause"] for row in sockets(busy)} == {"token no longer good"}
