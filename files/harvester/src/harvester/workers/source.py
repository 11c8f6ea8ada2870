"""Workers as a source of dues: each hour a sign of life and, where it has a step, progress."""

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

from harvester.base.clock import NS_PER_SECOND, Clock, SystemClock
from harvester.base.errors import HarvesterError
from harvester.base.market import day_end_ns, midnight_ns, to_local
from harvester.dues.due import Due, Found, Source, UnseenError
from harvester.workers.memory import HOUR_NS, Memory, hour_of, load
from harvester.workers.settings import OverseerSettings, find_overseer, load_overseer

WITHIN_NS = 600 * NS_PER_SECOND
"""After the hour: the overseer's next look."""


def worker_sources(settings: Path | None = None) -> Sequence[Source]:
    """The source of this host, where it oversees anybody. Raises ConfigError for settings that are refused."""
    return [WorkerSource(load_overseer(settings))] if find_overseer(settings).exists() else []


class WorkerSource:
    """The workers of an overseer, by what it remembers of each. Of a miss people hear from the overseer itself."""

    kind = "worker"
    tells = False

    def __init__(self, settings: OverseerSettings, clock: Clock | None = None) -> None:
        self._settings, self._clock = settings, clock or SystemClock()

    def declare(self, day: date, without: Collection[str] = ()) -> list[Due]:
        """The hours of a day of the market, from the one in which the worker was first looked at."""
        dues = []
        for worker in self._settings.workers:
            first_ns = None if worker.name in without else self._memory(worker.name).first_ns
            if first_ns is None:
                continue
            for hour_ns in range(midnight_ns(day), day_end_ns(day), HOUR_NS):
                if hour_ns >= hour_of(first_ns):
                    dues.append(_due(worker.name, hour_ns))
        return sorted(dues, key=lambda due: (due.due_ns, due.name))

    def find(self, due: Due) -> Found:
        if due.name not in {worker.name for worker in self._settings.workers}:
            raise UnseenError(f"{due.name} is no worker of this overseer any more")
        memory = self._memory(due.name)
        seen = memory.hours.get(str(due.due_ns - HOUR_NS))
        if seen is None and self._clock.wall_ns() <= due.by_ns:
            return Found()
        if seen is None:
            return Found(unseen="nobody looked at it in this hour, or that is forgotten")
        state, _, cause = seen.partition(": ")
        if state in ("alive", "slow"):
            return Found(met_ns=due.due_ns, proof=f"its status: {state}")
        if state in ("finished", "paused"):
            return Found(excused=f"it was {state}")
        return Found(unseen=cause) if state == "unknown" else Found(cause=f"{state}: {cause}", told=True)

    def _memory(self, name: str) -> Memory:
        try:
            return load(self._settings.data_dir / name / "memory.json")
        except HarvesterError as error:
            raise UnseenError(str(error)) from error


def _due(name: str, hour_ns: int) -> Due:
    end_ns = hour_ns + HOUR_NS
    return Due(
        kind=WorkerSource.kind,
        name=name,
        period=f"{to_local(hour_ns):%Y-%m-%d %H:%M}",
        due_ns=end_ns,
        by_ns=end_ns + WITHIN_NS,
        proof="its status, and a step that rises",
        remedy=f"On the host: harvester workers show; harvester workers restart {name}",
    )
