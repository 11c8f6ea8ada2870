"""Where the reader's columns are in the files of each schema: the one module that knows stored names.

A question is asked in logical columns (`LOGICAL`); `SOURCES` says for each schema in which table and column each of
them is stored, and in which form. A file names its schema in its metadata. A new schema is one more entry.
"""

from dataclasses import dataclass, field
from typing import Literal

Form = Literal["plain", "ns", "seconds", "price", "prices", "sizes", "inverted"]
"""How a value is stored: as it is; int64 ns, or whole seconds, since 1970; an integer price; a list of them a level, or
of quantities; a bool with the opposite meaning."""
Kind = Literal["time", "name", "int", "bool", "price", "prices", "sizes"]
"""What a logical column is; where a schema lacks it, it is null of that kind, and `valid` is true."""

DEPTH, DEPTH50, QUOTES, TRADES, INDICES, BARS, GAPS = (
    "depth", "depth50", "quotes", "trades", "indices", "bars", "gaps",
)  # fmt: skip
SIDES = tuple(f"{side}_{what}" for side in ("bid", "ask") for what in ("px", "qty", "ord"))
_WHEN: dict[str, Kind] = {"ts_recv": "time", "symbol": "name", "ts_event": "time", "feed": "name"}
_ORIGIN: dict[str, Kind] = {"run_id": "name", "seq": "int", "entry": "int", "connection": "int", "in_session": "bool"}
_BOOK: dict[str, Kind] = {
    **_WHEN,
    **{name: "time" for name in ("ts_sched", "ts_send", "ts_feed")},
    **{"action": "name", "valid": "bool", "sequence": "int", "total_buy_qty": "int", "total_sell_qty": "int"},
    **{side: "prices" if side.endswith("px") else "sizes" for side in SIDES},
    **_ORIGIN,
}
_PRICES = ("open", "high", "low", "prev_close", "year_high", "year_low")
LOGICAL: dict[str, dict[str, Kind]] = {
    DEPTH: _BOOK,
    DEPTH50: _BOOK,
    QUOTES: {
        **_WHEN,
        **{"ts_sched": "time", "ts_send": "time", "ltp": "price", "ltq": "int", "ts_trade": "time", "volume": "int"},
        **{"bid_px": "price", "bid_qty": "int", "ask_px": "price", "ask_qty": "int"},
        **{"total_buy_qty": "int", "total_sell_qty": "int", "atp": "price", "oi": "int"},
        **{name: "price" for name in (*_PRICES, "lower_ckt", "upper_ckt")},
        **_ORIGIN,
    },
    INDICES: {**_WHEN, "ltp": "price", **{name: "price" for name in _PRICES}, **_ORIGIN},
    BARS: {
        **{"ts_begin": "time", "symbol": "name"},
        **{name: "price" for name in ("open", "high", "low", "close")},
        **{"volume": "int", "bid_px": "price", "ask_px": "price", "updates": "int", "gap_ns": "int"},
    },
    GAPS: {
        **{"symbol": "name", "feed": "name", "ts_from": "time", "ts_to": "time"},
        **{"cause": "name", "detail": "name", "slots": "int", "source": "name"},
    },
}
"""The columns of each logical table, in the order in which they are given."""
HIDDEN = ("ts_sched", "ts_send", "ts_feed", "sequence", *_ORIGIN)
"""Where a row came from: given with `origin=True` alone."""


@dataclass(frozen=True)
class Stored:
    """A stored column."""

    name: str
    form: Form = "plain"


@dataclass(frozen=True)
class Source:
    """A stored table with rows of a logical one, and where each logical column is; of `feeds` alone, if named."""

    kind: str
    columns: dict[str, Stored] = field(repr=False)
    feeds: tuple[str, ...] = ()


REST = "fyers-rest"
_SAME = ("symbol", "feed", "run_id", "seq", "entry", "connection", "in_session")


def _plain(*names: str) -> dict[str, Stored]:
    return {name: Stored(name) for name in names}


def _prices(*names: str) -> dict[str, Stored]:
    return {name: Stored(name, "price") for name in names}


_SIDES = {side: Stored(side, "prices" if side.endswith("px") else "sizes") for side in SIDES}
_TOTALS = _plain("total_buy_qty", "total_sell_qty")
_ORIGIN_2 = {"ts_recv": Stored("recv_ns", "ns"), **_plain(*_SAME)}
_POLLED_2 = {"ts_sched": Stored("sched_ns", "ns"), "ts_send": Stored("sent_ns", "ns")}
_EVENT_2 = {"ts_event": Stored("exchange_time", "seconds")}
_QUOTE_2 = {
    **_EVENT_2,
    **_plain("ltq", "volume", "oi"),
    **_TOTALS,
    **_prices("ltp", "atp", "open", "high", "low", "prev_close", "lower_ckt", "upper_ckt"),
    "ts_trade": Stored("ltt", "seconds"),
}
_YEAR_2 = _prices("year_high", "year_low")

SOURCES: dict[int, dict[str, tuple[Source, ...]]] = {
    2: {
        DEPTH: (Source("depth", {**_ORIGIN_2, **_POLLED_2, **_EVENT_2, **_TOTALS, **_SIDES}),),
        DEPTH50: (
            Source(
                "depth50",
                {
                    **_ORIGIN_2,
                    **{"ts_feed": Stored("feed_time", "seconds"), "ts_send": Stored("send_time", "seconds")},
                    **{"valid": Stored("suspect", "inverted"), **_plain("sequence")},
                    **_TOTALS,
                    **_SIDES,
                },
            ),
        ),
        QUOTES: (
            Source(
                "quotes",
                {
                    **{**_ORIGIN_2, **_QUOTE_2, **_YEAR_2, **_plain("bid_qty", "ask_qty")},
                    **_prices("bid_px", "ask_px"),
                },
            ),
            Source("depth", {**_ORIGIN_2, **_POLLED_2, **_QUOTE_2}, feeds=(REST,)),
        ),
        INDICES: (
            Source(
                "index",
                {**_ORIGIN_2, **_EVENT_2, **_YEAR_2, **_prices("ltp", "prev_close", "high", "low", "open")},
            ),
        ),
        BARS: (
            Source(
                "bars",
                {
                    **{"ts_begin": Stored("begin_ns", "ns"), **_plain("symbol", "volume", "updates", "gap_ns")},
                    **_prices("open", "high", "low", "close", "bid_px", "ask_px"),
                },
            ),
        ),
        GAPS: (
            Source(
                "gaps",
                {
                    **_plain("symbol", "feed", "cause", "detail", "slots", "source"),
                    **{"ts_from": Stored("from_ns", "ns"), "ts_to": Stored("to_ns", "ns")},
                },
            ),
        ),
    },
}
"""By schema and logical table, the stored tables that have its rows."""
NEWEST = max(SOURCES)
