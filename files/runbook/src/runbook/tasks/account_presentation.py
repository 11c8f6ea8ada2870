"""What the tasks of an account in AWS print: costs, names, changes, and what goes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runbook.console.terminal import console, table
from runbook.tasks.presentation import show_json

if TYPE_CHECKING:
    from runbook.aws.cost import CostLine
    from runbook.aws.glue import Change
    from runbook.aws.teardown import Doomed


def show_costs(
    lines: Sequence["CostLine"], price: Mapping[str, Any], variables: Mapping[str, Any], *, json: bool
) -> None:
    """The table of costs, and what it rests on."""
    total = round(sum(line.dollars for line in lines), 2)
    cap = float(variables["aws_watch_budget_dollars"])
    if json:
        show_json({"lines": [asdict(line) for line in lines], "dollars": total, "prices_of": price["as_of"]})
        return
    rows = [(line.what, line.how, f"{line.dollars:.2f}") for line in lines]
    rows.append(("together", f"the cap is {cap:g}", f"{total:.2f}"))
    out = console()
    out.print(table("", ("what", "how", "US dollars a month#"), rows))
    out.print(f"Prices of {price['as_of']}, {price['region']}: {price['source']}.", markup=False)
    if cap and total > cap:
        out.print("This is more than the cap: AWS will write before the month is over.", markup=False)


def show_outputs(found: Mapping[str, Any], *, json: bool) -> None:
    """What an environment has: a line each, or the document."""
    if json:
        show_json(found)
        return
    rows = []
    for name, value in found.items():
        if name == "hosts":
            rows += [("host", " ".join(part for part in host.values() if part)) for host in value]
        elif isinstance(value, Mapping):
            rows += [(f"{name}: {one}", each) for one, each in value.items()]
        else:
            rows.append((name, (", ".join(value) if isinstance(value, list) else value) or "none"))
    console().print(table("", ("what", "name"), rows))


def show_doomed(doomed: Sequence["Doomed"], stem: str) -> None:
    """What destroy removes."""
    out = console()
    if not doomed:
        out.print(f"there is nothing of {stem}", markup=False)
    for one in doomed:
        out.print(f"{one.kind}: {one.name}", markup=False)


def show_changes(changes: Sequence["Change"], database: str) -> None:
    """What would be made, and what would be repaired, with the differences."""
    out = console()
    if not changes:
        out.print(f"nothing to do: {database} is as the lake is", markup=False)
    for change in changes:
        out.print(f"{'repair' if change.differences else 'make'} {change.what}", markup=False)
        for line in change.differences:
            out.print(f"  {line}", markup=False)
