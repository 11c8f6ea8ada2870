"""The gap ledger of the broker's own candles: every due bar without one lies in one gap with its cause."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harvester.base.market import in_force
from harvester.calendar.bars import Bar
from harvester.decode.candles import BarBook
from harvester.lake.day.events import Events
from harvester.lake.gaps.losses import DAMAGED, Losses
from harvester.lake.gaps.polls import RECORDED, UNKNOWN, Absence, GapRow, after, run_at
from harvester.ledger.outage import Outage

NO_DATA = Absence("no_data", "the broker answered and has no candle of it: nothing was traded, or it lacks it")
GRACE_NS = 600_000_000_000
"""Time from a bar's end to the answer that should bring it: two rounds of five minutes."""


@dataclass(frozen=True)
class BarGaps:
    """Finds the cause of each due bar that has no candle."""

    events: Events

    @cached_property
    def _losses(self) -> Losses:
        return Losses(self.events.damage, self.events.runs)

    def rows(self, symbol: str, due: Sequence[Bar], book: BarBook, bad: Sequence[tuple[int, Outage]]) -> list[GapRow]:
        """The gaps of one symbol. `bad`: the answers that were no data, and when they came, in order."""
        have = book.in_force()
        rows: list[GapRow] = []
        for bar in due:
            if bar.begin_ns in have:
                continue
            cause, detail, source = self._explain(symbol, bar, book, bad)
            last = rows[-1] if rows else None
            if last and (last.to_ns, last.cause, last.detail, last.source) == (bar.begin_ns, cause, detail, source):
                rows[-1] = last._replace(to_ns=bar.end_ns, slots=(last.slots or 0) + 1)
            else:
                rows.append(GapRow(symbol, in_force().history, bar.begin_ns, bar.end_ns, cause, detail, 1, source))
        return rows

    def unsettled(
        self, symbol: str, due: Sequence[Bar], book: BarBook, bad: Sequence[tuple[int, Outage]]
    ) -> dict[str, int]:
        """How many bars only a stream has brought, by the cause for which history did not."""
        have = book.in_force()
        bars = [bar for bar in due if bar.begin_ns in have and have[bar.begin_ns].is_provisional]
        return dict(sorted(Counter(self._explain(symbol, bar, book, bad).cause for bar in bars).items()))

    def _explain(self, symbol: str, bar: Bar, book: BarBook, bad: Sequence[tuple[int, Outage]]) -> Absence:
        if flaw := book.is_rejected(bar.begin_ns):
            return Absence("bad_response", f"the broker's candle was rejected: {flaw}")
        if book.is_answered(bar.end_ns):
            return NO_DATA
        noted = [(at_ns, Absence(*outage, RECORDED)) for at_ns, outage in self.events.unanswered_of(symbol)]
        noted += [(at_ns, Absence(*outage)) for at_ns, outage in bad]
        later = [each for each in noted if each[0] >= bar.end_ns]
        if later:
            return min(later, key=lambda each: each[0])[1]
        if lost := self._losses.between(bar.end_ns, GRACE_NS) or self._losses.beyond(bar.end_ns, GRACE_NS):
            return Absence(DAMAGED, lost)
        run = run_at(self.events.runs, bar.end_ns)
        if isinstance(run, Absence):
            return run
        if symbol not in run.candles:
            return Absence("not_running", "candles of the symbol were not in the configuration of this run")
        return after(run) if run.last_ns < bar.end_ns + GRACE_NS else UNKNOWN
