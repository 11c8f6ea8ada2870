"""What became of a symbol that is no longer listed: followed by fyToken and ISIN, never by how names are spelt."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from harvester.base.market import to_local
from harvester.brokers.fyers.symbols import Listing

ISSUER = 7
"""Leading characters of an ISIN that name the issuer: country, kind, four of the company. The rest is the security."""
SERIES = ("EQ", "BE", "BZ", "SM", "ST")
"""Of rows with one ISIN: trading in full, trade-for-trade, its surveillance form, and those two of small companies."""


class Lost(NamedTuple):
    """A symbol that cannot be recorded: one sentence why, and the ticker that it has now, if there is one."""

    sentence: str
    successor: str | None = None


class Last(NamedTuple):
    """A symbol as it was listed last, and the day of that master."""

    listing: Listing
    day: date


def explain(symbol: str, last: Last | None, today: date, listed: Iterable[Listing]) -> Lost:
    """What to say of `symbol`, which none of today's masters lists; `listed` are all rows of its exchange."""
    missing = f"{symbol} is not in the broker's symbol master of {today}"
    if last is None:
        return Lost(
            f"{missing}, nor in an earlier one that is kept here: check its spelling at the broker. No successor is"
            " known, because a name alone does not tell one"
        )
    old = last.listing
    if old.has_expired(today) and old.expires_ns:
        return Lost(f"{missing}: the contract expired on {to_local(old.expires_ns):%Y-%m-%d}. It has no successor")
    found = find_successor(old, listed)
    if found is None:
        identity = f"neither its fyToken {old.fy_token} nor its ISIN {old.isin} is"
        if not old.isin:
            identity = f"its fyToken {old.fy_token} is not"
        return Lost(
            f"{missing}; it was last listed on {last.day}, and {identity} listed now: delisted, or replaced by another"
            " security. It has no successor"
        )
    sentence = f"{missing}: {_reason(old, found)} after {last.day}. Its successor is {found.ticker} ({found.name})"
    return Lost(sentence, found.ticker)


def explain_other(last: Last, now: Listing, listed: Iterable[Listing]) -> str:
    """What to say of a ticker that another company has now; empty where it is the company that it was."""
    old = last.listing
    if not old.isin or not now.isin or is_same_issuer(old, now):
        return ""
    found = find_successor(old, listed)
    became = f"that one is {found.ticker} ({found.name}) now" if found else "that one is not listed now"
    return (
        f"{now.ticker} is another company's since {last.day}: its ISIN is {now.isin} ({now.name}) and was {old.isin}"
        f" ({old.name}); {became}. Correct symbols in the inventory if you mean the one that it was"
    )


def find_successor(old: Listing, listed: Iterable[Listing]) -> Listing | None:
    """The row with the fyToken of `old` and its issuer, else the one with its ISIN on its exchange, else None."""
    by_isin: list[Listing] = []
    for row in listed:
        if row.ticker == old.ticker or row.exchange != old.exchange:
            continue
        if row.fy_token == old.fy_token and is_same_issuer(old, row):
            return row
        if old.isin and row.isin == old.isin:
            by_isin.append(row)
    return min(by_isin, key=_rank, default=None)


def is_same_issuer(old: Listing, row: Listing) -> bool:
    """A number of a delisted company is given to another; a split of shares changes the end of an ISIN alone."""
    return old.isin[:ISSUER] == row.isin[:ISSUER]


def _rank(row: Listing) -> tuple[int, str]:
    series = row.ticker.rpartition("-")[2]
    return (SERIES.index(series) if series in SERIES else len(SERIES), row.ticker)


def _reason(old: Listing, new: Listing) -> str:
    (stem, _, series), (new_stem, _, new_series) = old.ticker.rpartition("-"), new.ticker.rpartition("-")
    same = [f"fyToken {old.fy_token}"] if old.fy_token == new.fy_token else []
    same += [f"ISIN {old.isin}"] if old.isin and old.isin == new.isin else []
    what = f"moved from series {series} to {new_series}" if stem and stem == new_stem else "renamed"
    return f"{what} (the same {' and '.join(same)})"
