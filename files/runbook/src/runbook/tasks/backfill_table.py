"""What `backfill` shows: the order, how far it is, and what the broker had."""

from collections.abc import Mapping
from typing import Any

from runbook.console.terminal import console, table

COLUMNS = ("symbol", "bars#", "of#", "days#", "days without#", "still to ask#", "revised#", "rejected")


def show_plan(host: str, plan: Mapping[str, Any]) -> None:
    """One sentence on what an order takes."""
    minutes = "while the session leaves room" if plan["seconds"] is None else f"some {plan['seconds'] // 60 + 1} min"
    console().print(
        f"{host}: {plan['since']} to {plan['until']}, resolution {plan['resolution']}, {plan['symbols']} symbols:"
        f" {plan['requests']} requests, {minutes}",
        markup=False,
    )
    if plan["before_the_broker"]:
        console().print(f"{host}: the broker has nothing of before {plan['before_the_broker']}", markup=False)


def describe(host: str, status: Mapping[str, Any]) -> str:
    """How far it is, in one line."""
    left = "" if status["left"] is None else f", {status['left']} left"
    why = f" ({status['why']})" if status["why"] else ""
    build = ", making tables" if not status["at_work"] and status["waiting_segments"] else ""
    return f"{host}: {status['asked']} answers{left}{why}{build}"


def show_result(host: str, status: Mapping[str, Any]) -> None:
    """A row a symbol, then what the broker does not have, and what no backfill can bring."""
    out, lake = console(), status["lake"]
    out.print(table(host, COLUMNS, [_row(name, entry) for name, entry in lake["symbols"].items()]))
    for symbol, first, last, why in status["refused"]:
        out.print(f"{host}: {symbol}, {first} to {last}: the broker gave nothing: {why}", markup=False)
    for name, entry in lake["symbols"].items():
        without = entry["without"]
        if without["days"]:
            span = f"{without['first'][0]} to {without['last'][0]}" if without["days"] > 1 else without["first"][0]
            out.print(f"{host}: {name}: the broker has nothing of {without['days']} days ({span})", markup=False)
    if missing := lake["not_recorded"]["days"]:
        out.print(
            f"{host}: {missing} of {lake['days']} days were not recorded here: they have prices now; their depth, which"
            " no broker gives afterwards, stays missing",
            markup=False,
        )


def _row(name: str, entry: Mapping[str, Any]) -> tuple[object, ...]:
    rejected = ", ".join(f"{count} {flaw}" for flaw, count in entry["rejected"].items())
    return (
        name,
        entry["recorded"],
        "?" if entry["expected"] is None else entry["expected"],
        entry["answered"],
        entry["without"]["days"],
        entry["to_ask"],
        entry["revised"],
        rejected,
    )
