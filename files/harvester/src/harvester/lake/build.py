"""Building one day: from its segments to the files of the lake, each read back and compared."""

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from harvester.clock import to_ist
from harvester.errors import HarvesterError
from harvester.lake.archive import archive_segment
from harvester.lake.certificate import Json, certify_day, certify_symbol, check_ledger, encode_certificate
from harvester.lake.depth import DepthWriter, check_written
from harvester.lake.events import Events, read_events
from harvester.lake.gaps import GapRow, Ledger, read_gaps, write_gaps
from harvester.lake.layout import CERTIFICATE, DEPTH, GAPS, RAW, Partition
from harvester.lake.manifest import FileEntry, describe_file
from harvester.lake.placing import place, temporary_for
from harvester.lake.segments import DayIndex, Spool, read_in_order
from harvester.lake.slots import Grid, Window, build_grid

DEPTH_NAME, GAPS_NAME, CERTIFICATE_NAME = "depth.parquet", "gaps.parquet", "certificate.json"


@dataclass(frozen=True)
class Expectation:
    """What a day should have had, apart from what its journal says: from settings and calendar."""

    symbols: tuple[str, ...]
    windows: tuple[Window, ...]
    interval_ns: int
    grace_ns: int
    """How long a poll may take until its answer is in the journal."""


@dataclass(frozen=True)
class Day:
    """A day's journal, interpreted."""

    partition: Partition
    index: DayIndex
    events: Events
    grid: Grid
    symbols: tuple[str, ...]


def read_day(partition: Partition, index: DayIndex, expectation: Expectation) -> Day:
    """Put an index and an expectation together. Symbols are those expected and those recorded."""
    events = read_events(index)
    recorded = [window for window in events.windows if _date_of(window.open_ns) == partition.date]
    grid = build_grid(recorded, expectation.windows, expectation.interval_ns)
    symbols = {*expectation.symbols, *index.symbols, *(name for run in events.runs for name in run.symbols)}
    return Day(partition, index, events, grid, tuple(sorted(symbols)))


def _date_of(wall_ns: int) -> date | None:
    try:
        return to_ist(wall_ns).date()
    except (OverflowError, ValueError, OSError):
        return None


def build_day(lake: Path, day: Day, expectation: Expectation, release: str) -> tuple[list[FileEntry], Json]:
    """Archive, decode, account, certify: the entries of all files, and the certificate. The caller holds the lake.

    Raises HarvesterError when something read back is not what was written, or when the accounts do not balance.
    """
    partition = day.partition
    archived = _archive(lake, day)
    depth, symbols, gaps = _write_depth(lake, day, expectation)
    temporary = temporary_for(lake, partition, GAPS, GAPS_NAME)
    rows = write_gaps(gaps, temporary)
    ledger = describe_file(lake, place(temporary, GAPS_NAME), rows)
    if read_gaps(lake / ledger.path) != sorted(gaps):
        raise HarvesterError(f"{lake / ledger.path}: reading the file back gives other gaps than were written.")
    files = [depth, ledger, *archived]
    certificate = certify_day(
        partition, release, day.grid, symbols, day.index, day.events, [asdict(entry) for entry in files]
    )
    _check_balance(certificate, lake / depth.path, lake / ledger.path)
    temporary = temporary_for(lake, partition, CERTIFICATE, CERTIFICATE_NAME)
    temporary.write_bytes(encode_certificate(certificate))
    placed = place(temporary, CERTIFICATE_NAME)
    return [*files, describe_file(lake, placed, len(symbols))], certificate


def _archive(lake: Path, day: Day) -> list[FileEntry]:
    directory = lake / day.partition.path(RAW)
    return [
        describe_file(lake, archive_segment(source, directory), source.records)
        for source in day.index.sources
        if not source.is_open
    ]


def _write_depth(lake: Path, day: Day, expectation: Expectation) -> tuple[FileEntry, dict[str, Json], list[GapRow]]:
    temporary = temporary_for(lake, day.partition, DEPTH, DEPTH_NAME)
    ledger = Ledger(day.grid, day.events, expectation.grace_ns)
    slots = set(day.grid.slots)
    symbols: dict[str, Json] = {}
    gaps: list[GapRow] = []
    with Spool(temporary.with_name(".spool")) as spool, DepthWriter(temporary) as writer:
        for symbol in day.symbols:
            data = writer.add_symbol(symbol, read_in_order(day.index, symbol, spool))
            missing = ledger.rows(symbol, slots & set(data.sched_ns), data.bad)
            symbols[symbol] = certify_symbol(data, missing, day.grid)
            gaps += missing
    check_written(temporary, writer.rows, writer.digest.hexdigest())
    return describe_file(lake, place(temporary, DEPTH_NAME), writer.rows), symbols, gaps


def _check_balance(certificate: Json, depth: Path, gaps: Path) -> None:
    flaws = check_ledger(certificate, depth, gaps)
    if flaws:
        raise HarvesterError(
            f"{depth.parent}: data and gaps are not what was expected: {'; '.join(flaws[:5])}. The day is not closed,"
            " and the journal keeps everything; report this as a defect, with the journal of the day."
        )
