"""Each bar in its tables as soon as it is over: a service that reads the journal on, and never gives up.

What was committed is remembered to send differences alone. After an error nothing of that counts: the day is read
again from the journal's begin, and the merge finds what the database has of it.
"""

import json
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replace_file
from harvester.base.market import MARKETS
from harvester.base.monitors import FileMonitor
from harvester.calendar import TradingCalendar
from harvester.config.deliveries import DeliverySettings
from harvester.config.hours import DayHours
from harvester.config.settings import Settings
from harvester.health.live_rows import PATIENCE_NS, STATE, LiveState
from harvester.journal.format import day_directory
from harvester.lake.layout import RAW, Partition
from harvester.live.bars import Change, LiveBars, Minute
from harvester.live.tail import JournalTail
from harvester.postgres.columns import Row, layout_of
from harvester.postgres.minutes import rows_of, tickers_of
from harvester.postgres.place import Database

LOOK_SECONDS = 0.25
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
"""Seconds before a failed delivery is tried again: doubled each time."""
PAUSE_TIMES = 5
"""The pause is so many times what the attempt took: reading a long day again must not take the recorder's processor."""
STATE_NS = 10 * NS_PER_SECOND
"""The state is written so often, and whenever something changed."""


@dataclass
class _Day:
    """What is known of the trading day that is delivered."""

    date: date
    hours: DayHours
    tail: JournalTail
    bars: LiveBars
    sent: dict[tuple[str, str], dict[datetime, int]] = field(default_factory=dict)
    """By table and symbol, begin and hash of each row that was committed: whole rows take four times as much."""
    bars_sent: "dict[str, array[int]]" = field(default_factory=dict)
    """By symbol, the hash of each bar whose rows were committed, in their order."""

    def look(self) -> list[Change]:
        """Take in what was written since; the symbols of which some came. Raises OSError."""
        taken = (change for source, record in self.tail.records() for change in self.bars.take(source, record))
        return [*{change.symbol: change for change in taken}.values()]


class LiveDelivery:
    """Brings the bars of today; `open_database` opens the place anew, by the DSN that is stored then."""

    def __init__(
        self,
        settings: Settings,
        delivery: DeliverySettings,
        calendar: Callable[[], TradingCalendar],
        open_database: Callable[[], Database],
        clock: Clock,
    ) -> None:
        self._settings, self._calendar, self._clock = settings, calendar, clock
        self._calendar_file = FileMonitor(settings.calendar.file)
        self._open_database = open_database
        self._layouts = [(table.rows, layout_of(table).full_name) for table in delivery.row_tables]
        self._tickers = tickers_of(settings.symbols_of(settings.history))
        self._units = MARKETS[settings.market].units
        self._database: Database | None = None
        self._day: _Day | None = None
        self.state = LiveState(started_at_ns=clock.wall_ns())

    def turn(self, today: date) -> int:
        """Bring what came since the last turn; how many rows were new or another. Raises HarvesterError."""
        is_new_calendar = self._calendar_file.has_changed()
        if self._day is None or today != self._day.date or is_new_calendar:
            self._day = None  # where the calendar is refused, the next turn reads it again
            self._day = self._begin(today)
        try:
            changes = [change for change in self._day.look() if change.symbol in self._tickers]
        except OSError as error:
            raise HarvesterError(
                f"{error.filename}: the journal cannot be read ({error.strerror}). Correct its owner and mode."
            ) from error
        return self._deliver(self._day, changes)

    def forget(self) -> None:
        """After an error: nothing counts but the journal and the database."""
        self._day = None
        if self._database:
            self._database.close()
            self._database = None

    def _begin(self, today: date) -> _Day:
        settings, partition = self._settings, Partition(today, self._settings.host_id)
        tail = JournalTail(day_directory(settings.journal_dir, today), settings.lake_dir / partition.path(RAW))
        hours = DayHours(settings, self._calendar(), today)
        if self.state.date != str(today):
            self.state.date, self.state.watermark = str(today), {}
        return _Day(today, hours, tail, LiveBars(hours.of, settings.candles.width_ns))

    def _deliver(self, day: _Day, changes: list[Change]) -> int:
        fresh = {(table, change.symbol): rows for change in changes for table, rows in self._fresh(day, change.symbol)}
        if not any(fresh.values()):
            return 0
        if self._database is None:
            self._database = self._open_database()
        by_table: dict[str, list[Row]] = {}
        for (table, _), rows in fresh.items():
            by_table.setdefault(table, []).extend(rows)
        merged = self._database.merge(by_table)
        for place, rows in fresh.items():
            day.sent.setdefault(place, {}).update((row[1], hash(row)) for row in rows)
        for symbol, _ in changes:
            day.bars_sent[symbol] = array("q", map(hash, day.bars.bars(symbol)))
        self._note(changes, fresh, self._database.home)
        return sum(each.inserted + each.updated for each in merged.values())

    def _fresh(self, day: _Day, symbol: str) -> Iterator[tuple[str, list[Row]]]:
        """By table, the rows of a symbol that were not committed, or were otherwise."""
        bars = day.bars.bars(symbol)
        first = _same(day.bars_sent.get(symbol, ()), bars)
        made = rows_of(self._tickers[symbol], bars, day.hours.in_session(symbol), self._units, first)
        for kind, table in self._layouts:
            sent = day.sent.get((table, symbol), {})
            yield table, [row for row in made[kind] if sent.get(row[1]) != hash(row)]

    def _note(self, changes: list[Change], fresh: Mapping[tuple[str, str], list[Row]], home: str) -> None:
        state, now_ns, first = self.state, self._clock.wall_ns(), self._layouts[0][1]
        for symbol, recv_ns in changes:
            if rows := fresh[first, symbol]:
                ticker = self._tickers[symbol]
                state.fetched[ticker] = state.fetched.get(ticker, 0) + len(rows)
                newest = max(row[1].isoformat() for row in rows)
                state.watermark[ticker] = max(newest, state.watermark.get(ticker, ""))
                state.latency_ms[ticker] = (now_ns - recv_ns) // NS_PER_MS
        state.home = home


def _same(sent: Sequence[int], bars: Sequence[Minute]) -> int:
    """How many bars from the first on are as they were when their rows were committed."""
    pairs = enumerate(zip(sent, bars, strict=False))
    return next((place for place, (known, bar) in pairs if known != hash(bar)), min(len(sent), len(bars)))


class Keeper:
    """Keeps the service at work: turns, writes down what became of it, and has people told of what lasts."""

    def __init__(self, delivery: LiveDelivery, folder: Path, clock: Clock, tell: Callable[[str], None]) -> None:
        """`tell` hands in what people must hear of; an empty text when it is over."""
        self._delivery, self._folder, self._clock, self._tell = delivery, folder, clock, tell
        self._pause, self._written_ns = FIRST_PAUSE, 0
        self._is_told = False

    def turn(self, today: date) -> float:
        """One turn, which raises nothing; the seconds until the next."""
        problem, changed, wait, began_ns = "", 0, LOOK_SECONDS, self._clock.mono_ns()
        try:
            changed = self._delivery.turn(today)
            self._pause = FIRST_PAUSE
        except HarvesterError as error:
            self._delivery.forget()
            spent = (self._clock.mono_ns() - began_ns) / NS_PER_SECOND
            problem, wait = str(error), max(self._pause, PAUSE_TIMES * spent)
            self._pause = min(LAST_PAUSE, 2 * self._pause)
        self._note(problem, changed)
        return wait

    def _note(self, problem: str, changed: int) -> None:
        state, now_ns = self._delivery.state, self._clock.wall_ns()
        # Moments of before the clock was set back are none that lie ahead.
        state.failing_since_ns = min(state.failing_since_ns or now_ns, now_ns) if problem else 0
        if problem and problem != state.problem:
            print(problem, file=sys.stderr, flush=True)
        is_new, state.problem, state.looked_at_ns = problem != state.problem, problem, now_ns
        lasts = bool(problem) and now_ns - state.failing_since_ns >= PATIENCE_NS
        if lasts != self._is_told and (lasts or not problem):
            self._tell(problem)
            self._is_told = lasts
        if changed or is_new or not 0 <= now_ns - self._written_ns < STATE_NS:
            self._write(state)
            self._written_ns = now_ns

    def _write(self, state: LiveState) -> None:
        """Rows go on where the state cannot be written; whoever reads it finds an old one."""
        try:
            make_directory(self._folder)
            replace_file(self._folder / STATE, json.dumps(asdict(state), indent=1) + "\n", 0o640)
        except OSError as error:
            print(f"{self._folder / STATE}: cannot be written ({error.strerror}).", file=sys.stderr, flush=True)
