"""Runs that went on past midnight: what their segments of the days before say of connections that are still open.

What a frame means rests on its connection: on its connect record, its snapshots and all updates since. Where frames
of a day come before any connect record of their stream, the segments of the days before are read back to that record.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from harvester.base.errors import HarvesterError
from harvester.journal.format import day_directory
from harvester.lake.day.controls import ControlRecord
from harvester.lake.day.segments import DayIndex, Source, find_sources, read_index
from harvester.lake.layout import RAW, Partition
from harvester.lake.manifest import load_manifest

LOOK_BACK_DAYS = 31


@dataclass
class Earlier:
    """By run: segments of earlier days, oldest first, and what is known of the run's numbers."""

    sources: dict[str, list[Source]] = field(default_factory=dict)
    """Those to be read before the day's own, so that its frames can be decoded."""
    controls: dict[str, list[ControlRecord]] = field(default_factory=dict)
    """Their control records, in order."""
    begun: dict[str, int | None] = field(default_factory=dict)
    """Last number of the runs that began before; None where their segments are not here, but were closed here."""


def find_earlier(journal: Path, lake: Path, partition: Partition, index: DayIndex) -> Earlier:
    """What earlier days have of the runs of a day. Raises HarvesterError for a segment that cannot be read."""
    earlier = Earlier()
    firsts: dict[str, Source] = {}
    for source in index.sources:
        if source.numbers.first:
            before = firsts.setdefault(source.run_id, source)
            if before.numbers.first and source.numbers.first.seq < before.numbers.first.seq:
                firsts[source.run_id] = source
    for run_id, source in firsts.items():
        if source.numbers.first and source.numbers.first.seq > 1:
            _read_back(earlier, run_id, source, (journal, lake, partition), {*index.unconnected.get(run_id, ())})
    return earlier


def _read_back(
    earlier: Earlier, run_id: str, first: Source, place: tuple[Path, Path, Partition], wanted: set[tuple[int, int]]
) -> None:
    """Read segments of one run, the latest first, until every wanted (feed, stream) has its connect record."""
    process, has_open = first.name.partition("-")[2], bool(wanted)
    begins: list[tuple[Source, Iterable[ControlRecord]]] = []
    for source in _before(process, *place):
        if source is None:
            earlier.begun.setdefault(run_id, None)
            break
        read = read_index([source])
        if source.run_id != run_id:
            break
        if source.numbers.last and earlier.begun.get(run_id) is None:
            earlier.begun[run_id] = source.numbers.last.seq
        begins.insert(0, (source, read.controls))
        wanted -= set(_connected(read.controls))
        if not wanted or (source.numbers.first and source.numbers.first.seq == 1):
            break
    if begins and has_open:
        earlier.sources[run_id] = [source for source, _ in begins]
        earlier.controls[run_id] = [control for _, controls in begins for control in controls]


def _before(process: str, journal: Path, lake: Path, partition: Partition) -> Iterator[Source | None]:
    """Segments of a process on earlier days, the latest first; None: there were some, and they are not here."""
    for back in range(1, LOOK_BACK_DAYS + 1):
        day = Partition(partition.date - timedelta(days=back), partition.host)
        here = find_sources(day_directory(journal, day.date), lake / day.path(RAW))
        yield from (source for source in reversed(here) if source.name.partition("-")[2] == process)
        names = {source.name for source in here}
        if any(name not in names and name.partition("-")[2] == process for name in _closed(lake, day)):
            yield None


def _closed(lake: Path, partition: Partition) -> list[str]:
    """Names of the segments that went into a closed day."""
    try:
        manifest = load_manifest(lake, partition)
    except HarvesterError:
        return []
    return [segment.name for segment in manifest.segments] if manifest else []


def _connected(controls: Iterable[ControlRecord]) -> Iterator[tuple[int, int]]:
    for control in controls:
        value = control.value
        if value["type"] == "connect" and isinstance(value.get("feed"), int) and isinstance(value.get("stream"), int):
            yield value["feed"], value["stream"]
