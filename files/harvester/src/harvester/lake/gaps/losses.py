"""When records of a day are lost by damage of the journal: what is not there then is not there for that reason."""

from bisect import bisect_right
from collections.abc import Sequence

from harvester.lake.day.damage import Damage
from harvester.lake.day.events import Run
from harvester.lake.day.intervals import Interval
from harvester.ledger.outage import Cause

FOREVER = 2**62
DAMAGED: Cause = "damaged"


class Losses:
    """The stretches of lost records, in wall ns."""

    def __init__(self, damage: Sequence[Damage], runs: Sequence[Run]) -> None:
        lost = [each for each in damage if each.loses]
        self.bounded = sorted(
            ((each.from_ns, each.to_ns), each.cause) for each in lost if each.from_ns is not None and each.to_ns
        )
        """Between two records of a run."""
        self.unbounded = [(_reach(each, runs), each.cause) for each in lost if each.from_ns is None or not each.to_ns]
        """Before the first or after the last record of a run: as far as no other run was there."""
        self._begins = [begin for (begin, _), _ in self.bounded]

    def between(self, moment: int, grace_ns: int) -> str | None:
        """The damage to which a record of this moment was lost, if it was to come up to `grace_ns` later."""
        place = bisect_right(self._begins, moment + grace_ns)
        near = [cause for (_, end), cause in self.bounded[max(0, place - 2) : place] if moment <= end]
        return near[-1] if near else None

    def beyond(self, moment: int, grace_ns: int) -> str | None:
        """The same for what is not between two records."""
        return next((cause for (begin, end), cause in self.unbounded if begin - grace_ns <= moment < end), None)


def _reach(damage: Damage, runs: Sequence[Run]) -> Interval:
    if damage.from_ns is None:
        end = damage.to_ns or FOREVER
        return max((run.last_ns for run in runs if run.last_ns < end), default=0), end
    return damage.from_ns, min((run.first_ns for run in runs if run.first_ns > damage.from_ns), default=FOREVER)
