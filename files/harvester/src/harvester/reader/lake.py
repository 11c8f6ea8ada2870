"""A lake that is open for questions."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, Unpack

from harvester.base.market import Market, to_local
from harvester.lake.layout import BARS, CANDLES, DEPTH, DEPTH50, INDICES, QUOTES, TRADES
from harvester.reader.arguments import DaysAsked, Range, When, parse_every, parse_range, parse_zone, say, to_date
from harvester.reader.convert import Look, Prices, parse_prices
from harvester.reader.days import Day
from harvester.reader.errors import OutsideError, QuestionError
from harvester.reader.facts import read_instruments, read_sessions
from harvester.reader.history import HistoryDay
from harvester.reader.ledger import read_gaps
from harvester.reader.place import Place
from harvester.reader.result import Answer, Held, free_memory
from harvester.reader.rows import Part, Rows
from harvester.reader.sessions import ALL, CONTINUOUS, Asked, parse_session, spans_of
from harvester.reader.symbols import Found, resolve

if TYPE_CHECKING:
    from harvester.reader.grid import Grid

Symbols = str | Sequence[str]
BOOKS = {5: DEPTH, 50: DEPTH50}


class Options(TypedDict, total=False):
    """What most questions take besides symbols and days; see Lake."""

    since: When
    until: When
    session: Asked
    prices: Literal["rupees", "decimal", "paise"]
    tz: str
    host: str
    origin: bool


class Chosen(NamedTuple):
    """What a question says, or leaves out."""

    days: DaysAsked = None
    since: When | None = None
    until: When | None = None
    session: Asked = CONTINUOUS
    prices: str = "rupees"
    tz: str | None = None
    host: str | None = None
    origin: bool = False


class Lake:
    """The closed days under one address. A question reads what it needs, when its answer is used.

    Questions take `days` (one or several dates), or `since` and `until` (dates, the last one included; or moments, the
    last one excluded); without any of them all days. `session` is "continuous", "auction", "all" (with what came
    outside every window), or names of phases; `prices` is "rupees" (float64), "decimal" or "paise"; `tz` the zone of
    all times; `host` one of several that recorded a symbol; `origin=True` adds where each row is in the journal. All
    raise ReaderError.
    """

    def __init__(self, place: Place, memory_bytes: int | None) -> None:
        self.place = place
        self._memory_bytes = memory_bytes
        partitions = place.partitions()
        self._all = [Day(place, partition) for partition in partitions if not partition.is_history]
        self._history = [HistoryDay(place, partition) for partition in partitions if partition.is_history]

    def __repr__(self) -> str:
        if self.place.so_far_ns is not None:
            until = to_local(self.place.so_far_ns, self._all[0].market)
            return f"<so far {self.place.address}: {say(self.days())} until {until:%H:%M:%S}>"
        return f"<lake {self.place.address}: {say(self.days())}>"

    @cached_property
    def _dates(self) -> list[date]:
        return sorted({day.date for day in self._all})

    def _markets(self, day: date) -> set[Market]:
        return {each.market for each in (*self._all, *self._history) if each.date == day}

    def history(self) -> list[Day]:
        """The days of which a backfill brought the broker's bars, each with a manifest and a certificate of its own."""
        return list(self._history)

    def days(self) -> list[date]:
        """The closed trading days, ascending."""
        return list(self._dates)

    def hosts(self, day: str | date) -> list[str]:
        """The hosts that recorded a day."""
        return [each.host for each in self.on(day)]

    def symbols(self, day: str | date) -> list[str]:
        """What was recorded on a day, as the broker wrote it then; of some no update may have come."""
        return sorted({symbol for each in self.on(day) for symbol in each.segments})

    def instruments(self, day: str | date, *, prices: Prices = "rupees", tz: str | None = None) -> Answer:
        """One row a recorded symbol: host, segment, feeds, and what the symbol master of that day says of it."""
        return self._answer(Held(read_instruments(self.on(day), parse_prices(prices), parse_zone(tz))))

    def sessions(self, day: str | date, *, tz: str | None = None) -> Answer:
        """The day's hours: a row for each phase of a segment, and for each recorded window."""
        return self._answer(Held(read_sessions(self.on(day), parse_zone(tz))))

    def depth(
        self,
        symbols: Symbols,
        days: DaysAsked = None,
        *,
        levels: int = 5,
        invalid: bool = False,
        **chosen: Unpack[Options],
    ) -> Answer:
        """Books: one row an update, the best `levels` of each side as bid_px_1 ... ask_ord_5; beyond five those of the
        50-level socket. An absent level has no price and 0 shares. `invalid`: with what may be no whole book, too.
        """
        if not isinstance(levels, int) or not 1 <= levels <= max(BOOKS):
            raise QuestionError(f"levels={levels!r} is no number of levels from 1 to {max(BOOKS)}.")
        logical = next(kind for most, kind in BOOKS.items() if levels <= most)
        rows = self._question(logical, symbols, Chosen(days, **chosen), levels)
        return self._answer(rows._replace(look=rows.look._replace(invalid=invalid)))

    def quotes(self, symbols: Symbols, days: DaysAsked = None, **chosen: Unpack[Options]) -> Answer:
        """Quotes: last trade, volume, day's prices, band; one row an update of any of them."""
        return self._rows(QUOTES, symbols, Chosen(days, **chosen))

    def trades(self, symbols: Symbols, days: DaysAsked = None, **chosen: Unpack[Options]) -> Answer:
        """Trades inferred from quotes; `kind` says what is known of the prints. Of schema 2 NotRecordedError."""
        return self._rows(TRADES, symbols, Chosen(days, **chosen))

    def indices(self, symbols: Symbols, days: DaysAsked = None, **chosen: Unpack[Options]) -> Answer:
        """Values of indices: one row an update."""
        return self._rows(INDICES, symbols, Chosen(days, **chosen))

    def bars(
        self,
        symbols: Symbols,
        days: DaysAsked = None,
        *,
        every: str | timedelta | None = None,
        source: Literal["ours", "broker"] = "ours",
        resolution: str | None = None,
        **chosen: Unpack[Options],
    ) -> Answer:
        """Bars, counted from the opening of the phase.

        "ours" are of quotes, of a minute where `every` is not said: prices, volume, updates, time in gaps. "broker" are
        the broker's own, of the days recorded and of those that a backfill brought: the last word on each, the number
        of its revision, and whether it is final. `resolution` is the broker's word ("5", "D", "W", "M"); without it
        they are as wide as they were recorded, else the finest that fit.
        """
        from harvester.reader import bars, candles

        options = Chosen(days, **chosen)
        every_ns = None if every is None else parse_every(every)
        if source == "broker":
            stored = self._question(CANDLES, symbols, options, 0, [*self._all, *self._history])
            return self._answer(candles.make(stored, every_ns, resolution))
        if source != "ours":
            raise QuestionError(f"source={source!r} is neither 'ours' nor 'broker'.")
        if resolution is not None:
            raise QuestionError("A resolution is the broker's word: ask with source='broker', or with every= for ours.")
        rows = self._question(BARS, symbols, options, 0)
        return self._answer(bars.make(rows, parse_every("1m") if every_ns is None else every_ns))

    def gaps(
        self,
        symbols: Symbols | None = None,
        days: DaysAsked = None,
        *,
        since: When | None = None,
        until: When | None = None,
        tz: str | None = None,
        host: str | None = None,
    ) -> Answer:
        """The ledger: one row for each stretch in which a symbol could not be seen, with its cause."""
        zone = parse_zone(tz)
        asked, among = self._range(days, since, until, tz)
        if symbols is None:
            wanted = [(day, None) for day in among if host in (None, day.host)]
            return self._answer(Held(read_gaps(wanted, asked, zone)))
        named: dict[Day, set[str]] = {}
        for found in self._resolve(symbols, among, host).values():
            for day, ticker in found.items():
                named.setdefault(day, set()).add(ticker)
        chosen = [(day, named[day]) for day in among if day in named]
        return self._answer(Held(read_gaps(chosen, asked, zone)))

    def grid(
        self,
        symbols: Symbols,
        since: When | None = None,
        until: When | None = None,
        *,
        every: str | timedelta,
        fields: str | Sequence[str],
        days: DaysAsked = None,
        session: Asked = CONTINUOUS,
        tz: str | None = None,
        host: str | None = None,
    ) -> "Grid":
        """Symbols x time, point in time, with a mask; see Grid. `fields`: see docs/reading.md, such as imbalance_5."""
        from harvester.reader import grid
        from harvester.reader.fields import parse_fields

        plan_fields, every_ns, zone = parse_fields(fields), parse_every(every), parse_zone(tz)
        asked, among = self._range(days, since, until, tz)
        phases = parse_session(session)
        parts = {
            name: [Part(day, ticker, spans_of(day, day.segments[ticker], phases)) for day, ticker in found.items()]
            for name, found in self._resolve(symbols, among, host).items()
        }
        plan = grid.Plan(parts, asked.begin_ns, asked.end_ns, every_ns, plan_fields, zone)
        return grid.make(plan, self._free())

    def _rows(self, logical: str, symbols: Symbols, chosen: Chosen) -> Answer:
        return self._answer(self._question(logical, symbols, chosen, 0))

    def _question(
        self, logical: str, symbols: Symbols, chosen: Chosen, levels: int, days: Sequence[Day] | None = None
    ) -> Rows:
        look = Look(logical, levels, parse_prices(chosen.prices), parse_zone(chosen.tz), chosen.origin)
        asked, among = self._range(chosen.days, chosen.since, chosen.until, chosen.tz, days)
        phases = parse_session(chosen.session)
        parts = [
            Part(day, ticker, None if phases == (ALL,) else spans_of(day, day.segments[ticker], phases))
            for found in self._resolve(symbols, among, chosen.host).values()
            for day, ticker in found.items()
        ]
        brought = {(part.day.date, part.symbol) for part in parts if part.day.partition.is_history}
        parts = [part for part in parts if (part.day.date, part.symbol) not in brought or part.day.tables(logical)]
        for day in {part.day for part in parts}:
            day.require(logical)
        return Rows(sorted(parts, key=lambda part: part.day.partition), look, asked.begin_ns, asked.end_ns)

    def _resolve(self, symbols: Symbols, among: Sequence[Day], host: str | None) -> dict[str, Found]:
        names = [symbols] if isinstance(symbols, str) else list(symbols)
        if not names or len({*names}) < len(names):
            raise QuestionError(f"symbols={symbols!r} must name at least one symbol, and each once.")
        return {name: resolve(name, among, self._all, host) for name in names}

    def _range(
        self,
        days: DaysAsked,
        since: When | None,
        until: When | None,
        tz: str | None,
        among: Sequence[Day] | None = None,
    ) -> tuple[Range, list[Day]]:
        """What is asked for, and the days of it; `among`: default: the closed days."""
        all_days = self._all if among is None else among
        asked = parse_range(sorted({day.date for day in all_days}), days, since, until, tz, self._markets)
        return asked, [day for day in all_days if day.date in asked.dates]

    def on(self, day: str | date) -> list[Day]:
        """The day as each host recorded it: manifest, certificate, tables."""
        wanted = to_date(day, self._dates, self._markets)
        found = [each for each in self._all if each.date == wanted]
        if not found:
            raise OutsideError(f"{wanted} is no day of this lake: it has {say(self._dates)}.")
        return found

    def _answer(self, pieces: Any) -> Answer:
        return Answer(pieces, self._free)

    def _free(self) -> int:
        return free_memory() if self._memory_bytes is None else self._memory_bytes


def open_lake(
    address: str | Path, *, filesystem: Any = None, memory_bytes: int | None = None, so_far: bool = False
) -> Lake:
    """A lake in a folder, such as pulled/lake, or in a bucket, such as s3://bucket/lake/.

    `filesystem` is a pyarrow.fs filesystem to use for the bucket; `memory_bytes` what an answer may take, otherwise a
    share of what is free. `so_far` opens a folder of `harvester so-far`, and no other: its day is not over, and no
    question takes it for a closed one. Raises NotALakeError, UnreachableLakeError.
    """
    return Lake(Place(address, filesystem, so_far=so_far), memory_bytes)
