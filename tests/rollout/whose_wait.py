"""Whose each second of a first day is: AWS's, the packages' (index and archive), the line's, or ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.rollout.first_day import Step

from lab.aws.latency import STATES

Span = tuple[float, float]
AWS, PACKAGES, LINE, OURS = WHOSE = ("AWS", "packages", "line", "ours")
ON_THE_LINE = ("Copy the wheels of the requirements", "Copy our wheel")
OF_PACKAGES = ("Packages | Install", "Build the release on the controller")
ON_THE_BOOT = ("Make the hosts", "Wait until they run", "Wait until they let us in")
"""Tasks that wait for a host that runs and answers; others go on beside its boot."""
BOOT = {STATES["running"].what, STATES["answering"].what}
FIRST_BOOT = "Wait for the first boot"


@dataclass(frozen=True)
class Row:
    """A stage of the way, and whose its seconds are."""

    stage: str
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def stage_of(step: Step) -> str:
    """The role of a task, or the command."""
    role, colon, _ = step.name.partition(" : ")
    return role if colon else step.command


def divide(step: Step, waits: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The seconds of a step by whose they are. AWS's are those in which a call or a state was waited for."""
    boots = any(name in step.name for name in ON_THE_BOOT)
    spans = [(wait["from"], wait["to"]) for wait in waits if boots or wait["what"] not in BOOT]
    whole = step.until - step.since
    aws = whole if FIRST_BOOT in step.name else overlap((step.since, step.until), spans)
    rest = OURS
    if any(name in step.name for name in ON_THE_LINE):
        rest = LINE
    elif any(name in step.name for name in OF_PACKAGES):
        rest = PACKAGES
    return {AWS: aws, rest: whole - aws}


def tell(steps: Iterable[Step], waits: Sequence[dict[str, Any]]) -> list[Row]:
    """A row for each stage, in their order."""
    rows: dict[str, dict[str, float]] = {}
    for step in steps:
        row = rows.setdefault(stage_of(step), dict.fromkeys(WHOSE, 0.0))
        for whose, seconds in divide(step, waits).items():
            row[whose] += seconds
    return [Row(stage, seconds) for stage, seconds in rows.items()]


def longest(steps: Iterable[Step], waits: Sequence[dict[str, Any]], whose: str, count: int) -> list[tuple[str, float]]:
    """The steps with most seconds of one kind."""
    each = [(step.name, divide(step, waits).get(whose, 0.0)) for step in steps]
    return sorted(each, key=lambda pair: -pair[1])[:count]


def as_text(rows: Sequence[Row]) -> str:
    """The table as a person reads it, seconds."""
    head = f"{'stage':<18}" + "".join(f"{name:>10}" for name in (*WHOSE, "all"))
    lines = [
        f"{row.stage:<18}" + "".join(f"{row.seconds[name]:10.0f}" for name in WHOSE) + f"{row.total:10.0f}"
        for row in rows
    ]
    sums = [sum(row.seconds[name] for row in rows) for name in WHOSE]
    return "\n".join([head, *lines, f"{'all':<18}" + "".join(f"{value:10.0f}" for value in (*sums, sum(sums)))])


def overlap(one: Span, others: Iterable[Span]) -> float:
    """Seconds of a span that at least one of the others covers."""
    covered, end = 0.0, one[0]
    for since, until in sorted(others):
        since, until = max(since, end), min(until, one[1])
        if until > since:
            covered, end = covered + until - since, until
    return covered
