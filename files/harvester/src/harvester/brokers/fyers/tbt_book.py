"""The last book of a 50-level symbol, as much of it as it takes to compare two connections.

Schema: msg.proto of the broker's SDK 3.2.0. Values are not decoded: the server writes equal values as equal bytes.
"""

from harvester.brokers.fyers.protobuf import iterate_fields

DEPTH, SEQUENCE = 5, 9
TOTAL_BUY, TOTAL_SELL, ASKS, BIDS = 1, 2, 3, 4
QUANTITY, NUMBER = 2, 4
NOTHING = b""
"""A wrapped 0; the encoding has a second form of it."""
Level = dict[int, bytes]


class TbtBook:
    """`sequence` is the number of the symbol's last message, 0 where it has none."""

    def __init__(self) -> None:
        self.sequence = 0
        self._totals: dict[int, bytes] = {}
        self._levels: dict[tuple[int, bytes], Level] = {}

    def take(self, message: bytes, start: int, end: int) -> None:
        """Follow a MarketFeed, bytes [start, end) of a message. Raises IndexError, ValueError for what is none."""
        for field, begin, finish in iterate_fields(message, start, end):
            if field == SEQUENCE:
                self.sequence = begin
            elif field == DEPTH:
                self._take_depth(message, begin, finish)

    def follows(self, before: "TbtBook") -> bool:
        """Whether nothing lies between the last book of another connection and this one.

        Whether numbers go on from one connection to the next is not documented. A lower one shows that they do not,
        and then the book alone counts.
        """
        if 0 < before.sequence < self.sequence:
            return False
        same_totals = all(before._totals.get(field, value) == value for field, value in self._totals.items())
        return same_totals and self._filled() == before._filled()

    def _take_depth(self, message: bytes, start: int, end: int) -> None:
        for field, begin, finish in iterate_fields(message, start, end):
            if field in (TOTAL_BUY, TOTAL_SELL):
                self._totals[field] = message[begin:finish]
            elif field in (ASKS, BIDS):
                level = iterate_fields(message, begin, finish)
                values = {inner: _plain(message[first:last]) for inner, first, last in level}
                if (number := values.pop(NUMBER, None)) is not None:
                    self._levels.setdefault((field, number), {}).update(values)

    def _filled(self) -> dict[tuple[int, bytes], Level]:
        return {place: level for place, level in self._levels.items() if level.get(QUANTITY, NOTHING) != NOTHING}


def _plain(wrapped: bytes) -> bytes:
    return NOTHING if wrapped == b"\x08\x00" else wrapped
