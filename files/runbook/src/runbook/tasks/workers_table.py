"""The table of `workers`: what each overseer knows of the programs elsewhere that it watches."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harvester.base.market import to_local
from runbook.console.terminal import console, table

if TYPE_CHECKING:
    from runbook.fleet.workers import HostWorkers

COLUMNS = ("overseer", "worker", "state", "sign of life", "step#", "restarts in 24 h#", "misses#", "why")
COLOURS = {"alive": "green", "finished": "green", "slow": "yellow", "unknown": "yellow"}


def show_workers(answers: Sequence["HostWorkers"]) -> None:
    """A row a worker; times are the market's."""
    out = console()
    rows = [row for answer in answers for row in _rows(answer)]
    out.print(table("", COLUMNS, rows)) if rows else out.print("no worker is watched")
    for answer in answers:
        if answer.asleep:
            out.print(f"{answer.host}: asleep, so it is asked when it is awake", markup=False)
        if answer.error:
            out.print(f"{answer.host}: {answer.error}", markup=False)


def _rows(answer: "HostWorkers") -> Iterator[tuple[object, ...]]:
    for worker in answer.workers:
        state, step = worker["state"], worker["step"]
        yield (
            answer.host,
            worker["name"],
            f"[{COLOURS.get(state, 'red')}]{state}[/]{', paused' if worker['paused'] else ''}",
            f"{to_local(worker['beat_ns']):%d %b %H:%M:%S}" if worker["beat_ns"] else "none yet",
            "" if step is None else f"{step:g}",
            len(worker["restarts"]),
            worker["misses"] or "",
            str(worker["cause"]).replace("[", r"\["),
        )
