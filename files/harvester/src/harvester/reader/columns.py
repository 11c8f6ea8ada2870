"""Where the reader's columns are in the files of each schema: the one module that knows stored names.

A question is asked in logical columns (`LOGICAL`); `SOURCES` says for each schema in which table and column each of
them is stored, and in which form. A new schema is one more entry.
"""

from dataclasses import dataclass, field
from typing import Literal

from harvester.base.market import MARKETS
from harvester.lake.columns import FINE, PAISE
from harvester.lake.layout import (
    BARS,
    CANDLES,
    DEPTH,
    DEPTH50,
    GAPS,
    INDICES,
    INSTRUMENTS,
    QUOTES,
    SESSIONS,
    TRADES,
)
from harvester.lake.layout import HISTORY as BROUGHT

Form = Literal["plain", "seconds", "inverted", "snapshot", "polled", "first", "cause"]
"""How a value is stored: as it is; a moment as whole seconds since 1970; a bool with the opposite meaning; an action as
whether it is a snapshot, or by the feed, polls being snapshots; as the first of a list; a cause by an older word."""
Kind = Literal["time", "date", "name", "int", "bool", "price", "prices", "sizes"]
"""What a logical column is; where a schema lacks it, it is null of that kind, and `valid` is true."""

SIDES = tuple(f"{side}_{what}" for side in ("bid", "ask") for what in ("px", "qty", "ord"))
_WHEN: dict[str, Kind] = {"ts_recv": "time", "symbol": "name"}
_EVENT: dict[str, Kind] = {"ts_event": "time", "feed": "name"}
_POLL: dict[str, Kind] = {"ts_sched": "time", "ts_send": "time"}
_ORIGIN: dict[str, Kind] = {"run_id": "name", "seq": "int", "entry": "int", "connection": "int", "in_session": "bool"}
_STATE: dict[str, Kind] = {"action": "name", "valid": "bool"}
_LEVELS: dict[str, Kind] = {side: "prices" if side.endswith("px") else "sizes" for side in SIDES}
_TOTALS: dict[str, Kind] = {"total_buy_qty": "int", "total_sell_qty": "int"}
_CANDLE: dict[str, Kind] = {
    **{"ts_begin": "time", "symbol": "name"},
    **{name: "price" for name in ("open", "high", "low", "close")},
    **{"volume": "int", "final": "bool", "revision": "int", "source": "name", "resolution_ns": "int"},
    **{"ts_recv": "time", "run_id": "name", "seq": "int"},
}
_PRICES = ("open", "high", "low", "prev_close", "year_high", "year_low")
LOGICAL: dict[str, dict[str, Kind]] = {
    DEPTH: {**_WHEN, "feed": "name", **_POLL, **_STATE, **_LEVELS, **_ORIGIN},
    DEPTH50: {
        **{**_WHEN, "feed": "name", "ts_send": "time", "ts_feed": "time", **_STATE, "sequence": "int"},
        **{**_TOTALS, **_LEVELS, **_ORIGIN},
    },
    QUOTES: {
        **{**_WHEN, **_EVENT, **_POLL, "ltp": "price", "ltq": "int", "ts_trade": "time", "volume": "int"},
        **{"bid_px": "price", "bid_qty": "int", "ask_px": "price", "ask_qty": "int"},
        **{**_TOTALS, "atp": "price", "oi": "int"},
        **{name: "price" for name in (*_PRICES, "lower_ckt", "upper_ckt")},
        **_ORIGIN,
    },
    TRADES: {
        **{**_WHEN, **_EVENT, "px": "price", "qty": "int", "kind": "name", "side_inferred": "name"},
        **{"last_qty": "int", "volume": "int", **_ORIGIN},
    },
    INDICES: {**_WHEN, **_EVENT, "ltp": "price", **{name: "price" for name in _PRICES}, **_ORIGIN},
    BARS: {
        **{"ts_begin": "time", "symbol": "name"},
        **{name: "price" for name in ("open", "high", "low", "close")},
        **{"volume": "int", "bid_px": "price", "ask_px": "price", "updates": "int", "gap_ns": "int"},
    },
    CANDLES: _CANDLE,
    BROUGHT: _CANDLE,
    INSTRUMENTS: {
        **{"symbol": "name", "segment": "name", "fy_token": "name", "isin": "name", "name": "name"},
        **{"tick": "price", "lot": "int", "ts_expiry": "time", "root": "name", "underlying": "name"},
        **{"strike": "price", "option_type": "name", "hours": "name", "master_date": "date"},
    },
    SESSIONS: {"segment": "name", "phase": "name", "ts_open": "time", "ts_close": "time"},
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


REST, HISTORY = "fyers-rest", "fyers-history"
HISTORIES = frozenset(market.history for market in MARKETS.values())
"""Feeds of brokers' own candles."""


def _same(*names: str) -> dict[str, Stored]:
    return {name: Stored(name) for name in names}


_SAME = _same("symbol", "feed", "run_id", "seq", "entry", "connection", "in_session")
_ORIGIN_2 = {"ts_recv": Stored("recv_ns"), **_SAME}
_POLLED_2 = {"ts_sched": Stored("sched_ns"), "ts_send": Stored("sent_ns")}
_EVENT_2 = {"ts_event": Stored("exchange_time", "seconds")}
_QUOTE_2 = {
    **_EVENT_2,
    **_same("ltq", "volume", "oi", *_TOTALS, "ltp", "atp"),
    **_same("open", "high", "low", "prev_close", "lower_ckt", "upper_ckt"),
    "ts_trade": Stored("ltt", "seconds"),
}
_YEAR_2 = _same("year_high", "year_low")
_BEST = ("bid_px", "bid_qty", "ask_px", "ask_qty")


def _named(logical: str) -> dict[str, Stored]:
    """The columns of a table of schema 3, whose names say what is a price."""
    kinds = LOGICAL[logical].items()
    return {name: Stored(f"{name}{PAISE}" if kind in ("price", "prices") else name) for name, kind in kinds}


def in_fine_units(source: Source) -> Source:
    """The same of a table whose prices are in parts of a dollar."""
    columns = {
        name: Stored(at.name.removesuffix(PAISE) + FINE, at.form) if at.name.endswith(PAISE) else at
        for name, at in source.columns.items()
    }
    return Source(source.kind, columns, source.feeds)


SOURCES: dict[int, dict[str, tuple[Source, ...]]] = {
    2: {
        DEPTH: (Source(DEPTH, {**_ORIGIN_2, **_POLLED_2, "action": Stored("feed", "polled"), **_same(*SIDES)}),),
        DEPTH50: (
            Source(
                DEPTH50,
                {
                    **_ORIGIN_2,
                    **{"ts_feed": Stored("feed_time", "seconds"), "ts_send": Stored("send_time", "seconds")},
                    **{"action": Stored("snapshot", "snapshot"), "valid": Stored("suspect", "inverted")},
                    **_same("sequence", *_TOTALS, *SIDES),
                },
            ),
        ),
        QUOTES: (
            Source(QUOTES, {**_ORIGIN_2, **_QUOTE_2, **_YEAR_2, **_same(*_BEST)}),
            Source(
                DEPTH,
                {**_ORIGIN_2, **_POLLED_2, **_QUOTE_2, **{name: Stored(name, "first") for name in _BEST}},
                feeds=(REST,),
            ),
        ),
        INDICES: (
            Source(
                INDICES,
                {**_ORIGIN_2, **_EVENT_2, **_YEAR_2, **_same("ltp", "prev_close", "high", "low", "open")},
            ),
        ),
        BARS: (
            Source(
                BARS,
                {
                    **{"ts_begin": Stored("begin_ns"), **_same("symbol", "volume", "updates", "gap_ns")},
                    **_same("open", "high", "low", "close", "bid_px", "ask_px"),
                },
            ),
        ),
        GAPS: (
            Source(
                GAPS,
                {
                    **{"ts_from": Stored("from_ns"), "ts_to": Stored("to_ns"), "cause": Stored("cause", "cause")},
                    **_same("symbol", "feed", "detail", "slots", "source"),
                },
            ),
        ),
    },
    3: {logical: (Source(logical, _named(logical)),) for logical in LOGICAL},
}
"""By schema and logical table, the stored tables that have its rows."""
NEWEST = max(SOURCES)
SCALE_OF_FILE = (2,)
"""Schemas whose files state once how many units of a price a rupee has; in others each column of prices does."""
CAUSES_2 = {"mute": "stale"}
"""Causes that schema 2 stores under an older word."""
