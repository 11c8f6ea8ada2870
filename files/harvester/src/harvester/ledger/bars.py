"""The ledger of bars: what is due is the bar, and any answer that was asked for after its end brings it.

Each request asks for the whole day so far, so one that fails costs nothing once a later one is answered. What is left
unanswered is therefore always the end of the day up to now, from one bar on.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harvester.ledger.gaps import ControlRecord, Gap
from harvester.ledger.outage import Outage

ASK_AFTER_NS = 5_000_000_000
"""After its end a bar is asked for: the broker puts it together in the meantime."""
NOT_ASKED = Outage("not_running", "nothing has been asked of it yet")


class Round(NamedTuple):
    """Symbols to ask for now, and when that was due (wall ns)."""

    due_ns: int
    symbols: list[str]


@dataclass(slots=True)
class _Symbol:
    answered_ns: int = 0
    """When the latest request was sent that was answered: bars that had ended by then are no longer due. Wall ns."""
    outage: Outage = NOT_ASKED


class BarLedger:
    """Accounts for the bars of some symbols that have the same hours. Times are wall ns.

    Rounds are due every `every_ns` from the first bar's begin on, each ASK_AFTER_NS later, and anew from when the day
    settles; in each, the symbols of which a bar has ended unanswered, or which are not settled then.
    """

    def __init__(self, feed: int, symbols: Iterable[str], every_ns: int) -> None:
        self._feed = feed
        self._every_ns = every_ns
        self._states = {symbol: _Symbol() for symbol in symbols}
        self._bars: Sequence[tuple[int, int]] = ()
        self._settles_ns = 0
        self._taken_ns = 0
        """Rounds up to this moment were handed out."""

    @property
    def bars(self) -> Sequence[tuple[int, int]]:
        """Begin and end of each bar that is due on the day, in order."""
        return self._bars

    @property
    def symbols(self) -> list[str]:
        return list(self._states)

    def follow_day(self, bars: Sequence[tuple[int, int]], settles_ns: int, wall_ns: int) -> None:
        """These bars are due on the day that it is now. What was answered stays so; a clock set back makes it due."""
        if (bars, settles_ns) != (self._bars, self._settles_ns):
            self._bars, self._settles_ns, self._taken_ns = bars, settles_ns, 0
        if wall_ns < self._taken_ns:
            self._taken_ns = 0
        for state in self._states.values():
            state.answered_ns = min(state.answered_ns, wall_ns)

    def recall(self, answered: dict[str, int]) -> None:
        """Take over when an earlier run of the day had asked for each symbol, and been answered."""
        for symbol, answered_ns in answered.items():
            if symbol in self._states:
                self._states[symbol].answered_ns = answered_ns

    def answered_ns(self, symbol: str) -> int:
        """When the latest request was sent that was answered; 0: none yet."""
        return self._states[symbol].answered_ns

    def answered_bars(self) -> int:
        """How many bars of the day were brought, over all symbols."""
        return sum(bisect_right(self._bars, state.answered_ns, key=_end_of) for state in self._states.values())

    def is_settled(self, symbol: str) -> bool:
        """Whether nothing more is due of the symbol today."""
        return not self._bars or self._states[symbol].answered_ns >= self._settles_ns

    def take_due(self, wall_ns: int) -> Round | None:
        """The round that is due, once; of several that went by the last, which heals the others."""
        due_ns = self._latest_round(wall_ns)
        if due_ns is None or due_ns <= self._taken_ns:
            return None
        self._taken_ns = due_ns
        symbols = [symbol for symbol, state in self._states.items() if self._is_due(state, wall_ns)]
        return Round(due_ns, symbols) if symbols else None

    def note_answer(self, symbol: str, sent_ns: int) -> list[ControlRecord]:
        """A request sent then was answered with data; says it of the one that settles the symbol, for a later start."""
        state, was_settled = self._states[symbol], self.is_settled(symbol)
        state.answered_ns = max(state.answered_ns, sent_ns)
        if was_settled or not self.is_settled(symbol):
            return []
        return [{"type": "settled", "feed": self._feed, "symbols": [symbol], "sent_ns": sent_ns}]

    def note_failure(self, symbols: Sequence[str], at_ns: int, outage: Outage) -> list[ControlRecord]:
        """Requests for these symbols had no answer, or none was sent. No gap: the next round may heal it."""
        for symbol in symbols:
            self._states[symbol].outage = outage
        record = {"type": "unanswered", "feed": self._feed, "symbols": [*symbols], "at_ns": at_ns}
        return [record | outage._asdict()] if symbols else []

    def note_bad_answer(self, symbol: str, outage: Outage) -> None:
        """A request was answered, and not with data. The answer itself is in the journal."""
        self._states[symbol].outage = outage

    def overdue(self, wall_ns: int) -> list[Gap]:
        """Of each symbol, the stretch from the first bar on that a round should have brought, and why it has not.

        Nothing is overdue until the round after the next has had its time: the next one heals a failed one.
        """
        before_ns = wall_ns - 2 * self._every_ns
        ended = [bar for bar in self._bars if bar[1] <= before_ns]
        if not ended:
            return []
        late = {symbol: state for symbol, state in self._states.items() if state.answered_ns < ended[-1][1]}
        return [
            Gap("", symbol, next(begin for begin, end in ended if end > state.answered_ns), *state.outage)
            for symbol, state in late.items()
        ]

    def _is_due(self, state: _Symbol, wall_ns: int) -> bool:
        """Whether a bar has ended that no answer brought, or none was asked for after the day had settled."""
        if wall_ns >= self._settles_ns:
            return state.answered_ns < self._settles_ns
        ended = bisect_right(self._bars, wall_ns, key=_end_of)
        return ended > 0 and state.answered_ns < self._bars[ended - 1][1]

    def _latest_round(self, wall_ns: int) -> int | None:
        """When the last round before now was due; None before the first of the day, and without bars."""
        if not self._bars:
            return None
        first_ns = self._settles_ns if wall_ns >= self._settles_ns else self._bars[0][0] + ASK_AFTER_NS
        return first_ns + (wall_ns - first_ns) // self._every_ns * self._every_ns if wall_ns >= first_ns else None


def _end_of(bar: tuple[int, int]) -> int:
    return bar[1]
