"""What the socket feeds send and what they glance at: sizes and bytes of the reference, and any bytes at all."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.wire import hsm, tbt
from harvester.brokers.fyers import hsm_wire
from harvester.brokers.fyers.hsm_scan import HsmScanner
from harvester.brokers.fyers.tbt_scan import TbtScanner
from harvester.brokers.fyers.topics import topics_of
from harvester.net.backoff import Backoff

SBIN, INFY = "NSE:SBIN-EQ", "NSE:INFY-EQ"
DEPTH, QUOTES = hsm.Topic("dp|nse_cm|3045"), hsm.Topic("sf|nse_cm|3045")


def test_frames_of_a_client_have_the_sizes_of_the_reference() -> None:
    assert len(hsm_wire.auth("k" * 56)) == 18 + 56 + len(hsm_wire.SOURCE)
    assert hsm_wire.full_mode() == bytes.fromhex("0011 0c 02 01 0008 0000000000000800 02 0001 46".replace(" ", ""))
    assert bytes.fromhex("00010b") == hsm_wire.PING_FRAME
    assert len(hsm_wire.ack(bytes(4))) == 11
    (frame,) = hsm_wire.subscribe(["sf|nse_cm|3045", "dp|nse_cm|3045"])
    assert len(frame) == 11 + 2 + 2 * 15
    assert struct.unpack_from(">H", frame)[0] == len(frame) - 2


def test_many_topics_take_several_frames() -> None:
    frames = list(hsm_wire.subscribe(f"dp|nse_cm|{number}" for number in range(3001)))

    assert [struct.unpack_from(">H", frame, 7)[0] for frame in frames] == [1500, 1500, 1]


@pytest.mark.parametrize(("every", "expected"), [(None, 2), (0, 0), (7, 7), (70_000, 70_000)])
def test_acknowledgements_are_counted_by_the_fields_own_length(every: int | None, expected: int) -> None:
    reply = hsm_wire.read_reply(hsm.auth_reply(ack_every=every))

    assert reply.accepted
    assert reply.acknowledge_every == expected


def test_a_notice_is_told() -> None:
    reply = hsm_wire.read_reply(hsm.notice(51001, "plan limit\nexceeded", 4))

    assert (reply.type, reply.notice) == (hsm_wire.NOTICE, "code 51001: plan limit exceeded")


def test_the_glance_counts_entries_and_sees_snapshots() -> None:
    seen: list[tuple[str, int]] = []
    scanner = HsmScanner([DEPTH.name, QUOTES.name], lambda name, state, wall_ns: seen.append((name, wall_ns)))

    assert not scanner.scan(hsm.reply(hsm.MODE), 1)
    assert scanner.scan(hsm.feed(1, [hsm.snapshot(5, DEPTH, [1] * 30), hsm.snapshot(6, QUOTES, [1] * 21)]), 2)
    assert scanner.scan(hsm.feed(2, [hsm.update(6, [2] * 21), hsm.lite(6, 3), hsm.update(5, [2] * 30)]), 3)
    assert seen == [(DEPTH.name, 2), (QUOTES.name, 2)]
    assert scanner.counts == {DEPTH.name: [2, 3], QUOTES.name: [3, 3]}
    assert scanner.unknown == 0
    scanner.scan(hsm.feed(3, [hsm.update(99, [1] * 30)]), 4)
    scanner.scan(hsm.feed(4, [hsm.update(5, [1] * 30)])[:-3], 4)
    assert scanner.unknown == 2
    assert scanner.counts == {DEPTH.name: [2, 3], QUOTES.name: [3, 3]}


def test_an_update_that_nothing_named_hides_no_snapshot_behind_it() -> None:
    seen: list[str] = []
    scanner = HsmScanner([DEPTH.name], lambda name, state, wall_ns: seen.append(name))

    scanner.scan(hsm.feed(1, [hsm.update(99, [1] * 30), hsm.lite(98, 1), hsm.snapshot(5, DEPTH, [1] * 30)]), 1)

    assert (seen, scanner.unknown, scanner.counts) == ([DEPTH.name], 2, {DEPTH.name: [1, 1]})


@pytest.mark.parametrize("key", ["", "10100000003045"])
def test_the_glance_at_books_knows_tickers_whatever_the_key(key: str) -> None:
    seen: list[str] = []
    scanner = TbtScanner(frozenset({SBIN, INFY}), lambda symbol, book, wall_ns: seen.append(symbol))
    feeds = [tbt.Feed(SBIN, bids=[tbt.Level(0, 100, 5, 1)], sequence=1, key=key), tbt.Feed(INFY, sequence=1)]

    assert scanner.scan(tbt.socket_message(feeds, snapshot=True), 1)
    assert scanner.scan(tbt.socket_message(feeds[:1]), 2)
    assert seen == [SBIN, INFY]
    assert scanner.updates == {SBIN: 2, INFY: 1}
    assert not scanner.scan(tbt.socket_message([], kind=tbt.RESPONSE, text="too many symbols", error=True), 3)
    assert scanner.error == "too many symbols"
    scanner.scan(tbt.socket_message([tbt.Feed("NSE:OTHER-EQ")]), 4)
    assert scanner.unknown == 1


@given(st.binary(max_size=300), st.integers(0, 8))
def test_no_bytes_disturb_a_glance(noise: bytes, cut: int) -> None:
    good = hsm.feed(1, [hsm.snapshot(5, DEPTH, [1] * 30), hsm.update(5, [1] * 30)])
    books = tbt.socket_message([tbt.Feed(SBIN, sequence=3)], snapshot=True)
    hsm_peek = HsmScanner([DEPTH.name], lambda name, state, wall_ns: None)
    tbt_peek = TbtScanner(frozenset({SBIN}), lambda symbol, book, wall_ns: None)

    for message in (noise, good[:-cut] + noise, bytes(2) + b"\x06" + noise, books[: cut * 4] + noise, books + noise):
        hsm_peek.scan(message, 1)
        tbt_peek.scan(message, 1)
        hsm_wire.read_reply(message)
    hsm_peek.scan(good, 2)
    tbt_peek.scan(books, 2)
    assert hsm_peek.counts[DEPTH.name][1] == 2
    assert tbt_peek.last_ns[SBIN] == 2


def test_topics_follow_from_the_master() -> None:
    assert topics_of(SBIN, "10100000003045", {}) == ["sf|nse_cm|3045", "dp|nse_cm|3045"]
    assert topics_of("NSE:NIFTY50-INDEX", "101000000026000", {"NSE:NIFTY50-INDEX": "Nifty 50"}) == [
        "if|nse_cm|Nifty 50"
    ]
    assert topics_of("NSE:ODD-INDEX", "101000000026000", {}) == ["if|nse_cm|ODD"]
    assert topics_of("NSE:SBIN26DECFUT", "101126123152345", {}) == ["sf|nse_fo|52345", "dp|nse_fo|52345"]
    assert topics_of("XXX:ODD", "99990000003045", {}) == []


def test_waiting_grows_to_a_limit_and_starts_anew_after_success() -> None:
    backoff = Backoff()

    waits = [backoff.fail("disconnect") for _ in range(12)]
    assert 0.25 <= waits[0] <= 0.5
    assert all(15 <= wait <= 30 for wait in waits[-4:])
    backoff.succeed()
    assert backoff.fail("disconnect") <= 0.5
    assert backoff.fail("refused") >= 2
