"""The table of `due`: what was due on each host, and what became of it."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from harvester.base.market import to_local
from harvester.dues.due import WRONG
from harvester.dues.wording import ORDER, WORDS
from runbook.console.terminal import console, table

if TYPE_CHECKING:
    from runbook.fleet.dues import HostDues

COLOURS = {"missing": "red", "unknown": "red", "late": "yellow", "partial": "yellow", "met": "green"}
COLUMNS = ("host", "kind", "name", "state", "times#", "last due", "there", "why, or the proof")


def show_dues(answers: Sequence["HostDues"]) -> None:
    """One row for each thing and state, the worst first; then what to do about what is missing."""
    out = console()
    rows = [row for answer in answers for row in _rows(answer)]
    out.print(table("", COLUMNS, rows)) if rows else out.print("nothing was due")
    for answer in answers:
        if answer.asleep:
            out.print(f"{answer.host}: asleep, so it is asked when it is awake: ./inv wake", markup=False)
        if answer.error:
            out.print(f"{answer.host}: {answer.error}", markup=False)
        for entry in answer.entries:
            if entry["state"] in WRONG:
                out.print(f"{answer.host}: {entry['kind']} {entry['name']}, due {_time(entry['due_ns'])}", markup=False)
                out.print(f"     -> {entry['remedy']}", markup=False)


def _rows(answer: "HostDues") -> Iterator[tuple[object, ...]]:
    ordered = sorted(answer.entries, key=lambda each: (ORDER.index(each["state"]), each["kind"], each["name"]))
    for (state, kind, name), group in groupby(ordered, lambda each: (each["state"], each["kind"], each["name"])):
        these = list(group)
        last = these[-1]
        word, colour = WORDS.get(state, state), COLOURS.get(state)
        yield (
            answer.host,
            kind,
            name,
            f"[{colour}]{word}[/]" if colour else word,
            len(these),
            _time(last["due_ns"]),
            _time(last["met_ns"]),
            _why(last),
        )


def _why(entry: dict[str, Any]) -> str:
    return str(entry["cause"] or entry["proof"]).replace("[", r"\[")


def _time(wall_ns: int | None) -> str:
    return f"{to_local(wall_ns):%d %b %H:%M:%S}" if wall_ns else ""
