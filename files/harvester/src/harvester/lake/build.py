"""Building one day: from its segments to the files of the lake, each read back and compared."""

from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from harvester.base.clock import to_ist
from harvester.base.errors import HarvesterError
from harvester.lake.archive import Form, archive_segment
from harvester.lake.balance import check_day
from harvester.lake.certificate import Json, certify_day, encode_certificate
from harvester.lake.events import Events, read_events
from harvester.lake.gaps import in_order, read_gaps, write_gaps
from harvester.lake.layout import CERTIFICATE, GAPS, RAW, Partition
from harvester.lake.manifest import FileEntry, describe_file
from harvester.lake.placing import place, temporary_for
from harvester.lake.segments import DayIndex
from harvester.lake.slots import Grid, Window, build_grid
from harvester.lake.streams import SOCKETS
from harvester.lake.writing import write_tables

GAPS_NAME, CERTIFICATE_NAME = "gaps.parquet", "certificate.json"


@dataclass(frozen=True)
class Expectation:
    """What a day should have had, apart from what its journal says: from settings and calendar."""

    symbols: tuple[str, ...]
    windows: tuple[Window, ...]
    interval_ns: int | None
    """From one poll of a symbol to the next; None when no polls are scheduled."""
    grace_ns: int
    """How long a poll may take until its answer is in the journal."""
    sockets: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Symbols that the sockets should bring, by number of the feed."""


@dataclass(frozen=True)
class Day:
    """A day's journal, interpreted."""

    partition: Partition
    index: DayIndex
    events: Events
    grid: Grid
    symbols: tuple[str, ...]
    """Those polled."""
    sockets: dict[int, tuple[str, ...]]
    """Those of each socket, expected or served."""


def read_day(partition: Partition, index: DayIndex, expectation: Expectation) -> Day:
    """Put an index and an expectation together. Symbols are those expected and those recorded."""
    events = read_events(index)
    recorded = [window for window in events.windows if _date_of(window.open_ns) == partition.date]
    grid = build_grid(recorded, expectation.windows, expectation.interval_ns, events.pollings)
    symbols = {*expectation.symbols, *index.symbols, *(name for run in events.runs for name in run.symbols)}
    sockets = {
        feed: tuple(sorted({*expectation.sockets.get(feed, ()), *events.links.symbols(feed), *_in_gaps(events, feed)}))
        for feed in SOCKETS
    }
    return Day(partition, index, events, grid, tuple(sorted(symbols)), sockets)


def _in_gaps(events: Events, feed: int) -> set[str]:
    return {symbol for gap in events.gaps if gap.feed == feed for symbol in gap.symbols}


def _date_of(wall_ns: int) -> date | None:
    try:
        return to_ist(wall_ns).date()
    except (OverflowError, ValueError, OSError):
        return None


def build_day(lake: Path, day: Day, expectation: Expectation, release: str, form: Form) -> tuple[list[FileEntry], Json]:
    """Archive, decode, account, certify: the entries of all files, and the certificate. The caller holds the lake.

    Raises HarvesterError when something read back is not what was written, or when the accounts do not balance.
    """
    partition = day.partition
    archived = _archive(lake, day, form)
    written = write_tables(lake, day, expectation.grace_ns)
    temporary = temporary_for(lake, partition, GAPS, GAPS_NAME)
    rows = write_gaps(written.gaps, temporary)
    ledger = describe_file(lake, place(temporary, GAPS_NAME), rows)
    if read_gaps(lake / ledger.path) != in_order(written.gaps):
        raise HarvesterError(f"{lake / ledger.path}: reading the file back gives other gaps than were written.")
    files = [*written.files, ledger, *archived]
    certificate = certify_day(
        partition,
        release,
        day.grid,
        written.symbols,
        written.streams,
        day.index,
        day.events,
        [asdict(entry) for entry in files],
    )
    _check_balance(lake, certificate, files)
    temporary = temporary_for(lake, partition, CERTIFICATE, CERTIFICATE_NAME)
    temporary.write_bytes(encode_certificate(certificate))
    placed = place(temporary, CERTIFICATE_NAME)
    return [*files, describe_file(lake, placed, len(written.symbols))], certificate


def _archive(lake: Path, day: Day, form: Form) -> list[FileEntry]:
    directory = lake / day.partition.path(RAW)
    return [
        describe_file(lake, archive_segment(source, directory, form), source.records)
        for source in day.index.sources
        if not source.is_open
    ]


def _check_balance(lake: Path, certificate: Json, files: list[FileEntry]) -> None:
    flaws = check_day(lake, certificate, files)
    if flaws:
        raise HarvesterError(
            f"{certificate['date']}: data and gaps are not what was expected: {'; '.join(flaws[:5])}. The day is not"
            " closed, and the journal keeps everything; report this as a defect, with the journal of the day."
        )
