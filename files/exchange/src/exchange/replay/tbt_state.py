"""What the recorded 50-level books show at the moment, for clients who come late."""

from typing import Any

from exchange.wire import tbt
from harvester.decode.frames import ABSENT
from harvester.decode.fyers_tbt import Books, TbtDecoder

WAITING_BYTES = 512 * 1024
"""Messages are kept until they are so many bytes and then decoded together, which takes some milliseconds."""


class TbtState:
    """The books of one recorded connection."""

    def __init__(self) -> None:
        self._decoder = TbtDecoder()
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._books: dict[str, tbt.Feed] = {}

    def take(self, message: bytes) -> None:
        """The next message."""
        self._waiting.append(message)
        self._bytes += len(message)
        if self._bytes >= WAITING_BYTES:
            self._decode()

    def _decode(self) -> None:
        batch = self._decoder.decode(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        last = {int(symbol): place for place, symbol in enumerate(batch.books.symbol)}
        for number, place in last.items():
            self._books[batch.tickers[number]] = _book(batch.tickers[number], batch.books, place)

    def snapshot(self, symbol: str) -> bytes | None:
        """A snapshot of a symbol; None when it has not come on this connection."""
        if self._waiting:
            self._decode()
        found = self._books.get(symbol)
        return tbt.socket_message([found], snapshot=True) if found else None


def _book(ticker: str, books: Books, place: int) -> tbt.Feed:
    def number(column: Any) -> int | None:
        return None if column[place] == ABSENT else int(column[place])

    def side(name: str) -> list[tbt.Level]:
        prices, quantities, orders = (getattr(books, f"{name}_{what}")[:, place] for what in ("px", "qty", "ord"))
        return [
            tbt.Level(num, 0 if prices[num] == ABSENT else int(prices[num]), int(quantities[num]), int(orders[num]))
            for num in range(tbt.SLOTS)
        ]

    return tbt.Feed(
        ticker,
        bids=side("bid"),
        asks=side("ask"),
        tbq=number(books.total_buy),
        tsq=number(books.total_sell),
        feed_time=number(books.feed_time),
        send_time=number(books.send_time),
        sequence=int(books.sequence[place]),
        snapshot=True,
    )


def warm_up() -> None:
    """Make the first frame as quick as the others: the decoder's first arrays cost tens of milliseconds."""
    TbtState()._decode()
