"""What is recorded and not decoded fails a close, until somebody has said why."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harvester.base.errors import HarvesterError
from harvester.journal.format import FEED_NAMES, FYERS_REST
from harvester.lake.certificate.damage import certify_damage, say_damage
from harvester.lake.day.damage import Damage
from harvester.lake.day.segments import DayIndex
from harvester.lake.layout import CERTIFICATE
from harvester.lake.manifest import Manifest
from harvester.lake.tables.undecoded import Undecoded


class UndecodedError(HarvesterError):
    """Something is recorded and not decoded, and nobody has said why."""


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
        Damage("undecoded", FEED_NAMES[feed], each.parts.total(), each.times[0], each.times[1], detail=_say(each.parts))
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
        f"{date}: the day is not closed, and the journal keeps everything. {told} When it is to stay as it is, say why,"
        f" and the certificate will: `harvester close --date {date} --explain 'WHY'`."
    )


def _say(parts: Counter[str]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(parts.items()))


def explained_before(lake: Path, before: Manifest | None) -> Explanation:
    """What the certificate of the generation before says that a person said."""
    for entry in before.find(CERTIFICATE) if before else ():
        try:
            damage = json.loads((lake / entry.path).read_bytes())["damage"]
            told = {each["where"]: each for each in damage if each["kind"] == "undecoded"}
            texts = " ".join(dict.fromkeys(str(each["explanation"]) for each in told.values()))
            return Explanation(texts, {where: int(each["records"]) for where, each in told.items()})
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of a release that knew no explanations, or gone: then it has to be said again
    return Explanation()
