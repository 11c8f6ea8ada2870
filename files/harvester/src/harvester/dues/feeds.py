"""Feeds as a source of dues: each feed's day is met by the day's certificate, which has a cause for all that lacks."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from harvester.base.errors import HarvesterError
from harvester.config.feeds import HISTORIES
from harvester.dues.due import Due, Found, UnseenError, looking
from harvester.health.days import CLOSE_NS, how_to_close
from harvester.jobs.schedule import Hours
from harvester.lake.layout import CERTIFICATE, MANIFEST, Partition
from harvester.lake.manifest import load_manifest

POLLS = "fyers-rest"
MOST_CAUSES = 4


class _Share(NamedTuple):
    """Of what was due of a feed, how much is there; the rest by cause. In polls, bars or ns."""

    due: int
    there: int
    causes: Counter[str]


class FeedSource:
    """The feeds of a host. Missing closes are told by the list of what must be true, gaps when they begin."""

    kind = "feed"
    tells = False

    def __init__(self, feeds: Iterable[str], lake: Path, host: str, hours: Callable[[date], Hours | None]) -> None:
        self._feeds, self._lake, self._host, self._hours = tuple(feeds), lake, host, hours

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        """One of each feed on a trading day since the first that was recorded here."""
        hours = self._hours(day)
        if hours is None or not self._is_ours(day):
            return []
        return [
            Due(
                kind=self.kind,
                name=feed,
                period=str(day),
                due_ns=hours[1],
                by_ns=hours[1] + CLOSE_NS,
                proof="the day's certificate",
                remedy=how_to_close(str(day)),
            )
            for feed in self._feeds
            if feed not in without
        ]

    def find(self, due: Due) -> Found:
        partition = Partition(date.fromisoformat(due.period), self._host)
        try:
            manifest = load_manifest(self._lake, partition)
            if manifest is None:
                return Found(cause="the day is not closed: no certificate")
            [entry] = manifest.find(CERTIFICATE)
            certificate = json.loads((self._lake / entry.path).read_bytes())
            closed_ns = min(
                path.stat().st_mtime_ns for path in (self._lake / partition.path(MANIFEST)).glob("manifest*.json")
            )
            share = _share(certificate, due.name)
        except HarvesterError as error:
            raise UnseenError(str(error)) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnseenError(f"the certificate of {due.period} cannot be read ({error}).") from error
        return _found(share, closed_ns, f"generation {manifest.generation}")

    def _is_ours(self, day: date) -> bool:
        """Whether this host recorded anything on that day or before."""
        with looking():
            closed = [path.parent.name for path in (self._lake / MANIFEST).glob(f"*/host={self._host}")]
            recorded = [path.name for path in self._lake.with_name("journal").glob("????-??-??")]
        days = [*(name.removeprefix("date=") for name in closed), *recorded]
        return any(each <= day.isoformat() for each in days)


def _found(share: _Share | None, closed_ns: int, proof: str) -> Found:
    if share is None:
        return Found(cause="the certificate knows nothing of this feed")
    lost, worst = share.due - share.there, share.causes.most_common(MOST_CAUSES)
    named = ", ".join(f"{cause} {_percent(amount, share.due)}" for cause, amount in worst)
    if share.due and not share.there:
        return Found(cause=f"nothing of it was recorded: {named or 'no cause is known'}")
    proof = f"{proof}, {_percent(share.there, share.due)} of it" if share.due else f"{proof}, nothing was due"
    return Found(met_ns=closed_ns, proof=proof, lack=f"{_percent(lost, share.due)} is lacking: {named}" if lost else "")


def _share(certificate: Mapping[str, Any], feed: str) -> _Share | None:
    """Of all symbols of a feed together; None where the certificate does not know it."""
    due, there, section = "window_ns", "covered_ns", certificate["streams"].get(feed)
    if feed == POLLS:
        due, there, section = "expected", "recorded_slots", certificate
    elif feed in HISTORIES:
        due, there, section = "expected", "recorded", certificate.get("candles")
    if section is None:
        return None
    entries = list(section["symbols"].values())
    causes: Counter[str] = Counter()
    provisional: Counter[str] = Counter()
    """Bars that only a stream brought: what history owes is not met by them."""
    for entry in entries:
        for cause, amount in entry["gaps_by_cause"].items():
            causes[cause] += amount if isinstance(amount, int) else amount["ns"]
        provisional.update(entry.get("provisional_by_cause", {}))
    met = sum(entry[there] for entry in entries) - provisional.total()
    causes.update(provisional)
    return _Share(sum(entry[due] for entry in entries), met, causes)


def _percent(part: int, whole: int) -> str:
    """Never 100 % of what is not whole, nor 0 % of what is something."""
    if not whole or part in (0, whole):
        return "100 %" if whole and part else "0 %"
    return f"{min(99.99, max(0.01, 100 * part / whole)):.2f} %"
