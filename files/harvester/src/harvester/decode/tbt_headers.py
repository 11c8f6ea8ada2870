"""What 50-level messages say around the order book: symbols, times, sequence numbers and flags, of many at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from harvester.decode.frames import Flags, Ints
from harvester.decode.tbt_cursor import Cursor, Words
from harvester.decode.tbt_layout import (
    DEPTH,
    FEED_SNAPSHOT,
    FEED_TIME,
    FEEDS,
    KEY,
    KIND,
    SEND_TIME,
    SEQUENCE,
    SNAPSHOT,
    TICKER,
    TOKEN,
    VALUE,
)

MOST_FEEDS = 64
"""Symbols of one message; the broker allows five a connection."""

Span = tuple[Ints, Ints]


@dataclass(frozen=True)
class FeedHeaders:
    """One element a symbol's part of a message, by message. Texts are (start, end) in the batch's buffer."""

    message: Ints
    key: Span
    depth: Span
    has_depth: Flags
    feed_time: Ints
    send_time: Ints
    token: Span
    sequence: Ints
    snapshot: Flags
    """The symbol's own flag."""
    message_snapshot: Flags
    """The message's flag."""
    ticker: Span

    def pick(self, chosen: Flags) -> "FeedHeaders":
        def cut(column: Any) -> Any:
            return tuple(map(cut, column)) if isinstance(column, tuple) else column[chosen]

        return FeedHeaders(*map(cut, vars(self).values()))


def read_headers(words: Words, start: Ints, end: Ints) -> tuple[FeedHeaders, Flags]:
    """The parts of the messages in [start, end), and which messages are irregular: their parts mean nothing."""
    outer = Cursor(words, start, end)
    outer.number(KIND)
    messages, starts, ends = [], [], []
    for _ in range(MOST_FEEDS):
        begin, stop, there = outer.span(FEEDS)
        if not there.any():
            break
        messages.append(np.flatnonzero(there))
        starts.append(begin[there])
        ends.append(stop[there])
    message_snapshot = outer.number(SNAPSHOT) != 0
    irregular = outer.finish()
    nothing = np.empty(0, np.int64)
    message = np.concatenate([nothing, *messages])
    order = np.argsort(message, kind="stable")
    message = message[order]
    entry = Cursor(words, np.concatenate([nothing, *starts])[order], np.concatenate([nothing, *ends])[order])
    key_start, key_end, _ = entry.span(KEY)
    value_start, value_end, _ = entry.span(VALUE)
    irregular[message[entry.finish()]] = True

    feed = Cursor(words, value_start, value_end)
    depth_start, depth_end, has_depth = feed.span(DEPTH)
    feed_time, send_time = feed.wrapper(FEED_TIME), feed.wrapper(SEND_TIME)
    token_start, token_end, _ = feed.span(TOKEN)
    sequence, snapshot = feed.number(SEQUENCE), feed.number(FEED_SNAPSHOT) != 0
    ticker_start, ticker_end, _ = feed.span(TICKER)
    irregular[message[feed.finish()]] = True
    headers = FeedHeaders(
        message,
        (key_start, key_end),
        (depth_start, depth_end),
        has_depth,
        feed_time,
        send_time,
        (token_start, token_end),
        sequence,
        snapshot,
        message_snapshot[message],
        (ticker_start, ticker_end),
    )
    return headers, irregular
