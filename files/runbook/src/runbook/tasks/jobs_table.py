"""The table of `jobs`: what each host runs beside the recorder, its last record and its next start."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from runbook.console.terminal import console, table

if TYPE_CHECKING:
    from runbook.fleet.jobs import HostJobs

COLUMNS = ("host", "job", "when", "last", "took#", "result", "next", "why, or the proof")
COLOURS = {"ok": "green"}
ON_DEMAND = "when asked for"


def show_jobs(answers: Sequence["HostJobs"]) -> None:
    """A row a job; times are India's."""
    out = console()
    rows = [row for answer in answers for row in _rows(answer)]
    out.print(table("", COLUMNS, rows)) if rows else out.print("no host has a job")
    for answer in answers:
        if answer.asleep:
            out.print(f"{answer.host}: asleep, so it is asked when it is awake", markup=False)
        if answer.error:
            out.print(f"{answer.host}: {answer.error}", markup=False)


def show_record(host: str, record: Mapping[str, Any]) -> None:
    """One line."""
    words = record["cause"] or record["proof"]
    console().print(
        f"{host}: {record['job']}: {record['result']} after {_took(record)}{': ' if words else ''}{words}", markup=False
    )


def _rows(answer: "HostJobs") -> Iterator[tuple[object, ...]]:
    for job in answer.jobs:
        last, running = job["last"], job["running_since_ns"]
        result = "running" if running else last["result"] if last else ""
        colour = COLOURS.get(result, "yellow" if running else "red") if result else ""
        why = job["why"] or (last["cause"] or last["proof"] if last else "")
        yield (
            answer.host,
            job["name"],
            job["when"] or ON_DEMAND,
            _time(running or (last["began_ns"] if last else None)),
            "" if running or not last else _took(last),
            f"[{colour}]{result}[/]" if colour else result,
            _time(job["next_ns"]),
            str(why).replace("[", r"\["),
        )


def _took(record: Mapping[str, Any]) -> str:
    return f"{(record['ended_ns'] - record['began_ns']) / NS_PER_SECOND:.1f} s"


def _time(wall_ns: int | None) -> str:
    return f"{to_local(wall_ns):%d %b %H:%M:%S}" if wall_ns else ""
