"""Synthetic symbols for load: at the rate asked for, with the values of /depth, and every frame counted."""

import time

from tests.sdk.sockets import asynchronous, bare, digest_of, sockets, wait_for

from exchange.market.load import FIRST_TOKEN, TICK_NS, load_ticker
from exchange.options import SocketRules
from exchange.sockets.sent import read_sent
from harvester.decode.fyers_hsm import HsmDecoder

COUNT, RATE = 2000, 2.0


def names(kind):
    return [f"{kind}|nse_cm|{FIRST_TOKEN + number}" for number in range(COUNT)]


@asynchronous
async def test_load_comes_at_its_rate_without_a_loss(start, figure):
    server = start(load_symbols=COUNT, load_rate=RATE, keep_frames=True, sockets=SocketRules(frame_entries=20))
    async with bare(server) as client:
        await client.login(server)
        began, processor = time.monotonic(), time.process_time()
        for kind in ("sf", "dp"):
            for first in range(0, COUNT, 1000):
                assert (await client.subscribe(names(kind)[first : first + 1000]))[7:8] == b"K"
        listening = time.monotonic()
        while time.monotonic() < listening + 3:
            await client.next()
        seconds, processor = time.monotonic() - began, time.process_time() - processor
    row = wait_for(lambda: next((r for r in sockets(server) if r["closed_ns"]), None))
    sent = [frame.payload for frame in read_sent(server.state / "frames" / "1-fyers-hsm.frames")]
    assert row["sha256"] == digest_of(sent) and sent[: len(client.frames)] == client.frames
    feeds = [frame for frame in client.frames if frame[2] == 6]
    assert [int.from_bytes(frame[3:7], "big") for frame in feeds] == list(range(1, len(feeds) + 1))
    assert max(int.from_bytes(frame[7:9], "big") for frame in feeds) == 20
    updates = sum(int.from_bytes(frame[7:9], "big") for frame in feeds if frame[9] == 0x55)
    assert 0.4 < updates / (2 * COUNT * RATE * seconds) < 1.2
    figure("load_cpu_s_per_1000_entries_with_client", processor / updates * 1000, bound="<= 0.1", unit="s")
    _values_are_those_of_rest(server, feeds)


def _values_are_those_of_rest(server, feeds):
    batch = HsmDecoder().decode(feeds)
    assert not batch.leftovers
    symbols, depths, _ = batch.rows
    row = len(symbols) - 200
    topic = symbols.topic[row]
    number = int(batch.topics[topic].name.rpartition("|")[2]) - FIRST_TOKEN
    volume = int(symbols.column("volume")[row])
    turns = server.world.load.turns
    rest = server.world.depth.row(load_ticker(number), (volume * turns + number % turns) * TICK_NS)
    assert (rest["v"], round(rest["ltp"] * 100)) == (volume, symbols.column("ltp")[row])
    twin = next(
        place
        for place, each in enumerate(depths.topic)
        if batch.topics[each].token == str(FIRST_TOKEN + number) and depths.frame[place] >= symbols.frame[row]
    )
    assert [level["volume"] for level in rest["bids"]] == [depths.column(f"bid_qty_{n}")[twin] for n in range(1, 6)]


def test_load_symbols_are_in_the_symbol_master(start):
    server = start(load_symbols=3)
    with server.client() as client:
        master = client.get("https://public.fyers.in/sym_details/NSE_CM_sym_master.json").json()
        depth = server.depth(client, load_ticker(2)).json()
        history = client.get(
            "https://api-t1.fyers.in/data/history",
            params={"symbol": load_ticker(2), "resolution": "D", "date_format": 1, "range_from": "2026-10-01",
                    "range_to": "2026-10-02"},
            headers=server.headers(),
        )  # fmt: skip
    assert master[load_ticker(2)]["exToken"] == str(FIRST_TOKEN + 2)
    assert len(depth["d"][load_ticker(2)]["bids"]) == 5
    assert history.json()["code"] == -300
