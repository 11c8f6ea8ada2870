"""Rules for symbols resolved from the rows of the broker's masters."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from harvester.base.errors import ConfigError
from harvester.brokers.fyers.successors import SERIES
from harvester.brokers.fyers.symbols import Listing
from harvester.config.rules import IndexList, SymbolRule

OPTIONS = ("CE", "PE")
SHARE = "0"
"""Instrument type of shares; those of indices are others."""


def resolve_rule(
    rule: SymbolRule,
    rows: Iterable[Listing],
    prices: Mapping[str, Decimal],
    now_ns: int,
    listed: IndexList | None = None,
) -> list[str]:
    """The tickers that a rule stands for, in order of expiry, strike and name.

    `rows` are of NSE's masters of shares and derivatives, `prices` the last close by fyToken, `listed` the members of
    the rule's index. Raises ConfigError where there is none.
    """
    rows = list(rows)
    if listed:
        shares = _shares_by_isin(rows)
        found = [shares[isin] for isin in listed.members if isin in shares]
    elif rule.stocks:
        found = _with_futures(rows, now_ns)
    else:
        wanted = [row for row in rows if row.root == rule.underlying and _is_contract(row, rule, now_ns)]
        expiries = sorted({row.expires_ns for row in wanted if row.expires_ns})[: rule.expiries]
        wanted = [row for row in wanted if row.expires_ns in expiries]
        found = wanted if rule.steps is None else _around_the_money(wanted, rule.steps, prices)
    if not found:
        raise ConfigError(f"symbols: nothing is listed for the rule {rule.words}.")
    ordered = sorted(found, key=lambda row: (row.expires_ns or 0, row.strike or Decimal(0), row.ticker))
    return list(dict.fromkeys(row.ticker for row in ordered))


def explain_absent(rows: Sequence[Listing], listed: IndexList) -> dict[str, str]:
    """Of each member of an index that no row has the ISIN of, a sentence by the ticker that it was listed with."""
    absent: dict[str, str] = {}
    shares = _shares_by_isin(rows)
    for isin, name in listed.members.items():
        if isin in shares:
            continue
        ticker = f"NSE:{name}"
        other = next((row.isin for row in rows if row.ticker == ticker), "")
        besides = f"; it has {ticker} with another, {other}" if other else ""
        absent[ticker] = (
            f"{ticker} is a member of {listed.index} by the list of {listed.date}, and the broker's symbol master has"
            f" no share with its ISIN {isin}{besides}. ./inv index-update '{listed.index}' fetches the list of today"
        )
    return absent


def _shares_by_isin(rows: Iterable[Listing]) -> dict[str, Listing]:
    """The share with each ISIN, in the series in which it is traded in full, where it has several."""
    order = {series: number for number, series in enumerate(SERIES)}
    listed = [row for row in rows if row.isin]
    best_last = sorted(listed, key=lambda row: order.get(row.ticker.rpartition("-")[2], len(order)), reverse=True)
    return {row.isin: row for row in best_last}


def concerns(rule: SymbolRule, listed: IndexList | None, row: Listing) -> bool:
    """Whether resolving the rule takes the row; most of 100,000 it does not."""
    if rule.index:
        return row.kind == SHARE or (listed is not None and row.isin in listed.members)
    if rule.underlying:
        return row.root == rule.underlying
    return row.kind == SHARE or (row.expires_ns is not None and row.option not in OPTIONS)


def _is_contract(row: Listing, rule: SymbolRule, now_ns: int) -> bool:
    is_option = row.option in OPTIONS
    return row.expires_ns is not None and row.expires_ns > now_ns and is_option == (rule.steps is not None)


def _with_futures(rows: Sequence[Listing], now_ns: int) -> list[Listing]:
    underlyings = {
        row.underlying
        for row in rows
        if row.expires_ns and row.expires_ns > now_ns and row.option not in OPTIONS and row.underlying != row.fy_token
    }
    return [row for row in rows if row.fy_token in underlyings and row.kind == SHARE]


def _around_the_money(rows: Sequence[Listing], steps: int, prices: Mapping[str, Decimal]) -> list[Listing]:
    """Of each expiry, the strikes next to the underlying's last close."""
    chosen: list[Listing] = []
    for expires_ns in {row.expires_ns for row in rows}:
        chain = [row for row in rows if row.expires_ns == expires_ns and row.strike is not None]
        price = next((prices[row.underlying] for row in chain if row.underlying in prices), None)
        if price is None:
            raise ConfigError(
                f"symbols: the last price of {rows[0].root} is not in the broker's master, so the strike at the money"
                " cannot be told. It is tried again before the next opening."
            )
        strikes = sorted({row.strike for row in chain if row.strike is not None})
        at = min(range(len(strikes)), key=lambda number: abs(strikes[number] - price))
        near = set(strikes[max(0, at - steps) : at + steps + 1])
        chosen += [row for row in chain if row.strike in near]
    return chosen
