"""A recorded day on disk: its segments, what was subscribed, and its records in order of receipt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import harvester.lake.publish.archive  # noqa: F401 makes archived segments of every form readable
from harvester.base.errors import ConfigError
from harvester.journal.format import (
    CONTROL,
    DATA,
    FYERS_HSM,
    FYERS_REST,
    FYERS_TBT,
    Record,
    decode_control,
    decode_poll,
)
from harvester.journal.reader import ARCHIVED, read_segment
from harvester.journal.segment import OPEN, SEALED

SOCKET_FEEDS = (FYERS_HSM, FYERS_TBT)
HTTP_OK = 200


class Event(NamedTuple):
    """A record at its place in the day: `due_ns` is the wall clock of its receipt, kept steady by the monotonic one."""

    due_ns: int
    record: Record
    symbol: str = ""
    """Of a REST answer."""
    control: Mapping[str, Any] | None = None


@dataclass
class Recording:
    """What a day holds, known from one reading of it."""

    paths: list[Path]
    first_ns: int = 0
    last_ns: int = 0
    frames: int = 0
    """Data records of the sockets."""
    topics: dict[str, str] = field(default_factory=dict)
    """Ticker of each topic of the data socket."""
    depth_symbols: set[str] = field(default_factory=set)
    """Tickers of the 50-level socket."""
    answers: dict[str, bytes] = field(default_factory=dict)
    """The first good /depth answer of each symbol."""

    @property
    def symbols(self) -> list[str]:
        """All tickers."""
        return sorted({*self.topics.values(), *self.depth_symbols, *self.answers})

    def events(self) -> Iterator[Event]:
        """All records in the order of their receipt. Raises JournalError."""
        last_ns = 0
        for event in _events(self.paths):
            last_ns = max(last_ns, event.due_ns)
            yield event._replace(due_ns=last_ns)


def open_recording(folder: Path, day: date) -> Recording:
    """Read the day once. `folder`: a data directory, journal, lake, or a directory of segments.

    Raises ConfigError when there is nothing to serve in it.
    """
    recording = Recording(find_segments(folder, day))
    for event in recording.events():
        _note(recording, event)
    if not recording.frames and not recording.answers:
        raise ConfigError(f"{folder}: the segments of {day} hold no data of any feed, so there is nothing to serve.")
    return recording


def find_segments(folder: Path, day: date) -> list[Path]:
    """The day's segments by time. Raises ConfigError when there are none, or of several hosts."""
    places = [
        *(folder / part / day.isoformat() for part in ("journal", "")),
        *(place for part in ("lake/raw", "raw") for place in sorted(folder.glob(f"{part}/date={day}/host=*"))),
        folder,
    ]
    found = [(place, segments) for place in places if (segments := _segments_in(place))]
    if not found:
        raise ConfigError(
            f"{folder}: no recorded segments of {day} were found. Name the data directory of a recorder, its journal,"
            " a lake, or a directory of *.seg files."
        )
    if len(found) > 1 and found[1][0] != folder:
        names = ", ".join(str(place) for place, _ in found)
        raise ConfigError(f"{folder}: {day} was recorded in several places ({names}). Name one of them.")
    return found[0][1]


def _segments_in(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    endings = (OPEN, SEALED, *(SEALED + form for form in ARCHIVED))
    found: dict[str, Path] = {}
    for path in sorted(place.iterdir()):
        if path.name.endswith(endings):
            found.setdefault(path.name.partition(".")[0], path)  # a segment in two forms is one
    return [found[name] for name in sorted(found)]


def _events(paths: list[Path]) -> Iterator[Event]:
    run, offset_ns, streams = None, 0, dict[int, str]()
    for path in paths:
        for record in read_segment(path):
            control = decode_control(record.payload) if record.kind == CONTROL else None
            if control and control["type"] == "segment":
                streams = {int(number): str(name) for number, name in dict(control.get("streams") or {}).items()}
                if control.get("run_id") != run:
                    run, offset_ns = control.get("run_id"), record.wall_ns - record.mono_ns
            symbol = streams.get(record.stream, "") if record.feed == FYERS_REST else ""
            yield Event(record.mono_ns + offset_ns, record, symbol, control)


def _note(recording: Recording, event: Event) -> None:
    record = event.record
    if event.control and event.control["type"] == "connect":
        if event.control.get("feed") == FYERS_HSM:
            recording.topics.update(event.control.get("topics") or {})
        elif event.control.get("feed") == FYERS_TBT:
            recording.depth_symbols.update(event.control.get("symbols") or [])
    if record.kind != DATA:
        return
    if record.feed in SOCKET_FEEDS:
        recording.frames += 1
    elif record.feed == FYERS_REST and event.symbol not in recording.answers:
        body = body_of(record)
        if body is not None:
            recording.answers[event.symbol] = body
    recording.first_ns = recording.first_ns or event.due_ns
    recording.last_ns = event.due_ns


def body_of(record: Record) -> bytes | None:
    """The answer in a REST record; None when the broker refused."""
    poll = decode_poll(record.payload)
    return poll.body if poll is not None and poll.status == HTTP_OK else None
