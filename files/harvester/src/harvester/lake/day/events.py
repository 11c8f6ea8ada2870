"""The control records of a day as runs, windows, polling of sockets, recorded gaps and connections."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from harvester.lake.day.connections import Connections
from harvester.lake.day.controls import ControlRecord
from harvester.lake.day.damage import Damage
from harvester.lake.day.earlier import Earlier
from harvester.lake.day.intervals import Interval, union
from harvester.lake.day.known_gaps import KnownGap, KnownGaps
from harvester.lake.day.records import (
    Polling,
    Quiet,
    Unanswered,
    WindowOpen,
    read_connection,
    read_feed,
    read_gap,
    read_ns,
    read_polling,
    read_quiet,
    read_reason,
    read_segment,
    read_unanswered,
    read_window,
)
from harvester.lake.day.segments import NEVER, DayIndex, Unreadable
from harvester.ledger.outage import Outage

RESUMED = {"connect", "disconnect", "gap_open", "gap_close", "polling", "polling_end"}
"""Records whose meaning may go on past midnight."""


@dataclass
class Run:
    """One run of the recorder: its records of this day came from `first_ns` to `last_ns`, in wall ns."""

    run_id: str
    first_ns: int
    last_ns: int
    symbols: set[str]
    release: str
    boot_id: str
    stopped: bool = False
    candles: set[str] = field(default_factory=set)
    """Of which it asked for candles."""

    def see(self, moment_ns: int) -> None:
        """Extend the life of the run to a record at this moment, in wall ns."""
        self.first_ns = min(self.first_ns, moment_ns)
        self.last_ns = max(self.last_ns, moment_ns)


@dataclass
class Events:
    """The day's control records, interpreted."""

    runs: list[Run] = field(default_factory=list)
    windows: list[WindowOpen] = field(default_factory=list)
    pollings: list[Polling] = field(default_factory=list)
    gaps: KnownGaps = field(default_factory=KnownGaps)
    quiets: list[Quiet] = field(default_factory=list)
    unanswered: list[Unanswered] = field(default_factory=list)
    """Requests for candles that had no answer."""
    connections: Connections = field(default_factory=Connections)
    """Connections of the sockets."""
    clock_steps_ns: list[int] = field(default_factory=list)
    clock_notes: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    """Control records `text` (sent by a server) and `oversize` (a message too large for the journal)."""
    torn_bytes: int = 0
    """Bytes that recovery cut off and set aside."""
    uninterpreted: list[Unreadable] = field(default_factory=list)
    """Malformed control records, and ends of what no record began."""
    damage: list[Damage] = field(default_factory=list)
    """What is wrong with the journal, by time."""

    @property
    def malformed(self) -> int:
        """How many control records were not interpreted."""
        return len(self.uninterpreted)

    def gaps_of(self, feed: int, symbol: str) -> list[KnownGap]:
        """The gaps recorded of one symbol on one feed, in the order opened."""
        return self.gaps.of(feed, symbol)

    def unanswered_of(self, symbol: str) -> list[tuple[int, Outage]]:
        """When requests for a symbol's candles failed (wall ns), and why."""
        return [(each.at_ns, each.outage) for each in self.unanswered if symbol in each.symbols]

    def quiet_of(self, feed: int, symbol: str) -> list[Interval]:
        """When the symbol is proven to have been quiet on one feed."""
        mine = (quiet for quiet in self.quiets if quiet.feed == feed and symbol in quiet.symbols)
        return union((quiet.from_ns, quiet.to_ns) for quiet in mine)


def read_events(index: DayIndex, earlier: Earlier | None = None) -> Events:
    """Interpret the control records of an index, and those of earlier days that still hold."""
    events = Events(runs=_read_runs(index))
    reader = _Reader(events, {run.run_id: run.last_ns for run in events.runs})
    for run_id, controls in (earlier or Earlier()).controls.items():
        reader.resume(run_id, controls)
    for position, control in enumerate(index.controls):
        try:
            reader.take(control, index.sources[control.source].run_id, position)
        except (KeyError, TypeError, ValueError) as error:
            is_end = isinstance(error, NotBegunError)
            events.uninterpreted.append(Unreadable(control.source, control.wall_ns, control.value["type"], is_end))
    reader.finish()
    return events


def _read_runs(index: DayIndex) -> list[Run]:
    runs: dict[str, Run] = {}
    for source in index.sources:
        head = source.header
        run = runs.setdefault(
            source.run_id,
            Run(source.run_id, NEVER, 0, set(), str(head.get("release", "")), str(head.get("boot_id", ""))),
        )
        run.symbols.update(source.streams.values())
        run.candles.update(source.candles.values())
        if source.feeds:
            run.see(source.first_ns)
            run.see(source.last_ns)
    for control in index.controls:
        kind = control.value["type"]
        if kind == "damage" or control.value.get("recovered"):
            continue  # written by recovery, after the run had died
        run = runs[index.sources[control.source].run_id]
        run.see(control.wall_ns)
        run.stopped = run.stopped or kind == "stop"
    return sorted((run for run in runs.values() if run.first_ns != NEVER), key=lambda run: run.first_ns)


class NotBegunError(KeyError):
    """A record ends what no record of the day began."""


class _Reader:
    """Pairs the control records that open and close a gap, a connection or a stretch of polling."""

    def __init__(self, events: Events, ends: dict[str, int]) -> None:
        self._events = events
        self._ends = ends
        self._pollings: dict[str, tuple[str, Polling]] = {}
        """By segment: the run, and the stretch that has not ended."""

    def resume(self, run_id: str, controls: Iterable[ControlRecord]) -> None:
        """Take over what a run began on earlier days and had not ended: connections, gaps, polling."""
        before = _Reader(Events(), {})
        for control in controls:
            if control.value["type"] in RESUMED:
                with contextlib.suppress(KeyError, TypeError, ValueError):
                    before.take(control, run_id, -1)
        for connection in before._events.connections:
            if connection.to_ns is None:
                self._events.connections.open(connection)
        self._events.gaps.take_open(before._events.gaps)
        self._pollings |= before._pollings

    def take(self, control: ControlRecord, run_id: str, position: int) -> None:
        """Interpret one record. Raises KeyError, TypeError or ValueError for a malformed one."""
        value, events = control.value, self._events
        match value["type"]:
            case "window_open":
                events.windows.append(read_window(control))
            case "gap_open":
                events.gaps.open(read_gap(value, run_id, position))
            case "gap_close":
                gap_id, to_ns = value["gap_id"], read_ns(value["to_ns"])
                try:
                    events.gaps.close(gap_id, to_ns)
                except KeyError as error:
                    raise NotBegunError(gap_id) from error
            case "quiet":
                events.quiets.append(read_quiet(value))
            case "unanswered":
                events.unanswered.append(read_unanswered(value))
            case "polling":
                polling = read_polling(value)
                self._end_polling(polling.segment)
                self._pollings[polling.segment] = run_id, polling
            case "polling_end":
                self._end_polling(read_segment(value), read_ns(value["to_ns"]))
            case "connect":
                events.connections.open(read_connection(control, run_id))
            case "disconnect":
                cause, detail = read_reason(value)
                stream = read_feed(value), read_ns(value["stream"])
                if not events.connections.has_had(run_id, stream):
                    raise NotBegunError(stream)
                events.connections.close(run_id, stream, control.wall_ns, cause, detail)
            case "clock_step":
                events.clock_steps_ns.append(read_ns(value["delta_ns"]))
            case "clock":
                events.clock_notes.append(value)
            case "text" | "oversize":
                events.messages.append(value)
            case "damage":
                events.torn_bytes += read_ns(value["bytes"])

    def finish(self) -> None:
        """Finish after the last record."""
        for segment in list(self._pollings):
            self._end_polling(segment)

    def _end_polling(self, segment: str, to_ns: int | None = None) -> None:
        """End the segment's stretch of polling, at the end of its run when no record ends it."""
        if segment in self._pollings:
            run_id, begun = self._pollings.pop(segment)
            end = to_ns if to_ns is not None else self._ends.get(run_id, begun.from_ns)
            if end > begun.from_ns:
                self._events.pollings.append(begun._replace(to_ns=end))
