"""Which host of a fleet records which symbol: even shares by a stable rule, so that a new host takes only its own."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from harvester.base.errors import ConfigError
from harvester.base.validation import Refused, validate
from harvester.config.rules import IndexList, SymbolRule

Entry = TypeVar("Entry", str, Mapping[str, Any])


def share_of(symbols: Sequence[Entry], host: str, fleet: Sequence[str]) -> list[Entry]:
    """The symbols of `host`, in their order. Each falls to exactly one host, and no host has two more than another.

    A rule counts as the most symbols that it can stand for, by its own words alone: the same today and tomorrow. It
    falls to one host as a whole. `fleet` is in the order in which its hosts were added. A host added at the end takes
    its share from the others, and moves nothing between them; taking it away again undoes that. A symbol more or less
    moves few others, at most one to each host. A host outside the fleet records everything. Raises ConfigError where a
    host would be left without any.
    """
    if host not in fleet:
        return list(symbols)
    if len(fleet) > len(symbols):
        raise ConfigError(
            f"The fleet has {len(fleet)} hosts and {len(symbols)} symbols, so hosts would have nothing to record. Lower"
            f" harvester_count to {len(symbols)}, or add symbols."
        )
    names = [each if isinstance(each, str) else json.dumps(each, sort_keys=True) for each in symbols]
    mine = _deal(tuple(zip(names, map(size_of, symbols), strict=True)), tuple(fleet))[fleet.index(host)]
    return [symbol for symbol, name in zip(symbols, names, strict=True) if name in mine]


def size_of(entry: str | Mapping[str, Any], lists: Iterable[IndexList] = ()) -> int:
    """How many symbols an entry stands for at most. One that is no rule counts as one: the application refuses it."""
    if isinstance(entry, str):
        return 1
    try:
        return validate(SymbolRule, dict(entry)).at_most(lists)
    except Refused:
        return 1


def largest_share(symbols: Sequence[Any], fleet: Sequence[str], lists: Sequence[IndexList]) -> int:
    """How many symbols the host with most of them records at most; of all symbols where no host would be without."""
    hosts = fleet if fleet and len(fleet) <= len(symbols) else ["alone"]
    return max(sum(size_of(each, lists) for each in share_of(symbols, host, hosts)) for host in hosts)


@lru_cache(maxsize=8)
def _deal(symbols: tuple[tuple[str, int], ...], fleet: tuple[str, ...]) -> list[frozenset[str]]:
    """The symbols of each host. Each host in turn takes, from whoever has most then, what it is drawn to most.

    It takes what leaves the giver with no less than it has itself then, so that nobody is left without any.
    """
    sizes = dict(symbols)
    shares = [set(sizes)]
    for host in fleet[1:]:
        draws = {symbol: _draw(symbol, host) for symbol in sizes}
        offers = [sorted(share, key=draws.__getitem__) for share in shares]
        loads, taken, load = [sum(map(sizes.__getitem__, offer)) for offer in offers], set[str](), 0
        while found := _best_offer(offers, loads, load, sizes, draws):
            giver, symbol = found
            offers[giver].remove(symbol)
            taken.add(symbol)
            loads[giver] -= sizes[symbol]
            load += sizes[symbol]
        shares = [set(offer) for offer in offers] + [taken]
    return [frozenset(share) for share in shares]


def _best_offer(
    offers: Sequence[Sequence[str]],
    loads: Sequence[int],
    load: int,
    sizes: Mapping[str, int],
    draws: Mapping[str, bytes],
) -> tuple[int, str] | None:
    """The giver with most that can give, and what of it the new host, which has `load` so far, is drawn to most."""
    for most in sorted(set(loads), reverse=True):
        givers = (number for number, each in enumerate(loads) if each == most)
        fitting = (
            next(((number, symbol) for symbol in reversed(offers[number]) if load + 2 * sizes[symbol] <= most), None)
            for number in givers
        )
        if found := [each for each in fitting if each]:
            return max(found, key=lambda each: draws[each[1]])
    return None


def _draw(symbol: str, host: str) -> bytes:
    """How much a host is drawn to a symbol; the same on every machine and in every version."""
    return hashlib.sha256(f"{host}\n{symbol}".encode()).digest()
