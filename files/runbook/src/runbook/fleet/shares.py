"""Which host of a fleet records which symbol: even shares by a stable rule, so that a new host takes only its own."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from harvester.base.errors import ConfigError

Entry = TypeVar("Entry", str, Mapping[str, Any])


def share_of(symbols: Sequence[Entry], host: str, fleet: Sequence[str]) -> list[Entry]:
    """The symbols of `host`, in their order. Each falls to exactly one host, and no host has two more than another.

    A rule counts as one symbol. `fleet` is in the order in which its hosts were added. A host added at the end takes
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
    names = tuple(each if isinstance(each, str) else json.dumps(each, sort_keys=True) for each in symbols)
    mine = _deal(names, tuple(fleet))[fleet.index(host)]
    return [symbol for symbol, name in zip(symbols, names, strict=True) if name in mine]


@lru_cache(maxsize=8)
def _deal(symbols: tuple[str, ...], fleet: tuple[str, ...]) -> list[frozenset[str]]:
    """The symbols of each host. Each host in turn takes, from whoever has most then, what it is drawn to most."""
    shares = [set(symbols)]
    for number, host in enumerate(fleet[1:], start=2):
        weights = {symbol: _weight(symbol, host) for symbol in symbols}
        offers = [sorted(share, key=weights.__getitem__) for share in shares]
        taken = []
        for _ in range(len(symbols) // number):
            most = max(map(len, offers))
            giver = max((offer for offer in offers if len(offer) == most), key=lambda offer: weights[offer[-1]])
            taken.append(giver.pop())
        shares = [set(offer) for offer in offers] + [set(taken)]
    return [frozenset(share) for share in shares]


def _weight(symbol: str, host: str) -> bytes:
    """How much a host is drawn to a symbol; the same on every machine and in every version."""
    return hashlib.sha256(f"{host}\n{symbol}".encode()).digest()
