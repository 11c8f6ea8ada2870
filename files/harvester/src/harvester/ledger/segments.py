"""Streamed symbols of several segments on the same connections: one ledger a segment, each with its own windows."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harvester.ledger.gaps import ControlRecord, Gap
from harvester.ledger.outage import Outage
from harvester.ledger.streams import StreamLedger, Tail


class SegmentLedgers:
    """What connections report, handed to the ledgers of the symbols concerned. Times are wall ns."""

    def __init__(self, parts: Mapping[str, StreamLedger]) -> None:
        """`parts` are by segment; no symbol is in two."""
        self.parts = parts
        self._of = {symbol: ledger for ledger in parts.values() for symbol in ledger.symbols}
        for ledger in parts.values():
            ledger.others = self._of.keys() - set(ledger.symbols)

    @property
    def symbols(self) -> list[str]:
        return list(self._of)

    @property
    def open_gaps(self) -> list[Gap]:
        return [gap for ledger in self.parts.values() for gap in ledger.open_gaps]

    def checkpoint(self) -> dict[str, Any]:
        """As that of one ledger."""
        return {"open": list(map(list, self.open_gaps))}

    def segments_of(self, symbols: Iterable[str]) -> list[str]:
        """The segments of the symbols, each once."""
        ledgers = {id(self._of[symbol]) for symbol in symbols}
        return [segment for segment, ledger in self.parts.items() if id(ledger) in ledgers]

    def is_live(self, symbol: str) -> bool:
        return self._of[symbol].is_live(symbol)

    def mark_live(self, symbol: str, stream: int, wall_ns: int) -> list[ControlRecord]:
        return self._of[symbol].mark_live(symbol, stream, wall_ns)

    def mark_lost(self, stream: int, last_ns: int, outage: Outage, tail: Tail | None = None) -> list[ControlRecord]:
        """A connection ended, of whichever segments."""
        ledgers = self.parts.values()
        return [record for ledger in ledgers for record in ledger.mark_lost(stream, last_ns, outage, tail)]

    def mark_quiet(self, symbols: Iterable[str], from_ns: int, to_ns: int) -> list[ControlRecord]:
        """Of each segment within its own window."""
        shares = self._shares(symbols)
        return [record for ledger, share in shares for record in ledger.mark_quiet(share, from_ns, to_ns)]

    def mark_cause(self, symbols: Iterable[str], at_ns: int, outage: Outage) -> list[ControlRecord]:
        return [record for ledger, share in self._shares(symbols) for record in ledger.mark_cause(share, at_ns, outage)]

    def _shares(self, symbols: Iterable[str]) -> Iterator[tuple[StreamLedger, list[str]]]:
        """Each ledger with those of the symbols that it accounts for, if any."""
        names = list(symbols)
        for ledger in self.parts.values():
            if share := [name for name in names if self._of[name] is ledger]:
                yield ledger, share
