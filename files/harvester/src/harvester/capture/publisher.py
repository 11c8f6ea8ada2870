"""Assembles the recorder's state for the status file. Times in it are wall ns unless the key says otherwise."""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import structlog
from msgspec import Raw
from msgspec.json import encode

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.calendar import NSE_CASH
from harvester.capture.candles import CandleFeed
from harvester.capture.context import RecorderContext
from harvester.capture.feed import Feed
from harvester.capture.polls import PollFeed
from harvester.capture.recorder import Recorder
from harvester.capture.sink import JournalSink
from harvester.capture.status import write_status
from harvester.capture.streams.connection import StreamConnection
from harvester.capture.streams.feed import StreamFeed
from harvester.capture.token_keeper import TokenKeeper
from harvester.ledger.gaps import Gap

log = structlog.get_logger()
EVERY_NS = NS_PER_SECOND - 50 * NS_PER_MS
MANY, MANY_EVERY_NS = 500, 5 * NS_PER_SECOND
"""With so many symbols the file is large: it is written less often, and assembled in steps."""
MOST_PROBLEMS = 20
"""Of the journal that the file lists."""
SLICE = 200
"""Symbols, or open gaps, of a step: about a millisecond of work."""


class StatusPublisher:
    """Called after every turn of the recorder's loop; writes the file about once a second."""

    def __init__(
        self,
        context: RecorderContext,
        *,
        polls: PollFeed,
        streams: Sequence[StreamFeed],
        candles: CandleFeed | None = None,
        keeper: TokenKeeper,
        symbol_master: Callable[[], dict[str, Any]],
    ) -> None:
        """`symbol_master` describes what the look-up in the broker's symbol master found, as keys of the status."""
        self._path = context.settings.status_file
        self._context = context
        self._clock = context.clock
        self._polls = polls
        self._streams = streams
        self._candles = candles
        self._keeper = keeper
        self._symbol_master = symbol_master
        self._shares = context.split(context.settings.all_symbols)
        """The symbols of each segment."""
        self._started_at_ns = context.clock.wall_ns()
        self._next_mono_ns = 0
        self._is_failing = False
        self._is_assembling = False

    def __call__(self, recorder: Recorder) -> None:
        """Publish when a second has passed; a file that cannot be written is logged once and tried again."""
        mono_ns = self._clock.mono_ns()
        if mono_ns < self._next_mono_ns or self._is_assembling:
            return
        feeds_of = _feeds_of(recorder.feeds)
        is_large = len(feeds_of) >= MANY
        self._next_mono_ns = mono_ns + (MANY_EVERY_NS if is_large else EVERY_NS)
        steps = self._publish(recorder, feeds_of)
        if is_large:
            recorder.run_background(self._take_turns(steps))
        else:
            deque(steps, maxlen=0)

    async def _take_turns(self, steps: Iterator[None]) -> None:
        """Let messages in between the steps: while one runs, no receive time is stamped."""
        self._is_assembling = True
        try:
            for _ in steps:
                await asyncio.sleep(0)
        finally:
            self._is_assembling = False

    def _publish(self, recorder: Recorder, feeds_of: Mapping[str, list[Feed]]) -> Iterator[None]:
        """Assemble the file and write it, in steps of a few ms at most."""
        symbols, gaps = [], []
        for part in _slices(feeds_of.items()):
            symbols.append(encode({name: _describe_symbol(name, feeds) for name, feeds in part})[1:-1])
            yield
        gaps_of = (
            (feed, gap) for feed in recorder.feeds for ledger in feed.ledgers.values() for gap in ledger.open_gaps
        )
        for part in _slices(list(gaps_of)):
            gaps.append(encode([self._describe_gap(feed, gap) for feed, gap in part])[1:-1])
            yield
        state = self.describe(
            recorder,
            symbols=Raw(b"{" + b",".join(symbols) + b"}"),
            open_gaps=Raw(b"[" + b",".join(gaps) + b"]"),
        )
        try:
            write_status(self._path, encode(state))
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                log.error("status_not_written", path=str(self._path), detail=str(error))
            self._is_failing = True

    def _describe_gap(self, feed: Feed, gap: Gap) -> dict[str, Any]:
        return gap._asdict() | ({} if feed is self._polls else {"feed": feed.name})

    def describe(self, recorder: Recorder, *, symbols: Raw, open_gaps: Raw) -> dict[str, Any]:
        """The whole state as JSON data, given what grows with the number of symbols as JSON."""
        wall_ns = self._clock.wall_ns()
        today = recorder.calendar.trading_date(wall_ns)
        run, access, watch = self._context.run, self._context.access, self._context.watch
        token = access.token
        return {
            "release": run.release,
            "config_hash": run.config_hash,
            "run_id": run.run_id,
            "pid": os.getpid(),
            "started_at_ns": self._started_at_ns,
            "written_at_ns": wall_ns,
            "window": {
                "open": recorder.window is not None,
                "open_ns": recorder.window[0] if recorder.window else None,
                "phases": recorder.phases,
                "next_change_ns": recorder.next_change_ns,
            },
            **self._describe_segments(recorder),
            "symbols": symbols,
            "feeds": {feed.name: _describe_feed(feed) for feed in self._streams},
            **({"candles": self._candles.describe()} if self._candles else {}),
            "polling": self._polls.next_due_ns is not None,
            "open_gaps": open_gaps,
            "token": {
                "state": access.token_state(wall_ns),
                "version": token.version if token else None,
                "expires_at_ns": token.expires_at_ns if token else None,
                **({"login_ends_ns": token.login_ends_ns} if token and token.login_ends_ns else {}),
                "problem": self._keeper.problem,
                **({"unproven": access.unproven} if access.unproven else {}),
            },
            "journal": describe_journal(self._context.sink),
            "lost_today": self._context.sink.lost.describe(today.isoformat()),
            "deviation_ms": self._polls.deviations.describe(),
            "disk": {"free_bytes": recorder.disk.free_bytes, "full": recorder.disk.is_full},
            "calendar": {
                "valid_until": recorder.calendar.valid_until.isoformat(),
                "days_left": recorder.calendar.days_left(today),
                "problem": recorder.calendars.problem,
            },
            "clock": {"offset_ns": watch.offset_ns, "off": watch.is_off, "steps": watch.steps},
            **self._symbol_master(),
            **({"blocked_until_ns": until_ns} if (until_ns := access.blocked_until(wall_ns)) else {}),
        }

    def _describe_segments(self, recorder: Recorder) -> dict[str, Any]:
        """Where other segments than NSE cash are recorded: the window and symbols of each; and what is refused."""
        refused = self._context.refused
        told: dict[str, Any] = {"refused_symbols": dict(refused)} if refused else {}
        if list(self._shares) != [NSE_CASH]:
            told["segments"] = {
                segment: {
                    "open_ns": window and window[0],
                    "close_ns": window and window[1],
                    "symbols": self._shares[segment],
                }
                for segment, window in recorder.windows.items()
            }
        return told


def _slices(items: Iterable[Any]) -> Iterator[list[Any]]:
    """The items, SLICE at a time."""
    rest = iter(items)
    while part := list(islice(rest, SLICE)):
        yield part


def _feeds_of(feeds: Sequence[Feed]) -> dict[str, list[Feed]]:
    """The feeds of each symbol."""
    found: dict[str, list[Feed]] = {}
    for feed in feeds:
        for symbol in feed.symbols:
            found.setdefault(symbol, []).append(feed)
    return found


def _describe_symbol(symbol: str, feeds: Sequence[Feed]) -> dict[str, Any]:
    """What came of a symbol over all its feeds, and by each; the rest as its first feed says."""
    counts = [feed.count(symbol) for feed in feeds]
    return {
        "updates": sum(count.updates for count in counts),
        "slots": counts[0].slots,
        "accounted_ns": counts[0].accounted_ns,
        "last_recv_ns": max(count.last_recv_ns or 0 for count in counts) or None,
        "last_http": counts[0].last_http,
        "last_error": counts[0].last_error,
        "feeds": {
            feed.name: {"updates": count.updates, "last_recv_ns": count.last_recv_ns}
            for feed, count in zip(feeds, counts, strict=True)
        },
    }


def _describe_feed(feed: StreamFeed) -> dict[str, Any]:
    connections = [_describe_connection(connection) for connection in feed.connections]
    return {"running": feed.is_running, "down_ns": feed.down_for(), "connections": connections}


def _describe_connection(connection: StreamConnection) -> dict[str, Any]:
    frames, size, unknown = connection.counts()
    outage, socket = connection.outage, connection.socket
    return {
        "stream": connection.stream,
        "state": connection.state,
        "attempt": connection.attempt,
        "symbols": len(connection.symbols),
        "missing": len(connection.missing()) if connection.is_running else 0,
        "frames": frames,
        "bytes": size,
        "unknown": unknown,
        "last_recv_ns": socket.last_wall_ns or None if socket else None,
        "cause": outage.cause if outage else None,
        "detail": outage.detail if outage else "",
    }


def describe_journal(sink: JournalSink) -> dict[str, Any]:
    """What the status says of the journal."""
    writer = sink.writer
    segment = writer.segment if writer else None
    return {
        "seq": writer.seq if writer else 0,
        "durable_seq": writer.durable_seq if writer else 0,
        "segment": segment.name if segment else None,
        "bytes": writer.segment_size if writer else 0,
        "failure": sink.failure,
        "problems": sink.problems[:MOST_PROBLEMS],
        "quarantine": dict(zip(("files", "bytes"), sink.quarantined, strict=True)) if sink.quarantined else None,
    }
