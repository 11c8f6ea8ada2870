"""A worker, its mailbox and its overseer on a clock moved by hand: what happens in hours takes milliseconds."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from msgspec.structs import replace

from harvester.workers.judge import Rules, Sight, judge
from harvester.workers.memory import Act, Memory

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
START = int(datetime(2026, 11, 23, 18, 30, tzinfo=UTC).timestamp()) * 10**9  # a midnight in India
RULES = Rules(
    worker="colab",
    overseer="host-1",
    progress=("iteration", "training_step"),
    zone="UTC",
    slow_ns=30 * MINUTE,
    silent_ns=90 * MINUTE,
    stuck_ns=360 * MINUTE,
    miss_every_ns=60 * MINUTE,
    restarts_a_day=3,
    command=False,
)


def stamp(at_ns: int, zone: timezone | None = UTC) -> str:
    """ISO 8601 of a moment in a zone; None: UTC, without saying so."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)
    return moment.replace(tzinfo=None).isoformat() if zone is None else moment.astimezone(zone).isoformat()


def status(at_ns: int, step: float | None = 1, **more: object) -> bytes:
    """What the worker writes at this moment."""
    return json.dumps({"timestamp": stamp(at_ns), "iteration": step, "loss": 0.5, "gpu": "T4", **more}).encode()


@dataclass
class World:
    """The overseer looks each `look` minutes; what it does is kept in `done`, with the minute since the start."""

    rules: Rules = RULES
    look: int = 5
    memory: Memory = field(default_factory=Memory)
    signal: bytes | None = None
    minute: int = 0
    done: list[tuple[int, Act]] = field(default_factory=list)
    states: list[tuple[int, str]] = field(default_factory=list)

    @property
    def now(self) -> int:
        return START + self.minute * MINUTE

    def see(self, sight: Sight) -> None:
        """One look, whose acts are done at once."""
        self.memory = judge(self.memory, sight, self.now, self.rules)
        if not self.states or self.states[-1][1] != self.memory.state:
            self.states.append((self.minute, self.memory.state))
        for act in self.memory.pending:
            self.done.append((self.minute, act))
            assert act.kind != "tell" or act.severity == "clear" or self.rules.worker in act.text.splitlines()[0]
            if act.kind == "signal":
                asked = {"requested_by": self.rules.overseer, "requested_at": stamp(act.at_ns), "reason": act.cause}
                self.signal = json.dumps(asked).encode()
            if act.kind == "clear":
                self.signal = None
        self.memory = replace(self.memory, pending=())

    def run(self, minutes: int, seen: Callable[[int], bytes | str | None]) -> None:
        """So many minutes. `seen(minute)`: the status that lies there, None for none, a text for why not."""
        for _ in range(minutes // self.look):
            found = seen(self.minute)
            self.see(Sight(unseen=found) if isinstance(found, str) else Sight(found, self.signal))
            self.minute += self.look

    def told(self) -> list[tuple[int, str, str]]:
        """What people heard: minute, severity and cause."""
        return [(minute, act.severity, act.cause) for minute, act in self.done if act.kind == "tell"]

    def restarts(self) -> list[int]:
        return [minute for minute, act in self.done if act.kind == "signal"]


def beats(every: int = 10, until: int | None = None, rate: int = 1, first: int = 0) -> Callable[[int], bytes]:
    """A worker that writes each `every` minutes until that minute, a step higher each `rate` times."""

    def seen(minute: int) -> bytes:
        last = (minute if until is None else min(minute, until)) // every
        return status(START + last * every * MINUTE, first + last // rate)

    return seen
