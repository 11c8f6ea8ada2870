"""What was known of a symbol at given moments: point in time, never through a gap.

A row counts at a moment when it had been received by then, inside the phase that the moment lies in, when no later
row of its feed had been received, and when its feed has had no gap since. Of several feeds the row that was received
last counts. The order of rows is that of receipt; a row that a clock set back has overtaken counts from the time of
the later one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from harvester.lake.layout import QUOTES
from harvester.reader.arrays import NONE, flags, floats, integers, places
from harvester.reader.days import Day, Table
from harvester.reader.errors import DamagedFileError
from harvester.reader.fields import AGE, OF_BOOK, OF_QUOTE, OFI, Book, Field, Floats, order_flow
from harvester.reader.rows import of_symbol

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Gaps = Mapping[str, tuple[Ints, Ints]]
"""By feed, begins and ends of a symbol's gaps, wall ns, by begin."""
NS_PER_MS = 1e6
ORDER = ("run_id", "seq", "entry")
_SIDES = ("bid_px", "bid_qty", "ask_px", "ask_qty")


class Recorded(NamedTuple):
    """The rows of a symbol on a day in the order of receipt, as arrays."""

    received: Ints
    feeds: list[str]
    feed: Ints
    """Of each row its place in `feeds`."""
    valid: Flags
    values: dict[str, Floats]
    book: Book

    def of_feed(self, number: int) -> tuple[Ints, "Recorded"]:
        """The places of the feed's rows, and these rows."""
        places = np.flatnonzero(self.feed == number)
        if len(places) == len(self.feed):
            return places, self
        values = {name: values[places] for name, values in self.values.items()}
        book = self.book.take(places)
        return places, Recorded(self.received[places], self.feeds, self.feed[places], self.valid[places], values, book)


class Moments(NamedTuple):
    """Moments, ascending, wall ns; for each the opening of its phase, and the moment before (`every_ns` earlier)."""

    times: Ints
    opens: Ints
    every_ns: int


def load(day: Day, symbol: str, logical: str, fields: Sequence[Field]) -> Recorded:
    """Read what these fields need. Raises ReaderError."""
    levels = max(field.number for field in fields)
    names = [field.name for field in fields if field.name in OF_QUOTE]
    sides = [] if logical == QUOTES or all(field.name == AGE for field in fields) else list(_SIDES)
    feeds = day.feeds_of(symbol)
    pieces = [
        _arrays(rows, table, {"feed": feeds, "run_id": day.runs}, [*names, *sides], levels)
        for table in day.require(logical)
        for rows in _rows(table, symbol, [*names, *sides])
    ]
    if not pieces:
        none = np.zeros((0, 0))
        return Recorded(np.zeros(0, np.int64), [], np.zeros(0, np.int64), np.zeros(0, np.bool_), {}, Book(*[none] * 4))
    joined = pieces[0]
    if len(pieces) > 1:
        joined = {key: np.concatenate([piece[key] for piece in pieces]) for key in pieces[0]}
        order = np.lexsort((joined["entry"], joined["seq"], joined["run_id"]))
        joined = {key: values[order] for key, values in joined.items()}
    none = np.zeros((len(joined["seq"]), 0))
    book = Book(*(joined.get(side, none) for side in _SIDES))
    values = {name: joined[name] for name in names}
    return Recorded(joined["ts_recv"], feeds, joined["feed"], joined["valid"], values, book)


def look(recorded: Recorded, moments: Moments, gaps: Gaps, fields: Sequence[Field]) -> tuple[Floats, Flags]:
    """Values of each field, [moments, fields], NaN where not known or not defined; and whether a row was known."""
    values = np.full((len(moments.times), len(fields)), np.nan)
    best = np.full(len(moments.times), -1, np.int64)
    for number, name in enumerate(recorded.feeds):
        own, rows = recorded.of_feed(number)
        if not len(own):
            continue
        begins, ends = gaps.get(name, (np.zeros(0, np.int64), np.zeros(0, np.int64)))
        last = _last(rows.received, moments.times)
        known = (last >= 0) & _is_known(rows, last, moments.times, moments.opens, begins, ends)
        place = np.where(known, own[last], -1)
        chosen = np.flatnonzero(place > best)
        best[chosen] = place[chosen]
        part = Moments(moments.times[chosen], moments.opens[chosen], moments.every_ns)
        values[chosen] = np.column_stack([*_fields(rows, last[chosen], part, (begins, ends), fields)])
    return values, best >= 0


def _last(received: Ints, times: Ints) -> Ints:
    """The place of the last row, in the order of receipt, that had been received; -1 before the first."""
    latest = np.minimum.accumulate(received[::-1])[::-1]
    return np.searchsorted(latest, times, side="right") - 1


def _is_known(rows: Recorded, last: Ints, times: Ints, opens: Ints, begins: Ints, ends: Ints) -> Flags:
    received = rows.received[last]
    known: Flags = (received >= opens) & rows.valid[last] & ~_are_lost(received, times, begins, ends)
    return known


def _are_lost(received: Ints, times: Ints, begins: Ints, ends: Ints) -> Flags:
    """Whether a gap that began by the moment ended after the receipt."""
    reach = np.maximum.accumulate(np.append(np.iinfo(np.int64).min, ends))
    lost: Flags = reach[np.searchsorted(begins, times, side="right")] > received
    return lost


def _fields(
    rows: Recorded, last: Ints, moments: Moments, gaps: tuple[Ints, Ints], fields: Sequence[Field]
) -> Iterator[Floats]:
    book = rows.book.take(last)
    since = None
    for field in fields:
        if field.name in OF_QUOTE:
            yield rows.values[field.name][last]
        elif field.name == AGE:
            yield (moments.times - rows.received[last]) / NS_PER_MS
        elif field.name in OF_BOOK:
            with np.errstate(divide="ignore", invalid="ignore"):
                yield OF_BOOK[field.name](book, field.number)
        else:
            since = _since(rows, last, moments, gaps) if since is None else since
            yield _sum(rows, since, last, field)


def _since(rows: Recorded, now: Ints, moments: Moments, gaps: tuple[Ints, Ints]) -> Ints:
    """The place of the row known at the moment before; -1 where none was, or a gap or invalid row came since."""
    earlier = moments.times - moments.every_ns
    last = _last(rows.received, earlier)
    received = rows.received[last]
    whole = (last >= 0) & (earlier >= moments.opens) & (received >= moments.opens) & rows.valid[last]
    whole &= ~_are_lost(received, moments.times, *gaps)
    broken = np.cumsum(~rows.valid)
    return np.where(whole & (broken[now] == broken[last]), last, -1)


def _sum(rows: Recorded, since: Ints, last: Ints, field: Field) -> Floats:
    if field.name == OFI:
        total = np.cumsum(order_flow(rows.book, field.number))
    else:
        total = np.arange(len(rows.received), dtype=np.float64)
    return np.where(since >= 0, total[last] - total[since], np.nan)


def _rows(table: Table, symbol: str, names: Sequence[str]) -> Iterator[pa.Table]:
    """All stored rows of a symbol at once."""
    columns = table.source.columns
    wanted = {columns[name].name for name in (*names, "ts_recv", "feed", "valid", *ORDER) if name in columns}
    groups = table.groups(symbol)
    if groups:
        with table.day.readable(table.path):
            rows = table.file.read_row_groups(groups, [*wanted, "symbol"])
        rows = of_symbol(rows, table, symbol)
        if len(rows):
            yield rows


def _arrays(
    rows: pa.Table, table: Table, words: Mapping[str, Sequence[str]], names: Sequence[str], levels: int
) -> dict[str, NDArray[Any]]:
    """Logical columns as arrays, prices in rupees; of `words` the place of each among those that there are."""
    stored = table.source.columns

    def column(name: str) -> Any:
        return rows.column(stored[name].name)

    found: dict[str, NDArray[Any]] = {name: integers(column(name)) for name in ("ts_recv", "seq", "entry")}
    for name, known in words.items():
        found[name] = places(column(name), known)
        if NONE in found[name]:
            raise DamagedFileError(
                f"{table.day.place.address}/{table.path} has a {name} that the certificate of {table.day.date} does not"
                " name, so its rows have no order.",
                "Pull both again, or read the day where it was recorded.",
            )
    found["valid"] = np.ones(len(rows), np.bool_)
    if "valid" in stored:
        found["valid"] = flags(column("valid")) ^ (stored["valid"].form == "inverted")
    for name in names:
        if name not in stored:
            found[name] = np.full(len(rows), np.nan)
            continue
        if pa.types.is_list(column(name).type):
            array = floats(pc.list_flatten(column(name))).reshape(len(rows), -1)[:, :levels]
        else:
            array = floats(column(name))
        found[name] = array / table.scales[name] if name in table.scales else array
    return found
