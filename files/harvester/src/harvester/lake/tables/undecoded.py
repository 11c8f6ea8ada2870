"""What is recorded and has not become rows: counted by reason, and a close fails until somebody has said why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.decode.frames import Reason
from harvester.journal.format import FEED_NAMES, FYERS_REST
from harvester.lake.certificate.damage import certify_damage, say_damage
from harvester.lake.day.connections import Connection
from harvester.lake.day.damage import Damage
from harvester.lake.day.segments import DayIndex

DECODED = frozenset({Reason.EXTRA_VALUES, Reason.BAD_SCALE, Reason.NO_DEPTH})
"""Reasons that cost no row: the known values are decoded, or there is no book to make a row of."""
STARTING_NS = 15 * NS_PER_SECOND
"""So long after its begin a connection may bring updates before the snapshot of their topic; 10 s later it is given up."""


class UndecodedError(HarvesterError):
    """Something is recorded and not decoded, and nobody has said why."""


@dataclass
class Undecoded:
    """Parts of messages of one feed that should have become rows. Times are wall ns."""

    parts: Counter[str] = field(default_factory=Counter)
    times: list[int] = field(default_factory=list)
    """The first and the last."""

    def see(self, reason: str, moments: Sequence[int], connection: Connection) -> None:
        """Note parts that were received at these moments."""
        if reason in DECODED:
            return
        if reason == Reason.NO_SNAPSHOT and connection.seq:
            moments = [moment for moment in moments if moment >= connection.from_ns + STARTING_NS]
        if moments:
            self.parts[reason] += len(moments)
            self.times = [min([*self.times, *moments]), max([*self.times, *moments])]


class Explanation(NamedTuple):
    """What a person said of undecoded parts: of any (None), or of at most so many by feed."""

    text: str = ""
    parts: Mapping[str, int] | None = None

    def covers(self, damage: Sequence[Damage]) -> bool:
        """Whether it holds for all of this."""
        if self.parts is None:
            return bool(self.text) or not damage
        return all((each.records or 0) <= self.parts.get(each.where, 0) for each in damage)


def list_undecoded(index: DayIndex, feeds: Mapping[int, Undecoded]) -> list[Damage]:
    """One entry a feed."""
    found = [
        Damage("undecoded", FEED_NAMES[feed], sum(each.parts.values()), *each.times, detail=_say(each.parts))
        for feed, each in feeds.items()
        if each.parts
    ]
    if index.unattributed:
        detail = "the head of their segment, which names the symbols, is damaged"
        found.append(Damage("undecoded", FEED_NAMES[FYERS_REST], index.unattributed, detail=detail))
    if index.other_feeds:
        detail = "this release does not know the feed"
        found.append(Damage("undecoded", "another feed", index.other_feeds, detail=detail))
    return found


def demand_explanation(undecoded: Sequence[Damage], explanation: Explanation, date: str) -> None:
    """Raises UndecodedError unless the explanation covers everything that is not decoded."""
    if explanation.covers(undecoded):
        return
    told = " ".join(say_damage(entry, date) for entry in certify_damage(undecoded, (), ""))
    raise UndecodedError(
        f"{date}: the day is not closed, and the journal keeps everything. {told} When it is to stay as it is, say why, and"
        f" the certificate will: `harvester close --date {date} --explain 'WHY'`."
    )


def _say(parts: Counter[str]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(parts.items()))
