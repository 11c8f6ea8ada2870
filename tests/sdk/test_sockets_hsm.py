"""The data socket: what the unmodified SDK and a bare client receive is what the book model says."""

import struct
from itertools import groupby

import pytest
from tests.sdk.sockets import (
    FUTURE,
    MAHINDRA,
    NIFTY,
    SBIN,
    asynchronous,
    bare,
    digest_of,
    hsm_frame,
    sdk_data,
    sockets,
    topic,
    wait_for,
)

from exchange.market.model import BookModel
from exchange.options import SocketRules
from exchange.sockets.sent import read_sent
from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.decode.fyers_hsm import HsmDecoder

LIVE_SYMBOLS = [SBIN, MAHINDRA, NIFTY, FUTURE]


def books_since(server, symbol, began_ns):
    """All books of a symbol that were in force since then, from a model of its own."""
    world = server.world
    model = BookModel(world.model.seed, world.instruments, world.sessions, busy=world.model.busy)
    first = model.book_at(symbol, began_ns)
    return [first, *model.updates(symbol, began_ns + 1, world.clock.wall_ns())]


def without_repeats(values):
    """As a topic of which nothing changed by a tick sends nothing."""
    return [value for value, _ in groupby(values)]


def rupees(paise):
    return paise / 100


def symbol_tick(book):
    """The values of an `sf` tick that the SDK delivers as sent."""
    bid, ask = book.bids[0], book.asks[0]
    return {
        "ltp": rupees(book.last_price), "vol_traded_today": book.volume,
        "last_traded_time": book.last_trade_ns // NS_PER_SECOND, "exch_feed_time": book.time_ns // NS_PER_SECOND,
        "bid_size": bid.quantity, "ask_size": ask.quantity, "bid_price": rupees(bid.price),
        "ask_price": rupees(ask.price), "last_traded_qty": book.last_quantity, "tot_buy_qty": book.total_buy,
        "tot_sell_qty": book.total_sell, "avg_trade_price": rupees(book.average_price),
        "low_price": rupees(book.low), "high_price": rupees(book.high), "open_price": rupees(book.open),
        "prev_close_price": rupees(book.previous_close),
    }  # fmt: skip


def depth_tick(book):
    tick = {}
    for side, levels in (("bid", book.bids), ("ask", book.asks)):
        for place, level in enumerate(levels, start=1):
            tick |= {
                f"{side}_price{place}": rupees(level.price),
                f"{side}_size{place}": level.quantity,
                f"{side}_order{place}": level.orders,
            }
    return tick


def index_tick(book):
    return {
        "ltp": rupees(book.last_price), "prev_close_price": rupees(book.previous_close),
        "exch_feed_time": book.time_ns // NS_PER_SECOND, "high_price": rupees(book.high),
        "low_price": rupees(book.low), "open_price": rupees(book.open),
    }  # fmt: skip


def assert_follows(ticks, expected):
    """Each tick holds the values of a book, and the books come in their order."""
    place = -1
    for tick in ticks:
        part = [{name: tick[name] for name in values} for values in expected]
        found = next((n for n in range(place + 1, len(expected)) if part[n] == expected[n]), None)
        assert found is not None, f"no book of the model after number {place} is {tick}"
        place = found


def test_the_sdk_receives_the_models_values(busy, figure):
    began = busy.clock.wall_ns()
    with sdk_data(busy, (LIVE_SYMBOLS, "SymbolUpdate"), ([SBIN, MAHINDRA], "DepthUpdate")) as client:
        wait_for(lambda: len(client.of(SBIN, "dp")) >= 3 and len(client.ticks) >= 15, 15)
        ticks = list(client.ticks)
    forms = {"sf": symbol_tick, "dp": depth_tick, "if": index_tick}
    kinds = {(tick["symbol"], tick["type"]) for tick in ticks}
    assert {(SBIN, "sf"), (SBIN, "dp"), (MAHINDRA, "dp"), (NIFTY, "if"), (FUTURE, "sf")} <= kinds
    for symbol, kind in kinds:
        expected = [forms[kind](book) for book in books_since(busy, symbol, began)]
        assert_follows([t for t in ticks if (t["symbol"], t["type"]) == (symbol, kind)], expected)
    assert not client.errors
    figure("sdk_hsm_ticks_right", len(ticks), bound=">= 15", unit="ticks", gate=True)


@pytest.mark.long
def test_lite_mode_brings_the_sdk_the_last_price_alone(start):
    busy = start(busy=20.0)
    began = busy.clock.wall_ns()
    with sdk_data(busy, ([FUTURE, SBIN], "SymbolUpdate"), lite=True) as client:
        wait_for(lambda: len(client.of(SBIN, "sf")) >= 3)
        answers = [message["type"] for message in client.messages if message["type"] not in ("sf", "dp", "if")]
        ticks = client.of(SBIN, "sf")
    assert answers == ["cn", "lit", "sub"]
    assert all(set(tick) == {"ltp", "symbol", "type"} for tick in ticks)
    prices = [rupees(book.last_price) for book in books_since(busy, SBIN, began)]
    assert_follows(ticks, [{"ltp": price} for price in prices])


@asynchronous
async def test_a_bare_client_gets_snapshots_then_changes_with_markers(busy):
    began = busy.clock.wall_ns()
    names = [topic(busy, SBIN, "sf"), topic(busy, SBIN, "dp"), topic(busy, MAHINDRA, "sf"), "if|nse_cm|Nifty 50"]
    async with bare(busy) as client:
        assert (await client.login(busy))[2:13] == b"\1\3\1\0\1K\2\0\2\0\2"
        assert (await client.subscribe(names))[7:8] == b"K"
        while sum(frame[2] == 6 for frame in client.frames) < 8:
            await client.next_of(6)
    batch = HsmDecoder().decode(client.frames)
    assert not batch.leftovers
    forms = [row.form.tolist() for row in batch.rows]
    assert sum(form.count(0x53) for form in forms) == len(names) and sum(form.count(0x55) for form in forms) >= 5
    updates = [frame for frame in client.frames if frame[2] == 6 and frame[9] == 0x55]
    assert any(struct.pack(">I", 0x80000000) in frame for frame in updates)
    sf, dp, _ = batch.rows
    books = books_since(busy, SBIN, began)
    mine = [place for place, number in enumerate(sf.topic) if batch.topics[number].name == names[0]]
    totals = without_repeats(book.total_buy for book in books)
    got = without_repeats(int(sf.column("total_buy_qty")[place]) for place in mine)
    assert any(totals[place : place + len(got)] == got for place in range(len(totals)))
    best = without_repeats((book.bids[4].price, book.asks[0].quantity) for book in books)
    shown = without_repeats(zip(dp.column("bid_px_5").tolist(), dp.column("ask_qty_1").tolist(), strict=True))
    # Quote and book are topics of their own: a tick may come between their snapshots.
    assert any(shown == best[place : place + len(shown)] for place in range(len(best)))
    year = busy.world.model.year_range(SBIN, to_local(began).date())
    assert sf.column("year_high")[mine[0]] == max(year[0], books[0].high)


@asynchronous
async def test_numbers_count_frames_and_the_digest_is_of_what_came(start):
    busy = start(busy=10.0, keep_frames=True)
    async with bare(busy) as client:
        await client.login(busy)
        await client.subscribe([topic(busy, SBIN, "dp"), topic(busy, MAHINDRA, "dp")])
        for _ in range(3):
            await client.next_of(6)
        feeds = [frame for frame in client.frames if frame[2] == 6]
        assert [int.from_bytes(frame[3:7], "big") for frame in feeds] == list(range(1, len(feeds) + 1))
        (row,) = sockets(busy)
        sent = [frame.payload for frame in read_sent(busy.state / "frames" / "1-fyers-hsm.frames")]
    assert sent[: len(client.frames)] == client.frames
    assert row["sha256"] == digest_of(sent) and row["frames"] == len(sent)
    assert row["last_message"] == int.from_bytes(sent[-1][3:7], "big")


@asynchronous
async def test_two_clients_share_the_updates(busy):
    async with bare(busy) as one, bare(busy) as two:
        for client in (one, two):
            await client.login(busy)
            await client.subscribe([topic(busy, SBIN, "dp")])
        for client in (one, two):
            while sum(frame[2] == 6 for frame in client.frames) < 4:
                await client.next_of(6)
    left, right = (
        [frame[7:] for frame in client.frames if frame[2] == 6 and frame[9] == 0x55] for client in (one, two)
    )
    both = min(len(left), len(right))
    assert both >= 2 and left[-both:][:1] and set(left) & set(right)


@asynchronous
async def test_the_key_of_the_token_is_checked(busy):
    async with bare(busy) as client:
        assert (await client.login(busy, token="x.e30=.y".replace("e30=", "eyJoc21fa2V5IjoiYWEifQ")))[7:8] == b"N"
        assert (await client.subscribe([topic(busy, SBIN, "sf")]))[7:8] == b"N"
        assert (await client.login(busy))[7:8] == b"K"
        assert (await client.subscribe([topic(busy, SBIN, "sf")]))[7:8] == b"K"
    token = busy.token()
    busy.world.tokens.revoke(token)
    async with bare(busy) as client:
        assert (await client.login(busy, token))[7:8] == b"N"


@asynchronous
async def test_a_token_that_ends_ends_the_connection(start):
    busy = start(busy=10.0, token_seconds=3600)
    async with bare(busy) as client:
        await client.login(busy)
        busy.clock.move(3601)
        assert await client.next() is None
    assert sockets(busy)[-1]["cause"] == "token no longer good"


@asynchronous
async def test_pause_stops_a_channel_and_resume_brings_snapshots(busy):
    name, other = topic(busy, SBIN, "dp"), topic(busy, MAHINDRA, "dp")
    async with bare(busy) as client:
        await client.login(busy)
        await client.subscribe([name], channel=3)
        await client.subscribe([other], channel=4)
        assert (await client.channels(7, 3))[7:8] == b"K"
        client.frames.clear()
        while len(client.frames) < 3:
            await client.next_of(6)
        assert {frame[10:12] for frame in client.frames} == {client.frames[0][10:12]}
        assert (await client.channels(8, 3))[7:8] == b"K"
        frame = await client.next_of(6)
        while frame[9] != 0x53:
            frame = await client.next_of(6)
        assert name.encode() in frame


@asynchronous
async def test_unsubscribed_topics_fall_silent(busy):
    async with bare(busy) as client:
        await client.login(busy)
        await client.subscribe([topic(busy, SBIN, "dp")])
        assert (await client.subscribe([topic(busy, SBIN, "dp")], kind=5))[7:8] == b"K"
        with pytest.raises(TimeoutError):
            await client.next_of(6, 1)


@asynchronous
async def test_more_topics_than_allowed_are_refused_whole(start):
    busy = start(busy=10.0, sockets=SocketRules(topic_limit=2))
    names = [topic(busy, symbol, kind) for symbol in (SBIN, MAHINDRA) for kind in ("sf", "dp")]
    async with bare(busy) as client:
        await client.login(busy)
        assert (await client.subscribe(names[:2]))[7:8] == b"K"
        assert (await client.subscribe(names[2:]))[7:8] == b"N"
        notice = next(frame for frame in client.frames if frame[2] == 51)
    assert struct.unpack_from(">i", notice, 7)[0] == 51001


@pytest.mark.long
def test_the_sdk_acknowledges_when_asked_to(start):
    busy = start(busy=10.0, sockets=SocketRules(ack_every=2))
    with sdk_data(busy, ([SBIN, FUTURE, MAHINDRA], "SymbolUpdate")) as client:
        wait_for(lambda: sockets(busy)[0]["acks"] >= 2, 15)
    assert client.ticks


@pytest.mark.long
def test_the_sdk_is_told_of_the_limit(start):
    busy = start(busy=10.0, sockets=SocketRules(topic_limit=2))
    with sdk_data(busy, ([SBIN, MAHINDRA, FUTURE], "SymbolUpdate")) as sdk:
        wait_for(lambda: sdk.errors)
    assert (sdk.errors[0]["code"], sdk.errors[0]["type"]) == (51001, "sub")


@asynchronous
async def test_an_authorization_header_makes_it_silent_for_ever(busy):
    async with bare(busy, headers={"Authorization": "x:y"}) as client:
        await client.socket.send_bytes(hsm_frame(1, (1, b"x")))
        with pytest.raises(TimeoutError):
            await client.next(0.5)


@asynchronous
async def test_odd_frames_are_passed_over_and_pings_answered(busy):
    async with bare(busy) as client:
        for data in (b"", b"\0", b"\0\0\4\1\1\xff\xff", b"\0\0\4\2\1\0\2\0\5", bytes.fromhex("00010b")):
            await client.socket.send_bytes(data)
        await client.socket.ping()
        assert (await client.login(busy))[7:8] == b"K"
        await client.subscribe(["sf|nse_cm|999999", "zz|nse_cm|1"])
        with pytest.raises(TimeoutError):
            await client.next_of(6, 0.3)
    assert wait_for(lambda: sockets(busy)[-1]["cause"]).startswith("client closed")


@asynchronous
async def test_symbol_token_and_index_map_lead_to_topics(busy):
    with busy.client() as client:
        answer = client.post(
            "https://api-t1.fyers.in/data/symbol-token",
            json={"symbols": [SBIN, "NSE:NOSUCH-EQ"]},
            headers={"Authorization": busy.token()},
        ).json()
        names = client.get("https://public.fyers.in/sym_details/index_hsm_mapping.json").json()
        refused = client.post("https://api-t1.fyers.in/data/symbol-token", json={"symbols": []})
    assert answer["validSymbol"] == {SBIN: "10100000003045"} and answer["invalidSymbol"] == ["NSE:NOSUCH-EQ"]
    assert names[NIFTY] == "Nifty 50" and refused.status_code == 401
