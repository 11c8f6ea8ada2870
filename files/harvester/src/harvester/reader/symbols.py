"""Names of instruments: any that fits one symbol alone, followed by the permanent identifier when it changes."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from harvester.brokers.fyers.successors import ISSUER
from harvester.lake.layout import recorder_of
from harvester.reader.arguments import say
from harvester.reader.days import Day
from harvester.reader.errors import AmbiguousNameError, UnknownSymbolError

Found = dict[Day, str]
"""On each day of a host the ticker that an instrument had then."""


def names_of(ticker: str) -> set[str]:
    """What a ticker may be called: NSE:SBIN-EQ, SBIN-EQ or SBIN. Derivatives have no short form."""
    _, _, name = ticker.upper().rpartition(":")
    root, dash, _ = name.rpartition("-")
    return {ticker.upper(), name} | ({root} if dash and root else set())


def resolve(name: str, days: Sequence[Day], lake: Sequence[Day], host: str | None) -> Found:
    """The same as `find` of one host; raises AmbiguousNameError where several have the symbol and none is named."""
    return _choose_hosts(name, find(name, days, lake), host)


def find(name: str, days: Sequence[Day], lake: Sequence[Day]) -> Found:
    """The tickers of an instrument on those of `days` that recorded it; `lake` is all there is, to follow renames.

    Raises UnknownSymbolError, or AmbiguousNameError where the name fits several instruments.
    """
    found = {day: tickers for day in days if (tickers := _matches(name, day))}
    wanted = _require_one(name, found) or _find_elsewhere(name, days, lake)
    for day in days:
        if wanted and wanted.identifiers and day not in found:
            same = [ticker for ticker in day.identifiers if is_same(wanted, _instrument(day, ticker))]
            found |= {day: same[:1]} if same else {}
    if not found:
        raise _unknown(name, days, lake)
    return {day: found[day][0] for day in days if day in found}


def _matches(name: str, day: Day) -> list[str]:
    """The tickers of a day that are called so, or whose identifier is that; the ticker itself alone if it is one."""
    if name in day.segments:
        return [name]
    asked = name.upper()
    by_name = [ticker for ticker in day.segments if asked in names_of(ticker)]
    return by_name or [ticker for ticker, identifier in day.identifiers.items() if asked in identifier]


class Instrument(NamedTuple):
    """A ticker with its permanent identifiers on a day, fyToken and ISIN; none where the day has no symbol master."""

    ticker: str
    identifiers: frozenset[str]

    @property
    def exchange(self) -> str:
        return self.ticker.partition(":")[0]

    @property
    def issuers(self) -> set[str]:
        """Begin of its ISIN: a fyToken of a delisted company is given to another."""
        return {each[:ISSUER] for each in self.identifiers if not each.isdecimal()}


def _instrument(day: Day, ticker: str) -> Instrument:
    return Instrument(ticker, day.identifiers.get(ticker, frozenset()))


def is_same(one: Instrument, other: Instrument) -> bool:
    """Whether both are one: by an identifier on the same exchange, and not of two issuers; without any by ticker."""
    if not one.identifiers or not other.identifiers:
        return one.ticker == other.ticker
    if one.exchange != other.exchange or not one.identifiers & other.identifiers:
        return False
    return not one.issuers or not other.issuers or bool(one.issuers & other.issuers)


def _require_one(name: str, found: dict[Day, list[str]]) -> Instrument | None:
    """The one instrument that was found, with identifiers where a day has them; None where nothing was."""
    one: Instrument | None = None
    fits = {ticker for tickers in found.values() for ticker in tickers}
    for day, tickers in found.items():
        this = _instrument(day, tickers[0])
        if len(tickers) > 1 or (one and not is_same(one, this)):
            raise AmbiguousNameError(
                f"{name!r} fits {', '.join(sorted(fits))}. Give the whole name of the one you mean."
            )
        one = this if one is None or this.identifiers else one
    return one


def _find_elsewhere(name: str, days: Sequence[Day], lake: Sequence[Day]) -> Instrument | None:
    """What the name was on the nearest other day of the lake."""
    for day in sorted(lake, key=lambda each: abs((each.date - days[0].date).days)):
        if matches := _matches(name, day):
            return _require_one(name, {day: matches})
    return None


def _unknown(name: str, days: Sequence[Day], lake: Sequence[Day]) -> UnknownSymbolError:
    elsewhere = sorted({day.date for day in lake if _matches(name, day)})
    asked = say(sorted({day.date for day in days}))
    if elsewhere:
        return UnknownSymbolError(f"{name!r} was not recorded on {asked}. This lake has it on {say(elsewhere)}.")
    return UnknownSymbolError(
        f"{name!r} is no symbol that this lake has on any day.",
        f"lake.symbols({str(days[0].date)!r}) lists those of a day, written as the broker does, such as NSE:SBIN-EQ.",
    )


def _choose_hosts(name: str, found: Found, host: str | None) -> Found:
    if host is not None:
        chosen = {day: ticker for day, ticker in found.items() if recorder_of(day.host) == host}
        if not chosen:
            hosts = sorted({recorder_of(day.host) for day in found})
            raise UnknownSymbolError(f"{name!r} was not recorded by host {host!r}, but by {', '.join(hosts)}.")
        return chosen
    by_date: dict[date, set[str]] = {}
    for day in found:
        by_date.setdefault(day.date, set()).add(recorder_of(day.host))
    for day_date, several in by_date.items():
        if len(several) > 1:
            raise AmbiguousNameError(
                f"{name!r} was recorded by several hosts on {day_date}: {', '.join(sorted(several))}. Name one with"
                " host=."
            )
    return found
