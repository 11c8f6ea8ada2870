"""Symbols named by what they are, such as the nearest futures of NIFTY: each morning the symbol master says which."""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from harvester.base.files import make_directory, replace_file
from harvester.base.validation import Model, Refused, validate
from harvester.calendar.segments import NSE_CASH, SegmentName

IndexName = Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9 &/.:%-]{0,59}\Z")]
Isin = Annotated[str, Meta(pattern=r"^[A-Z]{2}[A-Z0-9]{9}[0-9]\Z")]
FILE, AHEAD = "symbols.json", "symbols-ahead.json"
"""Beside the masters of a day: what the rules stood for then. And what a clock that was ahead had kept there."""
MOST_STOCKS = 300
"""More NSE shares than have futures: about 210 in 2025 (NSE's list of underlyings)."""
USUAL_MEMBERS = 50
"""Of an index whose name has no number and of which there is no list: sectors of NSE have 10 to 50 members."""
REVIEWS = ((4, 1), (10, 1))
"""Month and day from which NSE's half-yearly reviews of its indices count (NSE Indices, methodology)."""
MEMBERS = re.compile(r" ([0-9]{1,4})\Z")
"""How many members an index has by its name, such as NIFTY MIDCAP 150."""


class IndexList(Model, frozen=True):
    """The members of an index, as its publisher listed them: `./inv index-update` makes it of that list."""

    index: IndexName
    """Such as NIFTY 50."""
    date: date
    """When the list was fetched; it names no day itself."""
    source: str
    """Where it was fetched."""
    members: Annotated[dict[Isin, str], Meta(min_length=1, max_length=1000)]
    """Symbol and series by ISIN, such as RELIANCE-EQ; the ISIN decides."""


class SymbolRule(Model, frozen=True):
    """One entry of `symbols` that is no ticker: contracts on an underlying, shares of an index, or with contracts."""

    underlying: Annotated[str, Meta(pattern=r"^[A-Z0-9&_-]{1,40}\Z")] | None = None
    """Root of the contracts, such as NIFTY or BAJAJ-AUTO."""
    expiry: Annotated[str, Meta(pattern=r"^nearest [1-9][0-9]?\Z")] = "nearest 1"
    """How many expiries, the nearest first."""
    strikes: Annotated[str, Meta(pattern=r"^atm \+- [0-9]{1,3}\Z")] | None = None
    """Calls and puts of so many strikes on either side of the one at the money; default: futures."""
    stocks: Literal["with derivatives"] | None = None
    """All NSE shares that have futures, in place of an underlying."""
    index: IndexName | None = None
    """All members of an index of which `index_lists` has a list, in place of an underlying."""

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.underlying, self.stocks, self.index)) != 1:
            raise ValueError('a rule names one of its underlying, stocks: "with derivatives", and its index')
        if self.strikes and not self.underlying:
            raise ValueError("strikes belong to an underlying")

    @property
    def words(self) -> str:
        """The rule as it may be written."""
        written = {"underlying": self.underlying, "expiry": self.expiry, "strikes": self.strikes}
        if not self.underlying:
            written = {"stocks": self.stocks, "index": self.index}
        return ", ".join(f"{key}: {value}" for key, value in written.items() if value)

    @property
    def segment(self) -> SegmentName:
        """Of what it stands for."""
        return "nse_fo" if self.underlying else NSE_CASH

    @property
    def expiries(self) -> int:
        return int(self.expiry.rpartition(" ")[2])

    @property
    def steps(self) -> int | None:
        """Strikes on either side; None: futures."""
        return None if self.strikes is None else int(self.strikes.rpartition(" ")[2])

    def at_most(self, lists: Iterable[IndexList] = ()) -> int:
        """How many symbols it can stand for, whatever the masters list; of an index by its list, else by its name."""
        if self.stocks:
            return MOST_STOCKS
        if self.index:
            counts = [len(each.members) for each in lists if each.index == self.index]
            named = MEMBERS.search(self.index)
            return next(iter(counts), int(named[1]) if named else USUAL_MEMBERS)
        return self.expiries * (1 if self.steps is None else 2 * (2 * self.steps + 1))


def find_outdated(rules: Iterable[SymbolRule], lists: Iterable[IndexList], today: date) -> list[IndexList]:
    """The lists that rules go by and that are of before NSE's last review."""
    named = {rule.index for rule in rules}
    last = max(day for year in (today.year - 1, today.year) for at in REVIEWS if (day := date(year, *at)) <= today)
    return [each for each in lists if each.index in named and each.date < last]


def describe_outdated(lists: Iterable[IndexList]) -> str:
    """What is to be said of them; empty for none."""
    return "; ".join(f"the members of {each.index} are of {each.date}, before NSE's last review" for each in lists)


class Resolved(NamedTuple):
    """What rules stand for on a day."""

    day: str
    rules: list[dict[str, Any]]
    """Each rule as written, with its `symbols`; of an index the `date` of its list, and `absent` members: a sentence of
    each by its ticker."""

    @property
    def symbols(self) -> list[str]:
        return list(dict.fromkeys(symbol for rule in self.rules for symbol in rule["symbols"]))

    def entry_of(self, rule: SymbolRule) -> dict[str, Any] | None:
        """What is kept of a rule; None where it was not among the rules of that day."""
        for each in self.rules:
            with suppress(Refused):
                if validate(SymbolRule, each.get("rule")) == rule:
                    return each
        return None

    def symbols_of(self, rules: Iterable[SymbolRule]) -> list[str]:
        """What these rules stood for; nothing for one that was not among them."""
        entries = (entry for rule in rules if (entry := self.entry_of(rule)))
        return list(dict.fromkeys(symbol for entry in entries for symbol in entry["symbols"]))


def kept_symbols(masters: Path, day: str = "") -> list[str]:
    """What rules stood for when they were resolved last, up to `day`; nothing where they never were."""
    resolved = read_resolved(masters, day)
    return resolved.symbols if resolved else []


def keep_resolved(masters: Path, resolved: Resolved) -> None:
    """Keep what was resolved now. What lies under a later day is of a clock that was ahead, and counts no more.

    Raises OSError.
    """
    folder = masters / resolved.day
    make_directory(folder)
    replace_file(folder / FILE, json.dumps(resolved._asdict(), indent=1) + "\n", 0o640)
    for path in _kept(masters):
        if path.parent.name > resolved.day:
            path.replace(path.with_name(AHEAD))


def _kept(masters: Path) -> list[Path]:
    """What was resolved each day, the last day first."""
    return sorted(masters.glob(f"????-??-??/{FILE}"), reverse=True)


def split_rules(data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with tickers in `symbols` and rules, which people write among them, in `rules`."""
    symbols = data.get("symbols")
    if not isinstance(symbols, list) or not any(isinstance(each, dict) for each in symbols):
        return dict(data)
    rules = [each for each in symbols if isinstance(each, dict)]
    return {**data, "symbols": [each for each in symbols if not isinstance(each, dict)], "rules": rules}


def newest_kept(masters: Path) -> tuple[Path, int] | None:
    """The file that says what rules stand for, and when it was written (ns): another one after each look-up."""
    for path in _kept(masters):
        with suppress(FileNotFoundError):
            return path, path.stat().st_mtime_ns
    return None


def read_resolved(masters: Path, day: str = "") -> Resolved | None:
    """What was resolved last, on `day` (YYYY-MM-DD) or before; None where nothing was. Damaged files are passed."""
    for path in _kept(masters):
        if day and path.parent.name > day:
            continue
        try:
            resolved = Resolved(path.parent.name, list(json.loads(path.read_bytes())["rules"]))
            if all(isinstance(symbol, str) for symbol in resolved.symbols):
                return resolved
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
    return None
