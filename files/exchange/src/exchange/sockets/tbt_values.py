"""A 50-level book as a message of the depth socket: whole, or what has changed of it."""

from collections.abc import Sequence

from exchange.market.book import Book, Level
from exchange.wire import tbt
from harvester.base.clock import NS_PER_SECOND

NO_LEVEL = Level(0, 0, 0)


def _at(levels: Sequence[Level], num: int) -> Level:
    return levels[num] if num < len(levels) else NO_LEVEL


def _whole(levels: Sequence[Level]) -> list[tbt.Level]:
    return [tbt.Level(num, *_at(levels, num)) for num in range(tbt.SLOTS)]


def _changed(before: Sequence[Level], now: Sequence[Level]) -> list[tbt.Level]:
    found = []
    for num in range(tbt.SLOTS):
        old, new = _at(before, num), _at(now, num)
        if old != new:
            values = (right if left != right else None for left, right in zip(old, new, strict=True))
            found.append(tbt.Level(num, *values))
    return found


def encode_snapshot(book: Book, token: str, sequence: int, sent_ns: int) -> bytes:
    """All fifty slots of both sides; those without an order are present and zero."""
    return _message(book, token, sequence, sent_ns, None)


def encode_difference(before: Book, book: Book, token: str, sequence: int, sent_ns: int) -> bytes:
    """The slots that differ, with the numbers of each that differ. A level that went has price and quantity 0."""
    return _message(book, token, sequence, sent_ns, before)


def _message(book: Book, token: str, sequence: int, sent_ns: int, before: Book | None) -> bytes:
    feed = tbt.Feed(
        book.symbol,
        bids=_changed(before.bids, book.bids) if before else _whole(book.bids),
        asks=_changed(before.asks, book.asks) if before else _whole(book.asks),
        tbq=book.total_buy if before is None or before.total_buy != book.total_buy else None,
        tsq=book.total_sell if before is None or before.total_sell != book.total_sell else None,
        feed_time=book.time_ns // NS_PER_SECOND,
        send_time=sent_ns // NS_PER_SECOND,
        sequence=sequence,
        snapshot=before is None,
        token=token,
    )
    return tbt.socket_message([feed], snapshot=before is None)
