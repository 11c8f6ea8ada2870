"""The ledger in words: lines for a terminal, and the one message of a day."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from harvester.base.market import to_local
from harvester.dues.due import Entry, State

ORDER: tuple[State, ...] = ("missing", "unknown", "late", "partial", "waiting", "excused", "met")
"""The worst first."""
WORDS: dict[State, str] = {"partial": "in part"}


def describe(entry: Entry) -> dict[str, Any]:
    """A line of the ledger as JSON data; times in wall ns."""
    due = entry.due
    return {
        "kind": due.kind,
        "name": due.name,
        "period": due.period,
        "due_ns": due.due_ns,
        "by_ns": due.by_ns,
        "state": entry.state,
        "met_ns": entry.met_ns,
        "proof": entry.proof,
        "cause": entry.cause,
        "remedy": due.remedy if entry.state in ("missing", "unknown") else "",
    }


def count(entries: Iterable[Entry]) -> str:
    """Such as `14 due: 12 met, 1 late, 1 missing`."""
    states = [entry.state for entry in entries]
    parts = [f"{states.count(state)} {WORDS.get(state, state)}" for state in reversed(ORDER) if state in states]
    return f"{len(states)} due: {', '.join(parts)}" if states else "nothing was due"


def lines(entries: Sequence[Entry]) -> list[str]:
    """One line for each thing and state; of what came several times that day, how often and the last one."""
    ordered = sorted(entries, key=lambda entry: (entry.due.kind, entry.due.name, ORDER.index(entry.state)))
    found = []
    for (kind, name, state), group in groupby(ordered, lambda each: (each.due.kind, each.due.name, each.state)):
        these = list(group)
        last = these[-1]
        times = f"{len(these)} times, the last " if len(these) > 1 else ""
        found.append(f"{WORDS.get(state, state):<8} {kind} {name}: {times}{_clause(last)}")
        if state in ("missing", "unknown"):
            found.append(f"         -> {last.due.remedy}")
    return found


def daily_message(day: date, entries: Sequence[Entry]) -> tuple[str, str]:
    """Title and body: a sentence where all is well, what is not well otherwise."""
    wrong = [entry for entry in entries if entry.state in ("missing", "unknown", "late", "partial")]
    title = f"{day}: {count(entries)}"
    if not wrong:
        return title, "All that was due came in time, proven."
    return title, "\n".join(lines(wrong))


def _clause(entry: Entry) -> str:
    due = f"due {_time(entry.due.due_ns)}"
    if entry.met_ns is not None:
        proof = f" ({entry.proof})" if entry.proof else ""
        return f"{due}, there {_time(entry.met_ns)}{proof}" + (f"; {entry.cause}" if entry.cause else "")
    until = f", until {_time(entry.due.by_ns)}" if entry.state == "waiting" else ""
    return f"{due}{until}" + (f": {entry.cause}" if entry.cause else "")


def _time(wall_ns: int) -> str:
    return f"{to_local(wall_ns):%d %b %H:%M:%S}"
