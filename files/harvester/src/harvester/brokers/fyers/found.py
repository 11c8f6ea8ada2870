"""Which symbols some masters list, and what became of the others."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from harvester.base.errors import ConfigError
from harvester.brokers.fyers.masters import KeptMasters, MasterFile
from harvester.brokers.fyers.successors import Lost, explain, explain_other, is_same_issuer
from harvester.brokers.fyers.symbols import Listing


class FoundSymbols(NamedTuple):
    """What the broker's masters say of some symbols."""

    listings: dict[str, Listing]
    """Of each symbol that is listed and whose prices can be stored, in the order asked for."""
    lost: dict[str, Lost]
    """Of each other symbol."""
    index_names: dict[str, str]
    """What the data socket calls each index; empty when there is no index among the symbols."""
    remarks: list[str]
    """What is odd about the masters themselves, a sentence each."""
    underlyings: frozenset[str] = frozenset()
    """Names that have derivatives; empty when no cash symbol was asked for, or nobody could say."""


def find_symbols(symbols: Iterable[str], masters: Iterable[MasterFile], kept: KeptMasters, today: date) -> FoundSymbols:
    """Look the symbols up in these masters, with what is kept of earlier ones. Raises OSError."""
    symbols, masters = list(symbols), list(masters)
    wanted = set(symbols)
    listed = {row.ticker: row for master in masters for row in master.rows() if row.ticker in wanted}
    lost = {
        symbol: Lost(f"{symbol} has a tick of {row.tick} rupee, finer than a paisa, and the lake stores whole paise")
        for symbol, row in listed.items()
        if row.is_too_fine
    }
    before = kept.last_of({name for name, row in listed.items() if row.isin}, before=today)
    others = {name: was for name, was in before.items() if not is_same_issuer(was.listing, listed[name])}
    isins = {was.listing.isin for was in others.values()} - {""}
    rows = [row for master in masters for row in master.rows() if row.isin in isins] if isins else []
    remarks = [remark for name, was in others.items() if (remark := explain_other(was, listed[name], rows))]
    if gone := wanted - listed.keys():
        last = kept.last_of(gone)
        ids = {each for was in last.values() for each in (was.listing.fy_token, was.listing.isin) if each}
        rows = [row for master in masters for row in master.rows() if ids & {row.fy_token, row.isin}]
        lost |= {symbol: explain(symbol, last.get(symbol), today, rows) for symbol in sorted(gone)}
    return FoundSymbols(
        {name: listed[name] for name in symbols if name in listed and name not in lost}, lost, {}, remarks
    )


def require_none(lost: dict[str, Lost]) -> None:
    """Raise ConfigError when symbols cannot be recorded: a sentence for each."""
    if lost:
        sentences = ". ".join(each.sentence for each in lost.values())
        raise ConfigError(f"symbols: {sentences}. Correct the list.")
