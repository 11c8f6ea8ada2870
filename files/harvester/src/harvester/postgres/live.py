"""Each bar in its tables as soon as it is over: a service that reads the journal on, and never gives up.

What was committed is remembered to send differences alone. After an error nothing of that counts: the day is read
again from the journal's begin, and the merge finds what the database has of it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError
from harvester.base.files import make_directory, replace_file
from harvester.calendar import TradingCalendar
from harvester.config.deliveries import DeliverySettings
from harvester.config.settings import Settings
from harvester.journal.format import day_directory
from harvester.lake.layout import RAW, Partition
from harvester.postgres.columns import Row, layout_of
from harvester.postgres.hours import DayHours
from harvester.postgres.minutes import rows_of, tickers_of
from harvester.postgres.place import Database
from harvester.postgres.tail import Change, JournalTail, LiveBars

LOOK_SECONDS = 0.25
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
"""Seconds before a failed delivery is tried again: doubled each time."""
STATE = "live.json"
STATE_NS = 10 * NS_PER_SECOND
"""The state is written so often, and whenever something changed."""


@dataclass
class LiveState:
    """What the live delivery says of itself: a receipt of what was committed, and what is in its way."""

    date: str = ""
    home: str = ""
    watermark: dict[str, str] = field(default_factory=dict)
    """The begin of the newest bar that was committed today, by ticker."""
    committed_at_ns: int = 0
    latency_ms: dict[str, int] = field(default_factory=dict)
    """From the receipt of the broker's answer to the commit, of the last that brought something, by ticker."""
    fetched: dict[str, int] = field(default_factory=dict)
    """Rows of bars that were committed since the start of the service, by ticker."""
    failures: int = 0
    """Attempts that failed since the last that did not."""
    problem: str = ""
    started_at_ns: int = 0
    looked_at_ns: int = 0


@dataclass
class _Day:
    """What is known of the trading day that is delivered."""

    date: date
    hours: DayHours
    bars: LiveBars
    sent: dict[tuple[str, str], dict[datetime, int]] = field(default_factory=dict)
    """By table and symbol, begin and hash of each row that was committed: whole rows take four times as much."""


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
        self._open_database = open_database
        self._layouts = [(table.rows, layout_of(table).full_name) for table in delivery.row_tables]
        self._tickers = tickers_of(settings.symbols_of("fyers-history"))
        self._database: Database | None = None
        self._day: _Day | None = None
        self.state = LiveState(started_at_ns=clock.wall_ns())

    def turn(self, today: date) -> int:
        """Bring what came since the last turn; how many rows were new or another. Raises HarvesterError."""
        if self._day is None or today != self._day.date:
            self._day = self._begin(today)
        try:
            changes = [change for change in self._day.bars.look() if change.symbol in self._tickers]
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
        return _Day(today, hours, LiveBars(tail, hours, settings.candles.width_ns))

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
        self._note(changes, fresh, self._database.home)
        return sum(each.inserted + each.updated for each in merged.values())

    def _fresh(self, day: _Day, symbol: str) -> Iterator[tuple[str, list[Row]]]:
        """By table, the rows of a symbol that were not committed, or were otherwise."""
        made = rows_of(self._tickers[symbol], day.bars.bars(symbol), day.hours.in_session(symbol))
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
        state.home, state.committed_at_ns = home, now_ns


def run_live(
    delivery: LiveDelivery,
    folder: Path,
    *,
    today: Callable[[], date],
    clock: Clock,
    is_stopped: Callable[[float], bool],
    tell: Callable[[str], None],
) -> None:
    """Turn until `is_stopped(seconds)`, which waits that long, says so. What fails is told once, and tried again."""
    pause, state, written_ns, told = FIRST_PAUSE, delivery.state, 0, ""
    is_over = False
    while not is_over:
        wait, problem, changed = LOOK_SECONDS, "", 0
        try:
            changed = delivery.turn(today())
        except HarvesterError as error:
            delivery.forget()
            problem, wait, pause = str(error), pause, min(LAST_PAUSE, 2 * pause)
        else:
            pause = FIRST_PAUSE
        state.failures = state.failures + 1 if problem else 0
        is_new, state.problem, state.looked_at_ns = problem != state.problem, problem, clock.wall_ns()
        if changed or is_new or state.looked_at_ns - written_ns > STATE_NS:
            problem, written_ns = write_state(folder, state) or problem, state.looked_at_ns
        if problem and problem != told:
            tell(problem)
        told = problem
        is_over = is_stopped(wait)


def write_state(folder: Path, state: LiveState) -> str:
    """Write down what the delivery says of itself; why that cannot be done, in words. Rows go on without it."""
    path = folder / STATE
    try:
        make_directory(folder)
        replace_file(path, json.dumps(asdict(state), indent=1) + "\n", 0o640)
    except OSError as error:
        return f"{path}: cannot be written ({error.strerror}). Make room, or correct the owner of the folder."
    return ""


def read_state(folder: Path) -> LiveState | None:
    """What the live delivery wrote last; None where it has not, or where it cannot be read."""
    try:
        return LiveState(**json.loads((folder / STATE).read_bytes()))
    except (OSError, TypeError, ValueError):
        return None
