"""Names of instruments: any that fits one symbol alone, followed by the permanent identifier when it changes."""

from collections.abc import Sequence
from datetime import date

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
    """The tickers of an instrument on those of `days` that recorded it; `lake` is all there is, to follow renames.

    Raises UnknownSymbolError, or AmbiguousNameError where the name fits several instruments or hosts.
    """
    found = {day: tickers for day in days if (tickers := _matches(name, day))}
    _require_one(name, found)
    wanted = {day.identifiers[tickers[0]] for day, tickers in found.items() if tickers[0] in day.identifiers}
    if not found:
        wanted = _identifiers_elsewhere(name, days, lake)
    for day in days:
        if day not in found:
            same = [ticker for ticker, identifier in day.identifiers.items() if identifier in wanted]
            found |= {day: same[:1]} if same else {}
    if not found:
        raise _unknown(name, days, lake)
    return _choose_hosts(name, {day: found[day][0] for day in days if day in found}, host)


def _matches(name: str, day: Day) -> list[str]:
    """The tickers of a day that are called so, or whose identifier is that; the ticker itself alone if it is one."""
    if name in day.segments:
        return [name]
    asked = name.upper()
    by_name = [ticker for ticker in day.segments if asked in names_of(ticker)]
    return by_name or [ticker for ticker, identifier in day.identifiers.items() if asked in identifier]


def _require_one(name: str, found: dict[Day, list[str]]) -> None:
    instruments: dict[object, str] = {}
    for day, tickers in found.items():
        for ticker in tickers:
            instruments.setdefault(day.identifiers.get(ticker, ticker), ticker)
    if len(instruments) > 1:
        raise AmbiguousNameError(
            f"{name!r} fits {', '.join(sorted(instruments.values()))}. Give the whole name of the one you mean."
        )


def _identifiers_elsewhere(name: str, days: Sequence[Day], lake: Sequence[Day]) -> set[frozenset[str]]:
    """The identifiers that the name had on the nearest other day of the lake."""
    for day in sorted(lake, key=lambda each: abs((each.date - days[0].date).days)):
        matches = _matches(name, day)
        if matches:
            _require_one(name, {day: matches})
            return {day.identifiers[ticker] for ticker in matches if ticker in day.identifiers}
    return set()


def _unknown(name: str, days: Sequence[Day], lake: Sequence[Day]) -> UnknownSymbolError:
    elsewhere = sorted({day.date for day in lake if _matches(name, day)})
    asked = say(sorted({day.date for day in days}))
    if elsewhere:
        return UnknownSymbolError(f"{name!r} was not recorded on {asked}. This lake has it on {say(elsewhere)}.")
    return UnknownSymbolError(
        f"{name!r} is no symbol that this lake has on any day. lake.symbols({str(days[0].date)!r}) lists those of a"
        " day, written as the broker does, such as NSE:SBIN-EQ."
    )


def _choose_hosts(name: str, found: Found, host: str | None) -> Found:
    if host is not None:
        chosen = {day: ticker for day, ticker in found.items() if day.host == host}
        if not chosen:
            hosts = sorted({day.host for day in found})
            raise UnknownSymbolError(f"{name!r} was not recorded by host {host!r}, but by {', '.join(hosts)}.")
        return chosen
    by_date: dict[date, list[str]] = {}
    for day in found:
        by_date.setdefault(day.date, []).append(day.host)
    for day_date, hosts in by_date.items():
        if len(hosts) > 1:
            raise AmbiguousNameError(
                f"{name!r} was recorded by several hosts on {day_date}: {', '.join(sorted(hosts))}. Name one with"
                " host=."
            )
    return found
