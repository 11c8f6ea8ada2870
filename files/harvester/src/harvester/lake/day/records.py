"""Single control records of a journal, read and checked. All times are wall ns."""

from typing import Any, NamedTuple, get_args

from harvester.base.clock import NS_PER_SECOND
from harvester.calendar import NSE_CASH
from harvester.journal.format import FEED_NAMES, FYERS_REST
from harvester.lake.day.connections import Connection
from harvester.lake.day.controls import ControlRecord
from harvester.lake.day.known_gaps import KnownGap
from harvester.ledger.outage import Cause, Outage

CAUSES = frozenset(get_args(Cause))
DETAIL_LIMIT = 200
WORDS = {"mute": "stale"}
"""What the lake calls causes that the journal has under an older name; see docs/glossary.md."""
DAY_NS = 86_400 * NS_PER_SECOND
MIN_INTERVAL_NS = NS_PER_SECOND // 10
DEFAULT = 0
"""The interval of the settings; for a window whose record has none."""


class WindowOpen(NamedTuple):
    """A window [open_ns, close_ns) and the time of its record, when recording began. All times are wall ns.

    Polls come every `interval_ns`: DEFAULT for the interval of the configuration, None when none are scheduled.
    """

    recorded_ns: int
    open_ns: int
    close_ns: int
    interval_ns: int | None
    segment: str = NSE_CASH
    symbols: frozenset[str] = frozenset()
    """What the window is of, in another segment than NSE cash."""


class Polling(NamedTuple):
    """REST fallback: a stretch [from_ns, to_ns) with a poll every `interval_ns` while a socket was down."""

    from_ns: int
    to_ns: int
    interval_ns: int
    segment: str = NSE_CASH


class Quiet(NamedTuple):
    """A stretch [from_ns, to_ns), in wall ns, in which nothing came of the symbols, and nothing was missed."""

    feed: int
    symbols: frozenset[str]
    from_ns: int
    to_ns: int


class Unanswered(NamedTuple):
    """Requests for candles of some symbols that had no answer at a moment, in wall ns."""

    at_ns: int
    symbols: frozenset[str]
    outage: Outage


def read_window(control: ControlRecord) -> WindowOpen:
    """A record `window_open`. Raises KeyError, TypeError or ValueError, like the others here."""
    value = control.value
    opens, closes = read_ns(value["open_ns"]), read_ns(value["close_ns"])
    interval = value.get("interval_ns", DEFAULT)
    if not 0 < closes - opens <= DAY_NS:
        raise ValueError("a window lasts up to a day")
    if interval != DEFAULT and interval is not None and read_ns(interval) < MIN_INTERVAL_NS:
        raise ValueError("an interval lasts at least a tenth of a second")
    symbols = frozenset(str(symbol) for symbol in value.get("symbols", ()))
    return WindowOpen(control.wall_ns, opens, closes, interval, read_segment(value), symbols)


def read_polling(value: dict[str, Any]) -> Polling:
    """A record `polling`; its end is open."""
    if read_ns(value["interval_ns"]) < MIN_INTERVAL_NS:
        raise ValueError("an interval lasts at least a tenth of a second")
    return Polling(read_ns(value["from_ns"]), 0, value["interval_ns"], read_segment(value))


def read_gap(value: dict[str, Any], run_id: str, position: int) -> KnownGap:
    """A record `gap_open`; `position` is its place among the control records of the day."""
    cause, detail = read_reason(value)
    symbols = frozenset(str(symbol) for symbol in value["symbols"])
    feed = read_feed(value) if "feed" in value else FYERS_REST
    return KnownGap(
        str(value["gap_id"]), run_id, symbols, read_ns(value["from_ns"]), cause, detail, position, feed=feed
    )


def read_quiet(value: dict[str, Any]) -> Quiet:
    """A record `quiet`."""
    symbols = frozenset(str(symbol) for symbol in value["symbols"])
    return Quiet(read_feed(value), symbols, read_ns(value["from_ns"]), read_ns(value["to_ns"]))


def read_unanswered(value: dict[str, Any]) -> Unanswered:
    """A record `unanswered`."""
    read_feed(value)
    symbols = frozenset(str(symbol) for symbol in value["symbols"])
    return Unanswered(read_ns(value["at_ns"]), symbols, Outage(*read_reason(value)))  # type: ignore[arg-type]


def read_connection(control: ControlRecord, run_id: str) -> Connection:
    """A record `connect`."""
    value = control.value
    topics = value.get("topics") or {}
    return Connection(
        feed=read_feed(value),
        stream=read_ns(value["stream"]),
        run_id=run_id,
        seq=control.seq,
        from_ns=control.wall_ns,
        symbols=frozenset(str(symbol) for symbol in value["symbols"]),
        topics={str(topic): str(symbol) for topic, symbol in topics.items()},
    )


def read_reason(value: dict[str, Any]) -> tuple[str, str]:
    """Cause and printable detail; a cause that is not in CAUSES becomes "unknown", and its name goes to the detail."""
    cause, detail = str(value["cause"]), str(value.get("detail") or "")
    if cause not in CAUSES:
        cause, detail = "unknown", f"{cause}: {detail}"
    return WORDS.get(cause, cause), "".join(letter if letter.isprintable() else " " for letter in detail[:DETAIL_LIMIT])


def read_segment(value: dict[str, Any]) -> str:
    """The segment of a record; one without it is of NSE cash."""
    return str(value.get("segment", NSE_CASH))


def read_feed(value: dict[str, Any]) -> int:
    """The number of a feed that this release knows."""
    if value["feed"] not in FEED_NAMES or type(value["feed"]) is not int:
        raise ValueError("no such feed")
    return int(value["feed"])


def read_ns(value: object) -> int:
    """A number of nanoseconds."""
    if type(value) is not int or abs(value) >= 2**63:
        raise TypeError("not a number of nanoseconds")
    return value
