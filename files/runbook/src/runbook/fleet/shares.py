"""Which host of a fleet records which symbol: rendezvous hashing, so that a new host takes only its own share."""

import hashlib
from collections.abc import Sequence


def share_of(symbols: Sequence[str], host: str, fleet: Sequence[str]) -> list[str]:
    """The symbols of `host`, in their order: those for which its weight is the highest of the fleet.

    Each symbol falls to exactly one host. Adding a host moves to it about one in len(fleet) symbols, and none between
    the others; removing one moves only what it had. A host outside the fleet records everything.
    """
    if host not in fleet:
        return list(symbols)
    return [symbol for symbol in symbols if max(fleet, key=lambda one: weight(symbol, one)) == host]


def weight(symbol: str, host: str) -> bytes:
    """How much a host is drawn to a symbol; the same on every machine and in every version."""
    return hashlib.sha256(f"{host}\n{symbol}".encode()).digest()
