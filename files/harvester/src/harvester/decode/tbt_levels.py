"""Order-book levels of many 50-level messages at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harvester.decode.frames import Columns, Flags, Ints
from harvester.decode.tbt_cursor import OCTET, Cursor, Words
from harvester.decode.tbt_layout import ASKS, BIDS, NUM, ORDERS, PRICE, QTY, TOTAL_BUY, TOTAL_SELL

BLOCK = 8192
"""Levels decoded at a time, so that the arrays stay in the processor's cache."""
FEW = 16
"""Below so many messages, walking them one by one is cheaper than a round of array operations."""
UINT32 = (1 << 32) - 1


def _steps() -> Ints:
    steps = np.full(1 << 16, 1 << 40)
    for tag in (ASKS, BIDS):
        steps[tag : 128 << 8 : 256] = 2 + np.arange(128)
    return steps


STEPS = _steps()
"""Size of a level by its first two bytes, tag and length; beyond any end for what is no level of the usual form."""


@dataclass(frozen=True)
class Levels(Columns):
    """Levels by message and then in the order of the wire; ABSENT where a field is not there. Prices in paise."""

    message: Ints
    is_ask: Flags
    price: Ints
    qty: Ints
    orders: Ints
    num: Ints


@dataclass(frozen=True)
class Depths:
    """What depth messages hold. `irregular` marks those left to the exact parser: none of theirs is in `levels`."""

    total_buy: Ints
    total_sell: Ints
    levels: Levels
    irregular: Flags


class _Finder:
    """Where the levels of depth messages lie: (messages, places) of each round."""

    def __init__(self, raw: bytes, total: int) -> None:
        self.raw = raw
        self.heads: NDArray[np.uint16] = np.ndarray((len(raw) - 2,), "<u2", raw, strides=(1,))
        self.counts = np.zeros(total, np.int64)
        self.rounds: list[tuple[Ints, Ints]] = []
        self.rests: list[tuple[int, list[int]]] = []

    def walk(self, message: Ints, at: Ints, end: Ints) -> list[int]:
        """All messages side by side, one level each a round. Returns those that are not levels to their very end."""
        irregular: list[int] = []
        while message.size >= FEW:
            following = STEPS.take(self.heads[at])
            following += at
            going = following <= end
            if np.count_nonzero(going) < len(going):
                self.counts[message] = len(self.rounds)
                irregular += message[~going & (at != end)].tolist()
                message, at, end, following = (column[going] for column in (message, at, end, following))
            self.rounds.append((message, at))
            at = following
        self.counts[message] = len(self.rounds)
        for one, place, stop in zip(message.tolist(), at.tolist(), end.tolist(), strict=True):
            if not self._walk_one(one, place, stop):
                irregular.append(one)
        return irregular

    def _walk_one(self, message: int, at: int, end: int) -> bool:
        raw, places = self.raw, []
        while at < end and raw[at] in (ASKS, BIDS) and raw[at + 1] < 0x80:
            places.append(at)
            at += 2 + raw[at + 1]
        self.rests.append((message, places))
        return at == end

    def found(self) -> tuple[Ints, Ints]:
        """Message and place of each level, by message and then in the order of the wire."""
        walked = self.counts.copy()
        for message, places in self.rests:
            self.counts[message] += len(places)
        first = np.cumsum(self.counts) - self.counts
        place = np.empty(int(self.counts.sum()), np.int64)
        for number, (message_of, at) in enumerate(self.rounds):
            place[first[message_of] + number] = at
        for message, places in self.rests:
            begin = first[message] + walked[message]
            place[begin : begin + len(places)] = places
        return np.repeat(np.arange(len(self.counts)), self.counts), place


def _decode_block(words: Words, place: Ints) -> tuple[Ints, Ints, Ints, Ints, Flags]:
    """Price, quantity, orders and slot of the levels at the places, and which of them are irregular."""
    at = place + 2
    cursor = Cursor(words, at, at + ((words[place] >> np.uint64(8)) & OCTET).view(np.int64))
    price, qty, orders, num = (cursor.wrapper(tag) for tag in (PRICE, QTY, ORDERS, NUM))
    irregular = cursor.finish()
    irregular |= (qty > UINT32) | (orders > UINT32) | (num > UINT32)
    return price, qty, orders, num, irregular


def read_depths(raw: bytes, words: Words, start: Ints, end: Ints) -> Depths:
    """The depth messages in raw[start:end]."""
    head = Cursor(words, start, end)
    total_buy, total_sell = head.wrapper(TOTAL_BUY), head.wrapper(TOTAL_SELL)
    irregular = head.irregular | (head.at > end)
    finder = _Finder(raw, len(start))
    fine = np.flatnonzero(~irregular)
    irregular[finder.walk(fine, head.at[fine], end[fine])] = True
    message, place = finder.found()
    blocks = [_decode_block(words, place[first : first + BLOCK]) for first in range(0, max(len(place), 1), BLOCK)]
    price, qty, orders, num, odd = (np.concatenate(columns) for columns in zip(*blocks, strict=True))
    irregular[message[odd]] = True
    levels = Levels(message, np.frombuffer(raw, np.uint8)[place] == ASKS, price, qty, orders, num)
    if irregular.any():
        levels = levels.pick(~irregular[message])
    return Depths(total_buy, total_sell, levels, irregular)
