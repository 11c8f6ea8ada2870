"""Messages of the 50-level socket in forms that no usual writer gives them: read, or refused, as protobuf itself does.

Each odd form stands alone, and among 40 usual messages, which it must not change.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.differential.test_tbt_against_sdk import assert_parsed_like_protobuf

from exchange.wire import tbt
from harvester.decode.frames import ABSENT, Reason
from harvester.decode.fyers_tbt import TbtBatch, TbtDecoder
from harvester.decode.protobuf import MalformedError, parse, read_length, read_tag, read_varint, skip
from harvester.decode.tbt_layout import SOCKET_MESSAGE
from harvester.decode.tbt_parts import ExactReader, Symbols

LEVEL = tbt.Level(1, 10_000, 5, 3)


def depth(body: bytes, rest: bytes = b"") -> bytes:
    """A message with one symbol, whose book is `body`."""
    return socket(tbt.message(5, body) + rest + tbt.message(11, b"NSE:A-EQ"))


def socket(feed: bytes, rest: bytes = b"") -> bytes:
    return b"\x08\x06" + tbt.message(2, tbt.message(1, b"k") + tbt.message(2, feed)) + rest


def ask(level: bytes) -> bytes:
    return depth(tbt.message(3, level))


def tag(number: int, kind: int) -> bytes:
    return tbt.varint(number << 3 | kind)


def long(value: int, size: int) -> bytes:
    """A varint in more bytes than it needs."""
    out = [value >> 7 * place & 0x7F | 0x80 for place in range(size)]
    return bytes([*out[:-1], out[-1] & 0x7F])


def nested(count: int) -> bytes:
    """Groups in each other."""
    return tag(99, 3) * count + tag(99, 4) * count


WHOLE = LEVEL.encode()


def forms() -> Iterator[tuple[str, bytes]]:
    for where, wrap in (
        ("message", lambda odd: socket(tbt.message(5, b""), odd)),
        ("symbol", lambda odd: depth(tbt.message(3, WHOLE), odd)),
        ("book", lambda odd: depth(odd + tbt.message(3, WHOLE))),
        ("level", lambda odd: ask(WHOLE + odd)),
        ("wrapper", lambda odd: ask(tbt.message(1, b"\x08\x05" + odd) + tbt.wrapped(4, 1))),
    ):
        for name, odd in (
            ("unknown number", tag(99, 0) + b"\x96\x01"),
            ("unknown number of ten bytes", tag(99, 0) + long(1, 10)),
            ("unknown number of eleven bytes", tag(99, 0) + long(1, 11)),
            ("unknown text", tag(99, 2) + b"\x03abc"),
            ("unknown text too long", tag(99, 2) + b"\x7fabc"),
            ("unknown text of 200 bytes", tag(99, 2) + b"\xc8\x01" + bytes(200)),
            ("unknown 8 bytes", tag(99, 1) + b"\xff" * 8),
            ("unknown 8 bytes cut short", tag(99, 1) + b"\xff" * 7),
            ("unknown 4 bytes", tag(99, 5) + b"\xff" * 4),
            ("unknown 4 bytes cut short", tag(99, 5) + b"\xff" * 3),
            ("unknown group", tag(99, 3) + tag(1, 0) + b"\x05" + tag(2, 5) + b"\xff" * 4 + tag(99, 4)),
            ("unknown group in a group", tag(99, 3) + tag(7, 3) + tag(7, 4) + tag(99, 4)),
            ("unknown group of text", tag(99, 3) + tag(3, 2) + b"\x02\x9b\x9c" + tag(99, 4)),
            ("group without an end", tag(99, 3) + tag(1, 0) + b"\x05"),
            ("group with the end of another", tag(99, 3) + tag(98, 4)),
            ("end of a group that did not begin", tag(99, 4)),
            ("wire type 6", tag(99, 6) + b"\x00"),
            ("wire type 7", tag(99, 7) + b"\x00"),
            ("field 0", b"\x00\x05"),
            ("field 0 as text", b"\x02\x01a"),
            ("largest field number", tag(2**29 - 1, 0) + b"\x05"),
            ("field number of 33 bits", tbt.varint(2**32 | 99 << 3) + b"\x05"),
            ("tag in five bytes", long(99 << 3, 5) + b"\x05"),
            ("tag in six bytes", long(99 << 3, 6) + b"\x05"),
            ("length in five bytes", tag(99, 2) + long(3, 5) + b"abc"),
            ("length in six bytes", tag(99, 2) + long(3, 6) + b"abc"),
            ("length of 2 GiB", tag(99, 2) + tbt.varint(2**31) + b"abc"),
            ("a known number as a text", tag(1, 2 if where == "message" else 0) + b"\x00"),
            ("a known field as 4 bytes", tag(4, 5) + b"\xff" * 4),
            ("a known field as 8 bytes", tag(1, 1) + b"\xff" * 8),
        ):
            yield f"{name} in the {where}", wrap(odd)
    for count in (1, 2, 90, 101, 200):
        yield f"{count} groups in each other", socket(tbt.message(5, b""), nested(count))
    for name, level in (
        ("fields out of order", tbt.wrapped(4, 1) + tbt.wrapped(3, 3) + tbt.wrapped(1, 7) + tbt.wrapped(2, 5)),
        ("a field twice", WHOLE + tbt.wrapped(2, 77)),
        ("a field twice, then empty", WHOLE + tbt.message(2, b"")),
        ("a price twice in its wrapper", tbt.message(1, b"\x08\x05\x08\x06") + tbt.wrapped(4, 1)),
        ("a quantity beyond 32 bits", tbt.wrapped(2, 2**32 + 9) + tbt.wrapped(4, 1)),
        ("orders beyond 32 bits", tbt.wrapped(3, 2**40 - 1) + tbt.wrapped(4, 1)),
        ("a slot beyond 32 bits", tbt.wrapped(2, 9) + tbt.wrapped(4, 2**32 + 1)),
        ("a price in more bytes than needed", tbt.message(1, b"\x08" + long(5, 5)) + tbt.wrapped(4, 1)),
        ("a price in eight bytes", tbt.message(1, b"\x08" + long(5, 8)) + tbt.wrapped(4, 1)),
        ("a price in ten bytes, all ones", tbt.message(1, b"\x08" + b"\xff" * 9 + b"\x01") + tbt.wrapped(4, 1)),
        ("a price with bits beyond 64", tbt.message(1, b"\x08" + b"\xff" * 9 + b"\x7f") + tbt.wrapped(4, 1)),
        ("a price of one byte, cut short", tbt.message(1, b"\x08")),
        ("a wrapper longer than its level", b"\x0a\x09\x08\x05"),
        ("a level of 127 bytes", WHOLE + tag(99, 2) + bytes([124 - len(WHOLE)]) + bytes(124 - len(WHOLE))),
        ("a level of 128 bytes", WHOLE + tag(99, 2) + bytes([125 - len(WHOLE)]) + bytes(125 - len(WHOLE))),
        ("a level of 300 bytes", WHOLE + tag(99, 2) + b"\xac\x02" + bytes(300)),
        ("an empty level", b""),
    ):
        yield name, ask(level)
        yield (
            f"{name}, among other levels",
            depth(b"".join(map(lambda each: tbt.message(4, each), [WHOLE, level, WHOLE]))),
        )
    yield "bids before asks", depth(tbt.message(4, WHOLE) + tbt.message(3, WHOLE))
    yield "bids and asks in turn", depth((tbt.message(4, WHOLE) + tbt.message(3, WHOLE)) * 3)
    yield "totals after the levels", depth(tbt.message(3, WHOLE) + tbt.wrapped(1, 9) + tbt.wrapped(2, 8))
    yield "totals in the other order", depth(tbt.wrapped(2, 8) + tbt.wrapped(1, 9) + tbt.message(3, WHOLE))
    yield "a total twice", depth(tbt.wrapped(1, 9) + tbt.wrapped(1, 8))
    yield (
        "a book in two pieces",
        socket(
            tbt.message(5, tbt.wrapped(1, 9) + tbt.message(3, WHOLE))
            + tbt.message(5, tbt.wrapped(2, 8) + tbt.message(3, WHOLE))
        ),
    )
    yield "a book that goes beyond its symbol", b"\x08\x06\x12\x08\x0a\x01k\x12\x03\x2a\x7f\x0a"
    yield "a ticker before the book", socket(tbt.message(11, b"NSE:A-EQ") + tbt.message(5, tbt.message(3, WHOLE)))
    yield "a ticker twice", depth(b"", tbt.message(11, b"NSE:B-EQ"))
    yield "a sequence number twice", depth(b"", b"\x48\x05\x48\x06")
    yield "a sequence number in ten bytes", depth(b"", b"\x48" + long(7, 10))
    yield "a sequence number of five bytes", depth(b"", b"\x48" + tbt.varint(2**35 - 1))
    yield "a sequence number of six bytes", depth(b"", b"\x48" + tbt.varint(2**35))
    yield "a flag that is neither 0 nor 1", depth(b"", b"\x50\x02")
    yield "a flag of two bytes", depth(b"", b"\x50\x80\x01")
    yield "a flag that says no", depth(b"", b"\x50\x00")
    yield "the message's flag first", b"\x18\x01" + depth(b"")
    yield "the message's flag twice", depth(b"") + b"\x18\x01\x18\x00"
    yield "a symbol twice", depth(tbt.wrapped(1, 5)) + depth(tbt.wrapped(1, 6))[2:]
    yield (
        "a key after its value",
        b"\x08\x06" + tbt.message(2, tbt.message(2, tbt.message(5, b"")) + tbt.message(1, b"k")),
    )
    yield "no key", b"\x08\x06" + tbt.message(2, tbt.message(2, tbt.message(5, tbt.wrapped(1, 5))))
    yield "no value", b"\x08\x06" + tbt.message(2, tbt.message(1, b"k"))
    yield "no type", depth(b"")[2:]
    yield "a type twice", b"\x08\x06" + depth(b"")
    yield "a text for the reader", depth(b"") + tbt.message(4, b"hello")
    for field in (1, 8, 11):
        name = {1: "key", 8: "token", 11: "ticker"}[field]
        for kind, text in (("no UTF-8", b"\xff\xfe"), ("a surrogate", b"\xed\xa0\x80"), ("beyond ASCII", "ß".encode())):
            entry = tbt.message(field, text)
            feed = tbt.message(5, b"") + (entry if field != 1 else b"")
            key = entry if field == 1 else tbt.message(1, b"k")
            yield f"{name}: {kind}", b"\x08\x06" + tbt.message(2, key + tbt.message(2, feed))
    whole = depth(tbt.wrapped(1, 9) + tbt.message(3, WHOLE), tbt.wrapped(6, 8))
    for end in range(len(whole)):
        yield f"cut after {end} bytes", whole[:end]
    yield "a byte too many", whole + b"\x00"


FORMS = [pytest.param(frame, id=name) for name, frame in forms()]


@pytest.mark.parametrize("frame", FORMS)
def test_an_odd_form_is_read_or_refused_as_protobuf_does(frame: bytes) -> None:
    assert_parsed_like_protobuf(frame)


def usual(number: int) -> bytes:
    levels = [tbt.Level(slot, 100 + slot, number, 1) for slot in range(number % 4)]
    return tbt.socket_message([tbt.Feed("NSE:U-EQ", levels, levels, tbq=number, sequence=number + 1, snapshot=True)])


def rows(batch: TbtBatch, ticker: str) -> list[tuple[object, ...]]:
    """Rows of a symbol without their frame."""
    books = batch.books
    return [
        tuple(
            tuple(column[..., row].ravel().tolist())
            for name, column in vars(books).items()
            if name not in ("frame", "symbol")
        )
        for row, symbol in enumerate(books.symbol.tolist())
        if batch.tickers[symbol] == ticker
    ]


def test_usual_messages_around_odd_ones_are_what_they_were() -> None:
    """All odd forms in one batch, each between two usual messages, which are read by arrays."""
    odd = [frame for _, frame in forms()]
    around = [usual(number) for number in range(len(odd) + 1)]
    mixed = [frame for pair in zip(around, odd, strict=False) for frame in pair] + around[-1:]

    plain, batch = TbtDecoder().decode(around), TbtDecoder().decode(mixed)

    assert len(plain.books) == len(around)
    assert rows(batch, "NSE:U-EQ") == rows(plain, "NSE:U-EQ")
    books = zip(batch.books.frame.tolist(), batch.books.symbol.tolist(), strict=True)
    assert [frame for frame, symbol in books if batch.tickers[symbol] == "NSE:U-EQ"] == list(range(0, len(mixed), 2))
    alone = [TbtDecoder().decode([frame]) for frame in odd]
    assert batch.leftovers == [
        left._replace(frame=2 * number + 1) for number, each in enumerate(alone) for left in each.leftovers
    ]
    found = batch.books.frame.tolist()
    assert [found.count(2 * number + 1) for number in range(len(odd))] == [len(each.books) for each in alone]


@pytest.mark.parametrize("usual_count", [0, 40])
def test_an_odd_message_goes_on_with_the_book_that_was_there(usual_count: int) -> None:
    """Odd and usual messages of one symbol are read by two parsers and make one book, in order of arrival."""

    def message(number: int, *, odd: bool) -> bytes:
        feed = tbt.Feed("NSE:A-EQ", [tbt.Level(number % 50, number, number, 1)], sequence=number, snapshot=number == 1)
        return tbt.socket_message([feed]) + (tag(99, 0) + b"\x05") * odd

    frames = [message(number, odd=number % 2 == 0 if usual_count else True) for number in range(1, 11 + usual_count)]

    books = TbtDecoder().decode(frames).books

    assert books.sequence.tolist() == list(range(1, len(frames) + 1))
    assert books.frame.tolist() == list(range(len(frames)))
    assert not books.suspect.any() and books.snapshot.tolist() == [True] + [False] * (len(frames) - 1)
    assert books.bid_px[1:11, 9].tolist() == list(range(1, 11))
    assert [int((books.bid_px[:, row] != ABSENT).sum()) for row in range(10)] == list(range(1, 11))


@pytest.mark.parametrize(("count", "fits"), [(64, True), (65, False)])
@pytest.mark.parametrize("odd", [b"", tag(99, 0) + b"\x05"], ids=["usual", "odd"])
def test_a_message_has_64_symbols_at_most_in_either_form(count: int, fits: bool, odd: bytes) -> None:
    batch = TbtDecoder().decode([crowded(count) + odd])

    assert len(batch.books) == (count if fits else 0)
    assert [left.reason for left in batch.leftovers] == ([] if fits else [Reason.MALFORMED])
    assert batch.tickers[:count] == [f"NSE:S{number}-EQ" for number in range(count)] or not fits


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (tbt.socket_message([], kind=tbt.RESPONSE, text="no"), [(tbt.RESPONSE, "no", False)]),
        (tbt.socket_message([], kind=tbt.RESPONSE, error=True), [(tbt.RESPONSE, "", True)]),
        (tbt.message(4, b"no type"), [(0, "no type", False)]),
        (tbt.socket_message([], kind=tbt.DEPTH), []),
        (tbt.socket_message([tbt.Feed("NSE:A-EQ", [LEVEL])], text="with data"), [(tbt.DEPTH, "with data", False)]),
    ],
)
def test_texts_of_the_server_are_notices(frame: bytes, expected: list[tuple[int, str, bool]]) -> None:
    batch = TbtDecoder().decode([b"pong", frame])

    assert [tuple(notice) for notice in batch.notices] == [(1, *notice) for notice in expected]
    assert batch.leftovers == []


@pytest.mark.parametrize("frame", [b"ping", b"pon", b"pongs", b"Pong", b"pong\x00"])
def test_only_the_answer_to_a_ping_is_nothing(frame: bytes) -> None:
    batch = TbtDecoder().decode([b"pong", frame, b"pong"])

    assert [tuple(left) for left in batch.leftovers] == [(1, 0, len(frame), Reason.MALFORMED)]


def crowded(count: int) -> bytes:
    """A message of so many symbols."""
    return tbt.socket_message([tbt.Feed(f"NSE:S{number}-EQ", [LEVEL]) for number in range(count)])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: read_varint(b"\xff" * 12, 0), "a varint of more than ten bytes"),
        (lambda: read_tag(long(8, 6), 0), "a field number out of range"),
        (lambda: read_length(long(3, 6) + b"abc", 0, 9), "a length out of range"),
        (lambda: read_length(b"\x04abc", 0, 4), "a field that reaches beyond its message"),
        (lambda: parse(b"\x08\x80\x01\x00", 0, 2, SOCKET_MESSAGE), "a field that reaches beyond its message"),
        (lambda: skip(b"\x00\x00", 0x04, 0, 1), "a field number or wire type that cannot be"),
        (lambda: skip(b"\x00\x00", 0x0E, 0, 1), "a field number or wire type that cannot be"),
        (lambda: parse(nested(91) + bytes(9), 0, 2 * 2 * 91, {}), "groups nested too deep"),
        (lambda: skip(b"\x14\x00", 0x0B, 0, 1), "the end of another group"),
        (lambda: skip(b"\x00\x00", 0x0B, 0, 0), "a group without an end"),
        (lambda: parse(b"\x22\x01\xff\x00", 0, 3, SOCKET_MESSAGE), "a text that is not UTF-8"),
        (
            lambda: ExactReader(crowded(65) + bytes(9), Symbols()).read(0, 0, len(crowded(65))),
            "more symbols than a connection can have",
        ),
    ],
)
def test_what_cannot_be_read_says_why(call, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MalformedError, match=f"^{words}$"):
        call()


def usual_forms() -> Iterator[tbt.Feed]:
    """Parts whose numbers have at most 35 bits, fields in order and once: what a protobuf writer makes of a book."""
    numbers = [None, 0, 1, 127, 128, 16_383, 16_384, 2**21 - 1, 2**21, 2**28 - 1, 2**28, 2**32 - 1]
    for number in numbers:
        yield tbt.Feed(
            "NSE:A-EQ", [tbt.Level(3, number, 5, 6)], [tbt.Level(4, 7, number, 8), tbt.Level(5, 7, 8, number)]
        )
        yield tbt.Feed("NSE:A-EQ", tbq=number, send_time=number)
        yield tbt.Feed("NSE:A-EQ", tsq=number, feed_time=number, sequence=number or 0)
        yield tbt.Feed("NSE:A-EQ", [tbt.Level(number or 0, 5, 5, 5)], [tbt.Level(number or 0)], snapshot=bool(number))
    for number in (2**32, 2**35 - 1):
        yield tbt.Feed("NSE:A-EQ", [tbt.Level(1, number)], tbq=number, tsq=number, feed_time=number, sequence=number)
    for size in (1, 7, 8, 100, 127, 128, 300):
        yield tbt.Feed("X" * size, token="T" * size, key="K" * size)
    for count in (0, 1, 2, 49, 50):
        levels = [tbt.Level(slot, 100 + slot, slot, 1) for slot in range(count)]
        yield tbt.Feed("NSE:A-EQ", levels, [])
        yield tbt.Feed("NSE:A-EQ", [], levels, token="3045")
        yield tbt.Feed("NSE:A-EQ", levels, levels, 1, 2, 3, 4, sequence=5, snapshot=True, key="other")
    yield tbt.Feed("NSE:A-EQ", depth=False, feed_time=5)


@pytest.mark.parametrize("repeats", [1, 12], ids=["one by one", "by arrays"])
def test_usual_messages_never_need_the_exact_parser(monkeypatch: pytest.MonkeyPatch, repeats: int) -> None:
    """It is some fifty times slower; with it every message is read, and nothing but the time tells."""
    feeds = list(usual_forms())
    frames = [tbt.socket_message([feed], snapshot=number % 2 == 1) for number, feed in enumerate(feeds)]
    frames += [tbt.socket_message([replace(feed, key=f"k{at}") for at, feed in enumerate(feeds[first : first + 5])])
               for first in range(0, len(feeds), 5)]  # fmt: skip
    frames += [tbt.socket_message([]), tbt.socket_message([], snapshot=True)]
    read = TbtDecoder().decode(frames * repeats)
    texts = [frame + (tag(99, 0) + b"\x05") for frame in frames]
    exactly = TbtDecoder().decode(texts * repeats)
    for name, column in vars(read.books).items():
        if name != "symbol":
            assert column.tolist() == getattr(exactly.books, name).tolist(), name
    assert [read.tickers[at] for at in read.books.symbol] == [exactly.tickers[at] for at in exactly.books.symbol]
    assert [(left.frame, left.reason) for left in read.leftovers] == [
        (left.frame, left.reason) for left in exactly.leftovers
    ]

    def never(_self: ExactReader, frame: int, start: int, end: int) -> None:
        raise AssertionError(f"frame {frame} of the batch was read exactly")

    monkeypatch.setattr(ExactReader, "read", never)
    groups = [frames * repeats] if repeats > 1 else [[frame] for frame in frames]
    assert sum(len(TbtDecoder().decode(group).books) for group in groups) == len(read.books)
