"""The bars of a day and their counts: of the lake where the day is closed, else of the journal, as a close has them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import MARKETS, Market
from harvester.calendar import TradingCalendar
from harvester.calendar.bars import bar_day
from harvester.calendar.trading import Session
from harvester.config.settings import Settings
from harvester.journal.format import day_directory
from harvester.lake.candles import DayCandles
from harvester.lake.close import expect_day
from harvester.lake.columns import PAISE
from harvester.lake.day.earlier import find_earlier
from harvester.lake.day.model import Day, read_day
from harvester.lake.day.quarantine import find_kept
from harvester.lake.day.segments import find_sources, read_index
from harvester.lake.layout import CANDLES, CERTIFICATE, RAW, Partition
from harvester.lake.manifest import SELF, Manifest, load_manifest, read_removals
from harvester.lake.schema import CANDLES_TABLE, table_of_market
from harvester.lake.tables.parquet import read_columns
from harvester.lake.tables.poll_rows import Spool
from harvester.price_feed.layout import FeedBar, say_resolution

_BAR = [CANDLES_TABLE.at(name) for name in ("ts_begin", f"open{PAISE}", f"close{PAISE}", "volume", "ts_recv")]
_BAR[1:3] = range(_BAR[1], _BAR[2] + 1)
"""Places of a FeedBar's values in the table candles, whose prices have other names in each market."""
LATE_NS = 60 * NS_PER_SECOND
"""For answers that come late."""
SymbolBars = tuple[str, list[FeedBar]]


class FeedDay(Protocol):
    """A day's bars, symbol by symbol; the counts are complete after the last."""

    seal: str

    @property
    def market(self) -> Market:
        """Whose prices the bars have."""
        ...

    @property
    def left_out(self) -> str:
        """Why it cannot be read, where that is no fault."""
        ...

    @property
    def files(self) -> int:
        """How many files of journal or lake it is read from."""
        ...

    @property
    def resolution(self) -> str: ...

    def bars(self) -> Iterator[SymbolBars]: ...

    def counts(self) -> dict[str, int]: ...


def count_section(section: Mapping[str, Any]) -> dict[str, int]:
    """Sums over the symbols of a certificate's section of candles."""
    entries = section["symbols"].values()
    expected = sum(entry["expected"] for entry in entries)
    return {
        "expected": expected,
        "missing": expected - sum(entry["recorded"] for entry in entries),
        "rejected": sum(sum(entry["rejected"].values()) for entry in entries),
        "revised": sum(entry["revised"] for entry in entries),
    }


@dataclass
class ClosedDay:
    """A day of the lake."""

    lake: Path
    partition: Partition
    manifest: Manifest
    seal: str
    section: dict[str, Any]

    @property
    def market(self) -> Market:
        return MARKETS[self.manifest.market]

    @property
    def paths(self) -> list[Path]:
        return [self.lake / entry.path for entry in self.manifest.find(CANDLES)]

    @property
    def left_out(self) -> str:
        removed = {entry.path for entry in read_removals(self.lake, self.partition)}
        gone = [path for path in self.paths if not path.exists() and path.relative_to(self.lake).as_posix() in removed]
        return f"{gone[0]} was cleaned up before it was delivered" if gone else ""

    @property
    def files(self) -> int:
        return len(self.paths)

    @property
    def resolution(self) -> str:
        return say_resolution(self.section["resolution_ns"] // NS_PER_SECOND)

    def bars(self) -> Iterator[SymbolBars]:
        for symbol, rows in groupby(self._rows(), lambda row: row[0]):
            in_force: dict[int, tuple[int, FeedBar]] = {}
            for _, revision, bar in rows:
                if revision >= in_force.get(bar.begin_ns, (0, bar))[0]:
                    in_force[bar.begin_ns] = revision, bar
            yield symbol, [in_force[begin][1] for begin in sorted(in_force)]

    def _rows(self) -> Iterator[tuple[str, int, FeedBar]]:
        table = table_of_market(CANDLES, self.market)
        names = ["symbol", "revision", *(table.columns[place].name for place in _BAR)]
        for batch in read_columns(self.paths, CANDLES, names):
            columns = (batch.column(name).to_pylist() for name in names)
            for symbol, revision, *bar in zip(*columns, strict=True):
                yield symbol, revision, FeedBar(*bar)

    def counts(self) -> dict[str, int]:
        return count_section(self.section)


@dataclass
class OpenDay:
    """A day that is not closed, with what its journal has so far."""

    day: Day
    market: Market
    seal: str
    spool: Spool
    section: dict[str, Any] = field(default_factory=dict)
    left_out: str = ""

    @property
    def files(self) -> int:
        return len(self.day.index.sources)

    @property
    def resolution(self) -> str:
        return say_resolution(self.day.candles.width_ns // NS_PER_SECOND)

    def bars(self) -> Iterator[SymbolBars]:
        run_ids = dict.fromkeys(source.run_id for source in self.day.index.sources)
        with self.spool as spool:
            candles = DayCandles(self.day, spool, {run_id: number for number, run_id in enumerate(run_ids)})
            for symbol in sorted(candles.symbols):
                matrix, _ = candles.read(symbol)
                in_force = {int(row[0]): FeedBar(*map(int, row)) for row in matrix[_BAR].T}
                yield symbol, list(in_force.values())
            self.section = candles.certify()

    def counts(self) -> dict[str, int]:
        return count_section(self.section)


@dataclass(frozen=True)
class Source:
    """Where a host's days come from; `work` is a folder for unpacked segments."""

    settings: Settings
    calendar: TradingCalendar
    work: Path

    @property
    def host(self) -> str:
        return self.settings.host_id

    def open(self, day: Partition) -> FeedDay:
        """Raises HarvesterError where nothing of the day is here, or it cannot be read."""
        lake = self.settings.lake_dir
        manifest = load_manifest(lake, day)
        if manifest is None:
            return self._open_journal(day)
        [entry] = manifest.find(CERTIFICATE)
        try:
            certificate = json.loads((lake / entry.path).read_bytes())
            seal = str(json.loads((lake / day.manifest).read_bytes())[SELF])
        except OSError as error:
            raise HarvesterError(
                f"{error.filename}: it cannot be read ({error.strerror}); correct its owner and mode."
            ) from error
        none = {"resolution_ns": self.settings.candles.width_ns, "symbols": {}}
        return ClosedDay(lake, day, manifest, seal, certificate.get("candles") or none)

    def has(self, day: Partition) -> bool:
        """Whether anything of the day is here."""
        lake = self.settings.lake_dir
        return (lake / day.manifest).exists() or any(day_directory(self.settings.journal_dir, day.date).glob("*"))

    def explain_nothing(self, day: Partition) -> str:
        """Why there can be nothing to deliver of a day; empty where there may be something.

        Raises HarvesterError where nobody knows, as with a clock that is years off.
        """
        if self.settles_ns(day) or self.has(day):
            return ""
        calendar = self.calendar
        if calendar.knows(day.date):
            return "there is no session"
        known = f"{calendar.valid_from} to {calendar.valid_until}"
        raise HarvesterError(
            f"{day.date}: nothing of that day is here, and whether it had a session is unknown: the calendar's facts"
            f" are of {known}. Name another --date, or set this host's clock right."
        )

    def _open_journal(self, day: Partition) -> OpenDay:
        journal, lake = self.settings.journal_dir, self.settings.lake_dir
        sources = find_sources(day_directory(journal, day.date), lake / day.path(RAW))
        if not sources:
            raise HarvesterError(f"{day.date}: nothing of that day is recorded on this host. Name another --date.")
        sizes = [(source.name, source.path.stat().st_size) for source in sources]
        index = read_index(sources)
        expectation = expect_day(self.settings, self.calendar, day.date)
        earlier = find_earlier(journal, lake, day, index)
        read = read_day(day, index, expectation, earlier, find_kept(journal, day.date))
        seal = f"journal {hashlib.sha256(repr(sizes).encode()).hexdigest()[:16]}"
        return OpenDay(read, MARKETS[self.settings.market], seal, Spool(self.work))

    def settles_ns(self, day: Partition) -> int:
        """From when on the day's bars are settled, and the requests that settle them are over; 0: it has no bars."""
        expectation = expect_day(self.settings, self.calendar, day.date)
        candles, settings = expectation.candles, self.settings
        sessions = [Session(day.date, "", phases) for phases in expectation.phases.values()]
        days = [bar_day(each, candles.width_ns, candles.recorded_phases, candles.final_after_ns) for each in sessions]
        settles_ns = max((each.settles_ns for each in days), default=0)
        return settles_ns + len(candles.symbols) * settings.candle_spacing_ns() + LATE_NS if settles_ns else 0
