"""What a reported error becomes: who is told how gravely, and whether the worker is restarted for it."""

from typing import NamedTuple

from msgspec.structs import replace

from harvester.base.redaction import one_line
from harvester.workers import wording
from harvester.workers.judge import Rules, restart
from harvester.workers.memory import Act, Grade, Memory
from harvester.workers.reports import Report

REMEMBERED = 500
"""Reports of which is known that they were acted on."""


class Treatment(NamedTuple):
    """What was made of the error before its restart: its kind, what was done, and how grave it stays."""

    kind: str
    done: str = ""
    grade: Grade = "warning"
    repaired: bool = False
    restarts: bool = True
    diff: str = ""
    """Lines of the notebook that went and came."""


def answer(memory: Memory, report: Report, treatment: Treatment, now_ns: int, rules: Rules) -> Memory:
    """The memory after a report: `handled` has it, `pending` what is to be done. A report counts once."""
    if report.id in memory.handled:
        return memory
    memory = replace(memory, handled=(*memory.handled, report.id)[-REMEMBERED:])
    memory, acts, done, grade = _restart(memory, report, treatment, now_ns, rules)
    whole = f"{treatment.done}; {done}" if treatment.done else done
    message = one_line(f"{report.error_type}: {report.error_message}", 300)
    acts.append(
        Act(
            kind="tell",
            at_ns=now_ns,
            cause=f"reported {treatment.kind}",
            severity=grade,
            text=wording.reported(rules.worker, treatment.kind, message, whole, treatment.diff),
            remedy=wording.remedy(rules.worker) if grade == "critical" else "",
        )
    )
    return replace(memory, pending=(*memory.pending, *acts))


def _restart(
    memory: Memory, report: Report, treatment: Treatment, now_ns: int, rules: Rules
) -> tuple[Memory, list[Act], str, Grade]:
    """Restart it, unless a person said no, it was asked for already, the report is old, or the budget is spent."""
    grade = treatment.grade
    if not treatment.restarts:
        return memory, [], "it was not restarted", grade
    if memory.paused:
        return memory, [], "it is paused, so it was not restarted", grade
    if now_ns - report.at_ns(now_ns, rules.zone) >= rules.silent_ns:
        return memory, [], "the report is old, so it was not restarted for it", grade
    last = memory.restarts[-1] if memory.restarts else None
    if last is not None and (memory.beat_ns or 0) <= last and now_ns - last < rules.slow_ns:
        return memory, [], "its restart was asked for already", grade
    if len(memory.restarts) >= rules.restarts_a_day:
        return memory, [], wording.spent(rules.restarts_a_day), "critical"
    memory, acts = restart(memory, treatment.kind, now_ns, rules, repaired=treatment.repaired)
    return memory, acts, f"restart {len(memory.restarts)} of {rules.restarts_a_day} in 24 hours was asked for", grade
