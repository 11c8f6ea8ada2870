"""What the recorded topics and books show at the moment, for clients who come late; decoded only when one does."""

from typing import Any

from exchange.wire import hsm, tbt
from harvester.decode.frames import ABSENT
from harvester.decode.fyers_hsm import HsmDecoder
from harvester.decode.fyers_tbt import Books, TbtDecoder

WAITING = 512
"""Frames that are kept until they are decoded together."""


class HsmState:
    """The topics of one recorded connection."""

    def __init__(self) -> None:
        self._decoder = HsmDecoder()
        self._waiting: list[bytes] = []
        self._topics: dict[str, tuple[hsm.Topic, list[int | None]]] = {}

    def take(self, frame: bytes) -> None:
        """The next frame."""
        self._waiting.append(frame)
        if len(self._waiting) >= WAITING:
            self._decode()

    def _decode(self) -> None:
        batch = self._decoder.decode(self._waiting)
        self._waiting.clear()
        for rows in batch.rows:
            last = {int(topic): place for place, topic in enumerate(rows.topic)}
            for number, place in last.items():
                about = batch.topics[number]
                values = [None if value == ABSENT else int(value) for value in rows.values[:, place]]
                topic = hsm.Topic(
                    about.name, about.multiplier, about.precision, about.exchange, about.token, about.text
                )
                self._topics[about.name] = (topic, values)

    def snapshot(self, name: str, number: int) -> bytes | None:
        """A snapshot of a topic; None when it has not come on this connection."""
        if self._waiting:
            self._decode()
        found = self._topics.get(name)
        return hsm.snapshot(number, *found) if found else None

    def values(self, name: str) -> dict[str, int | None]:
        """Values of a topic by name; empty when it has not come."""
        if self._waiting:
            self._decode()
        found = self._topics.get(name)
        return dict(zip(hsm.FIELDS[name[:2]], found[1], strict=False)) if found else {}


class TbtState:
    """The books of one recorded connection."""

    def __init__(self) -> None:
        self._decoder = TbtDecoder()
        self._waiting: list[bytes] = []
        self._books: dict[str, tbt.Feed] = {}

    def take(self, message: bytes) -> None:
        """The next message."""
        self._waiting.append(message)
        if len(self._waiting) >= WAITING:
            self._decode()

    def _decode(self) -> None:
        batch = self._decoder.decode(self._waiting)
        self._waiting.clear()
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
