"""The 50-level socket: what the unmodified SDK and a bare client receive is what the book model says."""

import copy
from contextlib import contextmanager
from itertools import pairwise

import aiohttp
import pytest
from fyers_apiv3.FyersWebsocket import tbt_ws
from tests.sdk.sockets import (
    DEPTH_SOCKET,
    FUTURE,
    MAHINDRA,
    NIFTY,
    SBIN,
    DepthSocket,
    asynchronous,
    bare,
    bearer,
    connected,
    count_breaks,
    sockets,
    wait_for,
)

from exchange.market.model import BookModel
from exchange.sockets.tbt_live import encode_difference, encode_snapshot
from harvester.base.clock import NS_PER_SECOND
from harvester.decode.fyers_tbt import TbtDecoder

FIVE = [SBIN, MAHINDRA, FUTURE, "NSE:INFY-EQ", "NSE:TCS-EQ"]


def books_since(server, symbol, began_ns):
    """All 50-level books of a symbol that were in force since then, from a model of its own."""
    world = server.world
    model = BookModel(world.model.seed, world.instruments, world.sessions, busy=world.model.busy)
    first = model.book_at(symbol, began_ns, 50)
    return [first, *model.updates(symbol, began_ns + 1, world.clock.wall_ns(), 50)]


class SdkDepth:
    """An SDK depth socket that is connected; its callback's books are copied, since it changes them later."""

    def __init__(self, server, symbols):
        self.updates, self.server_errors, self.errors = [], [], []
        self.opened = 0
        self._symbols = symbols
        DepthSocket._instance = None
        tbt_ws.DataStore.depth.clear()
        self.socket = DepthSocket(
            access_token=bearer(server),
            write_to_file=True,
            log_path=str(server.folder),
            on_depth_update=lambda ticker, depth: self.updates.append((ticker, copy.deepcopy(depth))),
            on_error_message=self.server_errors.append,
            on_error=self.errors.append,
            on_open=self._opened,
            on_close=lambda _: None,
        )

    def _opened(self):
        self.opened += 1
        self.socket.subscribe(set(self._symbols), "1", tbt_ws.SubscriptionModes.DEPTH)
        self.socket.switchChannel({"1"}, set())

    def of(self, symbol):
        return [depth for ticker, depth in self.updates if ticker == symbol]


@contextmanager
def sdk_depth(server, symbols):
    """Connect the SDK's depth socket and subscribe."""
    client = SdkDepth(server, symbols)
    with connected(client.socket):
        yield client


def sdk_book(depth):
    """Values of the SDK's object, in paise."""
    sides = ((depth.bidprice, depth.bidqty, depth.bidordn), (depth.askprice, depth.askqty, depth.askordn))
    levels = [tuple((round(p * 100), q, n) for p, q, n in zip(*side, strict=True)) for side in sides]
    return (*levels, depth.tbq, depth.tsq, depth.timestamp)


def model_book(book):
    levels = [tuple(map(tuple, side)) for side in (book.bids, book.asks)]
    return (*levels, book.total_buy, book.total_sell, book.time_ns // NS_PER_SECOND)


def test_the_sdk_receives_fifty_levels_of_the_model(busy, figure):
    began = busy.clock.wall_ns()
    with sdk_depth(busy, [SBIN, FUTURE]) as client:
        wait_for(lambda: len(client.of(SBIN)) >= 10 and len(client.of(FUTURE)) >= 10, 15)
        seen = {symbol: list(client.of(symbol)) for symbol in (SBIN, FUTURE)}
    right = 0
    for symbol, depths in seen.items():
        books = [model_book(book) for book in books_since(busy, symbol, began)]
        place = 0
        for depth in depths:
            place = books.index(sdk_book(depth), place)
            right += 1
        numbers = [depth.seqNo for depth in depths]
        steps = {after - before for before, after in pairwise(numbers)}
        assert steps <= {0, 1} and depths[0].snapshot and not depths[-1].snapshot
    assert not client.errors and not client.server_errors
    figure("sdk_tbt_books_right", right, bound=">= 20", unit="books", gate=True)


@asynchronous
async def test_a_bare_client_gets_books_with_numbers_that_follow(busy):
    began = busy.clock.wall_ns()
    async with bare(busy, DEPTH_SOCKET) as client:
        await client.depth([SBIN, FUTURE])
        with pytest.raises(TimeoutError):
            await client.next(0.3)
        await client.switch(["1"])
        while len(client.frames) < 20:
            await client.next()
    batch = TbtDecoder().decode(client.frames)
    assert not count_breaks(batch.books) and not batch.leftovers and not batch.books.suspect.any()
    assert batch.books.snapshot.sum() == 2
    for number, symbol in enumerate(batch.tickers):
        mine = batch.books.symbol == number
        books = books_since(busy, symbol, began)
        totals = batch.books.total_buy[mine].tolist()
        sent = [book.total_buy for book in books]
        starts = [place for place in range(len(sent)) if sent[place : place + len(totals)] == totals]
        assert starts  # not the first book with that total: an earlier one may have had it, too
        books = books[starts[-1] : starts[-1] + len(totals)]
        for side, name in (("bids", "bid"), ("asks", "ask")):
            for part, what in enumerate(("px", "qty", "ord")):
                got = getattr(batch.books, f"{name}_{what}")[:, mine].T.tolist()
                assert got == [[level[part] for level in getattr(book, side)] for book in books]


def test_a_difference_names_the_changed_numbers_alone(server):
    book = server.world.model.book_at(SBIN, server.clock.wall_ns(), 50)
    level = book.bids[7]
    changed = book._replace(bids=(*book.bids[:7], level._replace(quantity=level.quantity + 1), *book.bids[8:]))
    message = encode_difference(book, changed, "token", 2, book.time_ns)
    whole = encode_snapshot(book, "token", 1, book.time_ns)
    assert len(whole) > 1500 and len(message) < 100
    books = TbtDecoder().decode([whole, message]).books
    assert books.bid_qty[:, 1].tolist() == [each.quantity for each in changed.bids]
    assert books.bid_px[:, 1].tolist() == [each.price for each in book.bids]


@asynchronous
async def test_ping_is_answered_and_nonsense_named(busy):
    async with bare(busy, DEPTH_SOCKET) as client:
        await client.socket.send_str("ping")
        assert await client.next() == "pong"
        for text in (
            "{",
            "[]",
            '{"type":9,"data":{}}',
            '{"type":2,"data":{"resumeChannels":["99"],"pauseChannels":[]}}',
        ):
            await client.socket.send_str(text)
            assert b"invalid" in await client.next()


@asynchronous
async def test_the_sixth_symbol_silences_its_channel(server):
    async with bare(server, DEPTH_SOCKET) as client:
        await client.depth([*FIVE, "NSE:RELIANCE-EQ"])
        await client.switch(["1"])
        assert b"symbol count exceeds limit: 5, please unsubscribe" in await client.next()
        with pytest.raises(TimeoutError):
            await client.next(0.5)
        await client.depth(["NSE:RELIANCE-EQ"], subs=-1)
        got = {frame_ticker(await client.next()) for _ in range(5)}
    assert got == set(FIVE)


def frame_ticker(frame):
    return TbtDecoder().decode([frame]).tickers[0]


@asynchronous
async def test_a_paused_channel_is_silent_and_starts_with_a_snapshot(busy):
    async with bare(busy, DEPTH_SOCKET) as client:
        await client.depth([SBIN], "7")
        await client.switch(["7"])
        assert len(await client.next()) > 1500
        await client.next()
        await client.switch([], ["7"])
        await client.socket.send_str("ping")
        while await client.next() != "pong":
            pass
        with pytest.raises(TimeoutError):
            await client.next(0.5)
        await client.switch(["7"])
        assert len(await client.next()) > 1500


@asynchronous
async def test_symbols_that_are_not_served_are_named(busy):
    async with bare(busy, DEPTH_SOCKET) as client:
        await client.depth([NIFTY, "NSE:NOSUCH-EQ"])
        answer = await client.next()
    assert NIFTY.encode() in answer and b"NSE:NOSUCH-EQ" in answer


@asynchronous
async def test_handshake_and_address_need_app_id_and_token(busy):
    for headers in ({}, {"Authorization": busy.token()}, {"Authorization": bearer(busy, "x.y.z")}):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with bare(busy, DEPTH_SOCKET, headers=headers):
                pass
        assert refusal.value.status == 401
    address = "https://api-t1.fyers.in/indus/home/tbtws"
    with busy.client() as client:
        assert client.get(address, headers={"Authorization": busy.token()}).status_code == 401
        good = client.get(address, headers={"Authorization": bearer(busy)})
    assert good.json()["data"]["socket_url"] == DEPTH_SOCKET


@asynchronous
async def test_a_fourth_connection_is_refused(busy):
    async with bare(busy, DEPTH_SOCKET), bare(busy, DEPTH_SOCKET), bare(busy, DEPTH_SOCKET):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with bare(busy, DEPTH_SOCKET):
                pass
    assert refusal.value.status == 429
    assert len(sockets(busy)) >= 3
