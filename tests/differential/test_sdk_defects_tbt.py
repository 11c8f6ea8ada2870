"""Where the broker's SDK 3.2.0 is wrong about the 50-level socket, shown, beside what our decoder makes of it.

docs/sdk-defects.md lists them; a test there is named by the number in its name.
"""

from tests.differential.sdk import SdkTbt

from exchange.wire import tbt
from harvester.decode.frames import ABSENT, Reason
from harvester.decode.fyers_tbt import TbtDecoder

TICKER = "NSE:SBIN-EQ"
TWO = [tbt.Level(0, 10_000, 5, 1), tbt.Level(1, 9_995, 6, 2)]
ONE = [tbt.Level(0, 10_005, 7, 3)]


def feed(bids: list[tbt.Level], sequence: int, *, snapshot: bool = False, time: int | None = None) -> tbt.Feed:
    return tbt.Feed(TICKER, bids, sequence=sequence, snapshot=snapshot, feed_time=time)


def whole(bids: list[tbt.Level], sequence: int = 1, time: int | None = None) -> bytes:
    return tbt.socket_message([feed(bids, sequence, snapshot=True, time=time)], snapshot=True)


def diff(bids: list[tbt.Level], sequence: int = 2) -> bytes:
    return tbt.socket_message([feed(bids, sequence)])


def test_t1_a_snapshot_leaves_old_levels_in_the_book() -> None:
    sdk, frames = SdkTbt(), [whole(TWO), whole(ONE, 2)]
    sdk.take(frames[0])

    (_, depth), *_ = sdk.take(frames[1])
    books = TbtDecoder().decode(frames).books

    assert depth.bidprice[:2] == [100.05, 99.95]
    assert books.bid_px[:2, 1].tolist() == [10_005, ABSENT]
    assert books.bid_qty[:2, 1].tolist() == [7, 0]


def test_t2_a_level_without_quantity_keeps_its_price() -> None:
    sdk, frames = SdkTbt(), [whole(TWO), diff([tbt.Level(1, None, 0)])]
    sdk.take(frames[0])

    (_, depth), *_ = sdk.take(frames[1])
    books = TbtDecoder().decode(frames).books

    assert (depth.bidprice[1], depth.bidqty[1], depth.bidordn[1]) == (99.95, 0, 2)
    assert (books.bid_px[1, 1], books.bid_qty[1, 1], books.bid_ord[1, 1]) == (ABSENT, 0, 0)


def test_t3_a_time_that_is_not_given_becomes_zero() -> None:
    sdk, frames = SdkTbt(), [whole(TWO, time=1_763_000_000), diff(ONE)]
    sdk.take(frames[0])

    (_, depth), *_ = sdk.take(frames[1])
    books = TbtDecoder().decode(frames).books

    assert (depth.timestamp, depth.sendtime) == (0, 0)
    assert books.feed_time.tolist() == [1_763_000_000, ABSENT]


def test_t4_the_snapshot_flag_is_taken_from_the_message_not_from_the_symbol() -> None:
    mixed = [feed(TWO, 1, snapshot=True), tbt.Feed("NSE:INFY-EQ", ONE, sequence=9)]
    frame = tbt.socket_message(mixed, snapshot=True)

    flags = {ticker: depth.snapshot for ticker, depth in SdkTbt().take(frame)}
    batch = TbtDecoder().decode([frame])

    assert flags == {TICKER: True, "NSE:INFY-EQ": True}
    assert dict(zip(batch.tickers, batch.books.snapshot.tolist(), strict=True)) == {TICKER: True, "NSE:INFY-EQ": False}


def test_t5_books_outlive_the_connection_and_are_shared_by_all_sockets() -> None:
    SdkTbt().take(whole(TWO))

    (_, depth), *_ = SdkTbt(clear=False).take(diff([tbt.Level(0, 1, 1, 1)], 900))
    books = TbtDecoder().decode([diff([tbt.Level(0, 1, 1, 1)], 900)]).books

    assert depth.bidprice[1] == 99.95
    assert books.bid_px[1, 0] == ABSENT
    assert books.suspect.tolist() == [True], "no snapshot came on this connection"


def test_t6_prices_become_floats_by_a_division_by_100() -> None:
    price = 2**53 + 1
    frame = whole([tbt.Level(0, price, 1, 1)])

    (_, depth), *_ = SdkTbt().take(frame)

    assert round(depth.bidprice[0] * 100) != price
    assert TbtDecoder().decode([frame]).books.bid_px[0, 0] == price


def test_t7_missing_sequence_numbers_go_unnoticed() -> None:
    sdk, frames = SdkTbt(), [whole(TWO), diff(ONE, 2), diff(ONE, 5), whole(TWO, 6)]

    seen = [depth.seqNo for frame in frames for _, depth in sdk.take(frame)]
    batch = TbtDecoder().decode(frames)

    assert seen == [1, 2, 5, 6] and sdk.errors == []
    assert batch.books.suspect.tolist() == [False, False, True, False]


def test_t8_the_books_in_an_error_message_are_thrown_away() -> None:
    frame = tbt.socket_message([feed(TWO, 1, snapshot=True)], snapshot=True, text="too many", error=True)
    sdk = SdkTbt()

    assert sdk.take(frame) == [] and sdk.server_errors == ["too many"]
    batch = TbtDecoder().decode([frame])
    assert len(batch.books) == 1
    assert [(notice.text, notice.is_error) for notice in batch.notices] == [("too many", True)]


def test_t9_a_part_without_a_book_is_delivered_as_the_old_book() -> None:
    sdk, frames = SdkTbt(), [whole(TWO), tbt.socket_message([tbt.Feed(TICKER, sequence=2, depth=False)])]
    sdk.take(frames[0])

    (_, depth), *_ = sdk.take(frames[1])
    batch = TbtDecoder().decode(frames)

    assert (depth.bidprice[0], depth.seqNo) == (100.0, 1)
    assert len(batch.books) == 1
    assert [(left.frame, left.reason) for left in batch.leftovers] == [(1, Reason.NO_DEPTH)]


def test_t10_the_same_object_is_delivered_again_and_again() -> None:
    sdk, seen = SdkTbt(), []
    sdk.socket.onDepthUpdate = lambda _ticker, depth: seen.append(depth)

    for frame in (whole(TWO), diff([tbt.Level(0, 20_000, 1, 1)])):
        sdk.receive(frame)

    assert seen[0] is seen[1] and seen[0].bidprice[0] == 200.0, "the first book has changed under its owner"


def test_t11_a_damaged_message_is_one_error_and_no_trace_of_what_was_lost() -> None:
    sdk, frames = SdkTbt(), [whole(TWO)[:-3]]

    assert sdk.take(frames[0]) == [] and len(sdk.errors) == 1
    (left,) = TbtDecoder().decode(frames).leftovers
    assert (left.start, left.end, left.reason) == (0, len(frames[0]), Reason.MALFORMED)
