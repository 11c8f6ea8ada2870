"""Answers of a broker's history as bars: the first whole one of each, and each revision of it.

A bar that is being formed is none yet. What the broker says of a bar after its end is the bar; what it says otherwise
in a later answer is a revision. A bar is final once an answer says it that was asked for late enough.

What a stream sends of a bar is provisional: the bar until history says it, whose word then holds against anything that
a stream sends later. Where history says the same, the row stays that of the stream, and is no longer provisional.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import day_end_ns, midnight_ns, to_local
from harvester.brokers.bars import LAST_SECOND, Candle, History, Rejected
from harvester.brokers.fyers.history import read_history as read_fyers
from harvester.brokers.schwab.history import read_history as read_schwab
from harvester.journal.format import FYERS_HISTORY, SCHWAB_HISTORY

READERS = {FYERS_HISTORY: read_fyers, SCHWAB_HISTORY: read_schwab}
"""What reads an answer, by the feed of its record."""
OTHER_DAY = "other_day"
"""Why a candle is rejected that is of another day than was asked for."""
TAKEN, OFF_SESSION, NOT_OVER = "taken", "off_session", "not_over"
"""What became of a streamed minute: it is of a bar that is due, of none, or came before the bar's end; or its flaw."""


class Place(NamedTuple):
    """Where an answer is in the journal: its receipt (wall ns), number of the run, and of the record."""

    recv_ns: int
    run: int
    seq: int


@dataclass
class BarRow:
    """One revision of a bar. `place`: of the answer, or the frame of a stream, that said it first."""

    begin_ns: int
    values: tuple[int, int, int, int, int]
    """Open, high, low, close in paise; volume."""
    revision: int
    place: Place
    is_final: bool = False
    is_provisional: bool = False
    """Only a stream said it."""


@dataclass
class BarBook:
    """The bars of one symbol on one day, of one width. Times are wall ns.

    `ends`: of the bars that are due. A bar is final `final_after_ns` after its end, and when
    the day settles.
    """

    width_ns: int
    ends: Mapping[int, int]
    final_after_ns: int
    settles_ns: int
    sent_ns: list[int] = field(default_factory=list)
    """When each request was sent that was answered with data."""
    rejected: dict[str, set[int | None]] = field(default_factory=dict)
    """By flaw, the begins of the candles that are no bars, in seconds since 1970; None: not known."""
    streamed: Counter[str] = field(default_factory=Counter)
    """What became of the minutes that a stream sent."""
    _bars: dict[int, list[BarRow]] = field(default_factory=dict)

    def see(self, sent_ns: int, place: Place, answer: History) -> None:
        """Take in the next answer, in the order of receipt."""
        self.sent_ns.append(sent_ns)
        for begin_s, flaw in answer.rejected:
            self.rejected.setdefault(flaw, set()).add(begin_s)
        today = to_local(sent_ns).date()
        day_ns = range(midnight_ns(today), day_end_ns(today))
        for candle in {each.begin_s: each for each in answer.candles}.values():
            begin_ns = candle.begin_s * NS_PER_SECOND
            if candle.begin_s > LAST_SECOND or begin_ns not in day_ns:
                self.rejected.setdefault(OTHER_DAY, set()).add(candle.begin_s)
            elif self.end_of(begin_ns) <= sent_ns:
                self._note(begin_ns, sent_ns, place, candle)

    def see_streamed(self, place: Place, sent: Candle | Rejected) -> None:
        """Take in what a stream sent of a bar, in the order of receipt."""
        if isinstance(sent, Rejected):
            self.streamed[sent.flaw] += 1
            return
        begin_ns = sent.begin_s * NS_PER_SECOND
        end_ns = self.ends.get(begin_ns)
        self.streamed[OFF_SESSION if end_ns is None else TAKEN if end_ns <= place.recv_ns else NOT_OVER] += 1
        if end_ns is None or end_ns > place.recv_ns:
            return
        revisions = self._bars.setdefault(begin_ns, [])
        if all(row.is_provisional for row in revisions):
            self._revise(begin_ns, place, sent).is_provisional = True

    def end_of(self, begin_ns: int) -> int:
        """When the bar ends that begins then."""
        return self.ends.get(begin_ns, begin_ns + self.width_ns)

    def _note(self, begin_ns: int, sent_ns: int, place: Place, candle: Candle) -> None:
        row = self._revise(begin_ns, place, candle)
        row.is_provisional = False
        if sent_ns >= min(self.end_of(begin_ns) + self.final_after_ns, self.settles_ns):
            row.is_final = True

    def _revise(self, begin_ns: int, place: Place, candle: Candle) -> BarRow:
        """The revision with these values: the last one, or a new one."""
        revisions = self._bars.setdefault(begin_ns, [])
        values = (candle.open, candle.high, candle.low, candle.close, candle.volume)
        if not revisions or revisions[-1].values != values:
            revisions.append(BarRow(begin_ns, values, len(revisions), place))
        return revisions[-1]

    def rows(self) -> list[BarRow]:
        """All revisions of all bars, by begin and number of the revision."""
        return [row for begin in sorted(self._bars) for row in self._bars[begin]]

    def in_force(self) -> dict[int, BarRow]:
        """By begin, the last revision of each bar."""
        return {begin: revisions[-1] for begin, revisions in self._bars.items()}

    def is_answered(self, end_ns: int) -> bool:
        """Whether an answer came to a request that was sent after a bar's end."""
        return max(self.sent_ns, default=0) >= end_ns

    def is_rejected(self, begin_ns: int) -> str | None:
        """The flaw for which the candle of a bar was rejected; None: it was not."""
        begin_s = begin_ns // NS_PER_SECOND
        return next((flaw for flaw, begins in self.rejected.items() if begin_s in begins), None)


def count_rejected(books: Iterable[BarBook]) -> dict[str, int]:
    """How many candles were rejected, by flaw; one that came in several answers counts once."""
    counts: dict[str, int] = {}
    for book in books:
        for flaw, begins in book.rejected.items():
            counts[flaw] = counts.get(flaw, 0) + len(begins)
    return dict(sorted(counts.items()))
