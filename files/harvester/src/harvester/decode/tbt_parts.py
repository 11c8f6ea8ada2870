"""Parts of 50-level messages, one a symbol, read by the fast path or by the exact parser."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from harvester.decode import tbt_layout as wire
from harvester.decode.frames import ABSENT, Columns, Flags, FrameBatch, Ints, Leftover, Reason
from harvester.decode.protobuf import Fields, MalformedError, parse, unwrap
from harvester.decode.tbt_cursor import words_at_each_byte
from harvester.decode.tbt_headers import MOST_FEEDS, FeedHeaders, read_headers
from harvester.decode.tbt_levels import UINT32, Levels, read_depths

PONG = b"pong"
INT64_MAX = (1 << 63) - 1


class Notice(NamedTuple):
    """A message of the server to the client, such as a refused subscription."""

    frame: int
    kind: int
    text: str
    is_error: bool


@dataclass(frozen=True)
class Parts(Columns):
    """One element a symbol's part of a message; times are epoch seconds, ABSENT where not given."""

    frame: Ints
    symbol: Ints
    """Code of its ticker."""
    feed_time: Ints
    send_time: Ints
    sequence: Ints
    """0 where not given."""
    snapshot: Flags
    """The part's own flag."""
    message_snapshot: Flags
    """The flag of the message."""
    has_depth: Flags
    total_buy: Ints
    total_sell: Ints


class Symbols:
    """Codes of tickers: their places in `tickers`."""

    def __init__(self) -> None:
        self.tickers: list[str] = []
        self._codes: dict[bytes, int] = {}

    def code(self, ticker: str) -> int:
        code = self._codes.setdefault(ticker.encode(), len(self.tickers))
        if code == len(self.tickers):
            self.tickers.append(ticker)
        return code

    def code_of_bytes(self, ticker: bytes) -> int:
        """Code of a ticker as it came; -1 when it is empty or no plain ASCII."""
        code = self._codes.get(ticker)
        if code is None:
            return self.code(str(ticker, "ascii")) if ticker and ticker.isascii() else -1
        return code


def _signed(price: int) -> int:
    return price if price <= INT64_MAX else price - (1 << 64)


def _level(part: int, is_ask: bool, level: Fields) -> tuple[int, ...]:
    price = level.get(wire.PRICE)
    counts = (level.get(tag) for tag in (wire.QTY, wire.ORDERS, wire.NUM))
    return (
        part,
        is_ask,
        ABSENT if price is None else _signed(price.get(8, 0)),
        *(ABSENT if count is None else count.get(8, 0) & UINT32 for count in counts),
    )


class ExactReader:
    """Reads messages one by one, whatever their form."""

    def __init__(self, raw: bytes, symbols: Symbols) -> None:
        self.raw = raw
        self.symbols = symbols
        self.parts: list[tuple[int, ...]] = []
        self.levels: list[tuple[int, ...]] = []
        self.notices: list[Notice] = []

    def read(self, frame: int, start: int, end: int) -> None:
        """Take one message. Raises MalformedError, and has then taken nothing of it."""
        message = parse(self.raw, start, end, wire.SOCKET_MESSAGE)
        entries = message.get(wire.FEEDS, ())
        if len(entries) > MOST_FEEDS:
            raise MalformedError("more symbols than a connection can have")
        outer = bool(message.get(wire.SNAPSHOT, 0))
        feeds = {}
        for entry in entries:  # of entries with the same key the last counts, as in any map
            key, feed = entry.get(wire.KEY, ""), entry.get(wire.VALUE, {})
            body: Fields = {}
            for start, end in feed.get(wire.DEPTH, ()):
                parse(self.raw, start, end, wire.DEPTH_BODY, body)
            symbol = feed.get(wire.TICKER) or feed.get(wire.TOKEN) or key
            feeds[key] = symbol, _part(feed, body, outer), body
        for symbol, part, body in feeds.values():
            place = len(self.parts)
            self.parts.append((frame, self.symbols.code(symbol), *part))
            self.levels += [_level(place, True, level) for level in body.get(wire.ASKS, ())]
            self.levels += [_level(place, False, level) for level in body.get(wire.BIDS, ())]
        text, is_error = message.get(wire.MESSAGE, ""), bool(message.get(wire.ERROR, 0))
        if text or is_error:
            self.notices.append(Notice(frame, message.get(wire.KIND, 0), text, is_error))

    def arrays(self) -> tuple[Parts, Levels]:
        """All that was read."""
        frame, symbol, feed_time, send_time, sequence, *flags, buy, sell = _columns(self.parts, 10)
        own, outer, has_depth = (column.astype(np.bool_) for column in flags)
        message, is_ask, *numbers = _columns(self.levels, 6)
        levels = Levels(message, is_ask.astype(np.bool_), *numbers)
        parts = Parts(frame, symbol, feed_time, send_time, sequence, own, outer, has_depth, buy, sell)
        return parts, levels


def _columns(rows: list[tuple[int, ...]], count: int) -> Ints:
    return np.array(rows, np.int64).reshape(-1, count).T


def _part(feed: Fields, body: Fields, outer: bool) -> tuple[int, ...]:
    times = unwrap(feed, wire.FEED_TIME, ABSENT), unwrap(feed, wire.SEND_TIME, ABSENT)
    sequence, snapshot = feed.get(wire.SEQUENCE, 0), bool(feed.get(wire.FEED_SNAPSHOT, 0))
    totals = unwrap(body, wire.TOTAL_BUY, ABSENT), unwrap(body, wire.TOTAL_SELL, ABSENT)
    if max(*times, sequence, *totals) > INT64_MAX:
        raise MalformedError("a number beyond 63 bits")
    return *times, sequence, snapshot, outer, wire.DEPTH in feed, *totals


@dataclass(frozen=True)
class Messages:
    """The messages of a batch: parts in order of arrival, and levels with the place of their part."""

    parts: Parts
    levels: Levels
    notices: list[Notice]
    leftovers: list[Leftover]


def _read_regular(batch: FrameBatch, symbols: Symbols) -> tuple[Parts, Levels, Flags]:
    """The parts of all messages of the usual form, and which messages are not."""
    raw, words = batch.raw, words_at_each_byte(batch.raw)
    headers, irregular = read_headers(words, batch.starts, batch.ends)
    headers = headers.pick(~irregular[headers.message])
    symbol = _read_texts(raw, headers, symbols)
    depths = read_depths(raw, words, *headers.depth.T)
    irregular[headers.message[depths.irregular | (symbol < 0)]] = True
    parts = Parts(
        headers.message,
        symbol,
        headers.feed_time,
        headers.send_time,
        headers.sequence,
        headers.snapshot,
        headers.message_snapshot,
        headers.has_depth,
        depths.total_buy,
        depths.total_sell,
    )
    return *_keep(parts, depths.levels, ~irregular[headers.message]), irregular


def _read_texts(raw: bytes, headers: FeedHeaders, symbols: Symbols) -> Ints:
    """Codes of the tickers, -1 where a text needs a closer look, as does a key that its message has twice."""
    spans = np.concatenate((headers.ticker, headers.key, headers.token), axis=1).tolist()
    codes = [
        symbols.code_of_bytes(raw[a:b]) if raw[c:d].isascii() and raw[e:f].isascii() else -1
        for a, b, c, d, e, f in spans
    ]
    keys = [(message, raw[c:d]) for message, (_, _, c, d, _, _) in zip(headers.message.tolist(), spans, strict=True)]
    if len(set(keys)) < len(keys):
        counts = Counter(keys)
        codes = [-1 if counts[key] > 1 else code for key, code in zip(keys, codes, strict=True)]
    return np.array(codes, np.int64)


def _keep(parts: Parts, levels: Levels, chosen: Flags) -> tuple[Parts, Levels]:
    if chosen.all():
        return parts, levels
    levels = levels.pick(chosen[levels.message])
    levels.message[:] = (np.cumsum(chosen) - 1)[levels.message]
    return parts.pick(chosen), levels


def read_messages(batch: FrameBatch, symbols: Symbols) -> Messages:
    """The messages of a batch of frames; a malformed one is left whole."""
    parts, levels, irregular = _read_regular(batch, symbols)
    exact = ExactReader(batch.raw, symbols)
    leftovers = []
    for frame in np.flatnonzero(irregular).tolist():
        start, end = int(batch.starts[frame]), int(batch.ends[frame])
        if batch.raw[start:end] == PONG:
            continue
        try:
            exact.read(frame, start, end)
        except MalformedError:
            leftovers.append(Leftover(frame, 0, end - start, Reason.MALFORMED))
    if exact.parts:
        parts, levels = _merge_in(parts, levels, *exact.arrays())
    for place in np.flatnonzero(~parts.has_depth).tolist():
        frame = int(parts.frame[place])
        leftovers.append(Leftover(frame, 0, int(batch.ends[frame] - batch.starts[frame]), Reason.NO_DEPTH))
    return Messages(*_keep(parts, levels, parts.has_depth), exact.notices, leftovers)


def _merge_in(parts: Parts, levels: Levels, more: Parts, more_levels: Levels) -> tuple[Parts, Levels]:
    """Both in order of arrival; no message has parts in each."""
    levels = Levels.join((levels, replace(more_levels, message=more_levels.message + len(parts.frame))))
    parts = Parts.join((parts, more))
    order = np.argsort(parts.frame, kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return parts.pick(order), replace(levels, message=places[levels.message])
