"""The 50-level decoder on single messages: levels, sequence numbers, and what cannot be read."""

import pytest

from exchange.wire import tbt
from harvester.decode.frames import ABSENT, Reason
from harvester.decode.fyers_tbt import TbtBatch, TbtDecoder

TICKER = "NSE:SBIN-EQ"


def message(
    sequence: int, *bids: tbt.Level, snapshot: bool = False, ticker: str = TICKER, tbq: int | None = None
) -> bytes:
    feed = tbt.Feed(ticker, bids, sequence=sequence, snapshot=snapshot, tbq=tbq)
    return tbt.socket_message([feed], snapshot=snapshot)


def decode(*frames: bytes) -> TbtBatch:
    return TbtDecoder().decode(frames)


def test_levels_go_by_their_number_whatever_their_place() -> None:
    books = decode(message(1, tbt.Level(7, 99, 3, 1), tbt.Level(0, 100, 5, 2), snapshot=True)).books

    assert books.bid_px[[0, 7], 0].tolist() == [100, 99]
    assert books.bid_qty[:9, 0].tolist() == [5, 0, 0, 0, 0, 0, 0, 3, 0]
    assert books.ask_px[:, 0].tolist() == [ABSENT] * 50


@pytest.mark.parametrize("num", [None, 50, 4_000_000_000])
def test_levels_without_a_slot_are_passed_over(num: int | None) -> None:
    books = decode(message(1, tbt.Level(num, 99, 3, 1), tbt.Level(0, 100, 5, 2), snapshot=True)).books

    assert (books.bid_qty[:, 0] > 0).sum() == 1


def test_a_field_not_given_keeps_what_was_known_and_a_cleared_level_can_come_back() -> None:
    frames = [
        message(1, tbt.Level(0, 100, 5, 2), snapshot=True, tbq=70),
        message(2, tbt.Level(0, None, 6)),
        message(3, tbt.Level(0, None, 0)),
        message(4, tbt.Level(0, None, 9, 4)),
    ]

    books = decode(*frames).books

    assert books.bid_px[0].tolist() == [100, 100, ABSENT, 100]
    assert books.bid_qty[0].tolist() == [5, 6, 0, 9]
    assert books.bid_ord[0].tolist() == [2, 2, 0, 4]
    assert books.total_buy.tolist() == [70] * 4


def test_of_two_levels_with_one_number_the_later_counts_field_by_field() -> None:
    books = decode(message(1, tbt.Level(0, 100, 5, 2), tbt.Level(0, 101, None, 3), snapshot=True)).books

    assert (books.bid_px[0, 0], books.bid_qty[0, 0], books.bid_ord[0, 0]) == (101, 5, 3)


def test_a_book_is_suspect_from_a_break_of_its_numbers_to_the_next_snapshot() -> None:
    level = tbt.Level(0, 1, 1, 1)
    frames = [
        message(10, level, snapshot=True),
        message(77, level, snapshot=True, ticker="NSE:INFY-EQ"),
        message(12, level),
        message(12, level),
        message(78, level, ticker="NSE:INFY-EQ"),
        message(20, level, snapshot=True),
        message(0, level),
        message(30, level),
    ]

    batch = decode(*frames)

    assert batch.books.suspect.tolist() == [False, False, True, True, False, False, False, False]


def test_numbers_at_the_end_of_their_range_are_compared_exactly() -> None:
    names = ["NSE:A-EQ", "NSE:B-EQ"]
    levels = [tbt.Level(0, 1, 1, 1)]
    seen, broken = (
        tbt.socket_message([tbt.Feed(name, levels, sequence=number, snapshot=number > 4) for name in order])
        for number, order in ((2**63 - 1, names), (4, names[::-1]))
    )

    batch = decode(seen, broken)

    assert batch.books.suspect.tolist() == [False, False, True, True]


@pytest.mark.parametrize("number", [2**53 + 1, 2**62 + 1, 2**63 - 2])
def test_large_numbers_are_remembered_exactly_from_batch_to_batch(number: int) -> None:
    level, decoder = tbt.Level(0, 1, 1, 1), TbtDecoder()
    decoder.decode([message(number, level, snapshot=True)])

    following = decoder.decode([message(number + 1, level)]).books
    again = decoder.decode([message(number, level)]).books

    assert (following.suspect.tolist(), again.suspect.tolist()) == ([False], [True])


def test_a_number_that_no_column_can_hold_is_damage() -> None:
    batch = decode(message(2**63), message(2**63 - 1))

    assert [(left.frame, left.reason) for left in batch.leftovers] == [(0, Reason.MALFORMED)]
    assert batch.books.sequence.tolist() == [2**63 - 1]


def test_more_symbols_than_a_connection_can_have_are_damage() -> None:
    feeds = [tbt.Feed(f"NSE:S{number}-EQ", [tbt.Level(0, 1, 1, 1)]) for number in range(65)]

    assert decode(tbt.socket_message(feeds)).leftovers[0].reason is Reason.MALFORMED
    assert len(decode(tbt.socket_message(feeds[:64])).books) == 64


def test_answers_to_pings_are_nothing_and_refusals_are_notices() -> None:
    batch = decode(b"pong", tbt.socket_message([], kind=tbt.RESPONSE, text="symbol count exceeds limit", error=True))

    assert len(batch.books) == 0 and batch.leftovers == []
    assert [tuple(notice) for notice in batch.notices] == [(1, tbt.RESPONSE, "symbol count exceeds limit", True)]


def test_the_token_or_the_key_stands_in_for_a_missing_ticker() -> None:
    levels = [tbt.Level(0, 1, 1, 1)]
    frames = [tbt.socket_message([tbt.Feed("", levels, token=token, key="7")]) for token in ("", "3045")]

    assert decode(*frames).tickers == ["7", "3045"]
