"""What the control records of a day say: which runs there were, which windows they recorded, which gaps they knew."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from harvester.clock import NS_PER_SECOND
from harvester.gaps import Cause
from harvester.lake.segments import Control, DayIndex

CAUSES = frozenset(get_args(Cause))
DETAIL_LIMIT = 200
NEVER = 2**63
DAY_NS = 86_400 * NS_PER_SECOND
MIN_INTERVAL_NS = NS_PER_SECOND // 10


@dataclass
class Run:
    """One start of the recorder, as far as this day shows it. It lived from `first_ns` to `last_ns` (wall ns)."""

    run_id: str
    first_ns: int
    last_ns: int
    symbols: set[str]
    release: str
    boot_id: str
    stopped: bool = False

    def see(self, moment_ns: int) -> None:
        """The run wrote a record at this moment."""
        self.first_ns = min(self.first_ns, moment_ns)
        self.last_ns = max(self.last_ns, moment_ns)


class WindowOpen(NamedTuple):
    """A window [open_ns, close_ns) that the recorder began to record at `said_ns`; slots every `interval_ns`."""

    said_ns: int
    open_ns: int
    close_ns: int
    interval_ns: int | None


@dataclass
class KnownGap:
    """A gap that the recorder wrote down; `to_ns` is None while nothing closed it."""

    gap_id: str
    run_id: str
    symbols: frozenset[str]
    from_ns: int
    cause: str
    detail: str
    opened_at: int
    """Position among the control records of the day: a later gap knows better."""
    to_ns: int | None = None


@dataclass
class Events:
    """The day's control records, put in order. Malformed ones are counted, never trusted."""

    runs: list[Run] = field(default_factory=list)
    windows: list[WindowOpen] = field(default_factory=list)
    gaps: list[KnownGap] = field(default_factory=list)
    clock_steps_ns: list[int] = field(default_factory=list)
    clock_notes: list[dict[str, Any]] = field(default_factory=list)
    torn_bytes: int = 0
    """Bytes that recovery cut off and set aside."""
    malformed: int = 0


def read_events(index: DayIndex) -> Events:
    """Interpret the control records of an index."""
    events = Events(runs=_read_runs(index))
    gaps: dict[str, KnownGap] = {}
    for position, control in enumerate(index.controls):
        run_id = index.sources[control.source].run_id
        try:
            _take(control, run_id, position, events, gaps)
        except (KeyError, TypeError, ValueError):
            events.malformed += 1
    events.gaps = list(gaps.values())
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
    for control in index.controls:
        kind = control.value["type"]
        if kind == "damage" or control.value.get("recovered"):
            continue  # written by recovery, after the run had died
        run = runs[index.sources[control.source].run_id]
        run.see(control.wall_ns)
        run.stopped = run.stopped or kind == "stop"
    for positions in index.symbols.values():
        for recv_ns, number in zip(positions.recv_ns, positions.source, strict=True):
            runs[index.sources[number].run_id].see(recv_ns)
    return sorted((run for run in runs.values() if run.first_ns != NEVER), key=lambda run: run.first_ns)


def _take(control: Control, run_id: str, position: int, events: Events, gaps: dict[str, KnownGap]) -> None:
    value = control.value
    match value["type"]:
        case "window_open":
            events.windows.append(_window(control))
        case "gap_open":
            gap = _gap(value, run_id, position)
            gaps[gap.gap_id] = gap
        case "gap_close":
            gaps[value["gap_id"]].to_ns = _ns(value["to_ns"])
        case "clock_step":
            events.clock_steps_ns.append(_ns(value["delta_ns"]))
        case "clock":
            events.clock_notes.append(value)
        case "damage":
            events.torn_bytes += _ns(value["bytes"])


def _window(control: Control) -> WindowOpen:
    value = control.value
    opens, closes = _ns(value["open_ns"]), _ns(value["close_ns"])
    interval = value.get("interval_ns")
    if not 0 < closes - opens <= DAY_NS or (interval is not None and _ns(interval) < MIN_INTERVAL_NS):
        raise ValueError("a window lasts up to a day, and an interval at least a tenth of a second")
    return WindowOpen(control.wall_ns, opens, closes, interval)


def _gap(value: dict[str, Any], run_id: str, position: int) -> KnownGap:
    cause, detail = str(value["cause"]), str(value.get("detail", ""))
    if cause not in CAUSES:
        cause, detail = "unknown", f"{cause}: {detail}"
    symbols = frozenset(str(symbol) for symbol in value["symbols"])
    printable = "".join(letter if letter.isprintable() else " " for letter in detail[:DETAIL_LIMIT])
    return KnownGap(str(value["gap_id"]), run_id, symbols, _ns(value["from_ns"]), cause, printable, position)


def _ns(value: object) -> int:
    if type(value) is not int or abs(value) >= 2**63:
        raise TypeError("not a number of nanoseconds")
    return value
