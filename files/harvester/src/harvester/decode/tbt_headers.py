"""What 50-level messages say around the order book: symbols, times, sequence numbers and flags, of many at once."""

from dataclasses import dataclass

import numpy as np

from harvester.decode import tbt_layout as wire
from harvester.decode.frames import Columns, Flags, Ints
from harvester.decode.tbt_cursor import Cursor, Words

MOST_FEEDS = 64
"""Symbols of one message; the broker allows five a connection."""


@dataclass(frozen=True)
class FeedHeaders(Columns):
    """One element a symbol's part of a message, by message. Texts are rows (start, end) in the batch's buffer."""

    message: Ints
    key: Ints
    depth: Ints
    has_depth: Flags
    feed_time: Ints
    send_time: Ints
    token: Ints
    sequence: Ints
    snapshot: Flags
    """The symbol's own flag."""
    message_snapshot: Flags
    """The message's flag."""
    ticker: Ints


def read_headers(words: Words, start: Ints, end: Ints) -> tuple[FeedHeaders, Flags]:
    """The parts of the messages in [start, end), and which messages are irregular: their parts mean nothing."""
    outer = Cursor(words, start, end)
    outer.number(wire.KIND)
    nothing = np.empty(0, np.int64)
    messages, starts, ends = [nothing], [nothing], [nothing]
    for _ in range(MOST_FEEDS):
        begin, stop, there = outer.span(wire.FEEDS)
        if not there.any():
            break
        messages.append(np.flatnonzero(there))
        starts.append(begin[there])
        ends.append(stop[there])
    message_snapshot = outer.number(wire.SNAPSHOT) != 0
    irregular = outer.finish()
    message = np.concatenate(messages)
    order = np.argsort(message, kind="stable")
    message = message[order]
    entry = Cursor(words, np.concatenate(starts)[order], np.concatenate(ends)[order])
    *key, _ = entry.span(wire.KEY)
    *value, _ = entry.span(wire.VALUE)
    irregular[message[entry.finish()]] = True

    feed = Cursor(words, *value)
    *depth, has_depth = feed.span(wire.DEPTH)
    feed_time, send_time = feed.wrapper(wire.FEED_TIME), feed.wrapper(wire.SEND_TIME)
    *token, _ = feed.span(wire.TOKEN)
    sequence, snapshot = feed.number(wire.SEQUENCE), feed.number(wire.FEED_SNAPSHOT) != 0
    *ticker, _ = feed.span(wire.TICKER)
    irregular[message[feed.finish()]] = True
    headers = FeedHeaders(
        message,
        np.stack(key, axis=1),
        np.stack(depth, axis=1),
        has_depth,
        feed_time,
        send_time,
        np.stack(token, axis=1),
        sequence,
        snapshot,
        message_snapshot[message],
        np.stack(ticker, axis=1),
    )
    return headers, irregular
