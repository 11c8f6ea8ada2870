"""What the AWS tasks print and ask."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from harvester.base.errors import ConfigError
from runbook.aws.allow import my_network
from runbook.aws.configure import ask_all
from runbook.aws.cost import Line
from runbook.aws.glue import Change
from runbook.aws.teardown import Doomed
from runbook.console.terminal import console


def ask_answers() -> dict[str, str]:
    """The ten answers of the person at the terminal. ConfigError when there is nobody."""
    if not sys.stdin.isatty():
        raise ConfigError("There is nobody to ask here. Give the answers in a file: ./inv configure --answers FILE.")
    try:
        network = my_network()
    except ConfigError:
        network = ""
    return ask_all(_ask, lambda line: console().print(line, markup=False), my_network=network)


def _ask(text: str, default: str) -> str:
    return input(f"{text}{f' [{default}]' if default else ''}: ") or default


def show_configured(written: Sequence[Path], plan: Sequence[str], inventory: str) -> None:
    """What was written, what provisioning would create, and the next steps."""
    out = console()
    for path in written:
        out.print(f"written: {path}", markup=False)
    out.print("site.yml would create in AWS, and nothing is created yet:", markup=False)
    for line in plan:
        out.print(f"  - {line}", markup=False)
    out.print(f"Next: ./inv cost --inventory {inventory}", markup=False)
    out.print(
        f"      ansible-playbook -i {inventory} playbooks/provision.yml --check --diff   # the plan", markup=False
    )
    out.print(f"      ansible-playbook -i {inventory} site.yml", markup=False)


def show_costs(lines: Sequence[Line], price: Mapping[str, Any], variables: Mapping[str, Any], *, json: bool) -> None:
    """The table of costs, and what it rests on."""
    total = round(sum(line.dollars for line in lines), 2)
    cap = float(variables["aws_watch_budget_dollars"])
    if json:
        print(_as_json(lines, total, price))
        return
    table = Table("what", "how", "US dollars a month")
    for line in lines:
        table.add_row(line.what, line.how, f"{line.dollars:.2f}")
    table.add_row("together", f"the cap is {cap:g}", f"{total:.2f}")
    out = console()
    out.print(table)
    out.print(f"Prices of {price['as_of']}, {price['region']}: {price['source']}.", markup=False)
    if cap and total > cap:
        out.print("This is more than the cap: AWS will write before the month is over.", markup=False)


def show_doomed(doomed: Sequence[Doomed], stem: str) -> None:
    """What destroy removes."""
    out = console()
    if not doomed:
        out.print(f"there is nothing of {stem}", markup=False)
    for one in doomed:
        out.print(f"{one.kind}: {one.name}", markup=False)


def show_changes(changes: Sequence[Change], database: str) -> None:
    """What would be made, and what would be mended in what way."""
    out = console()
    if not changes:
        out.print(f"nothing to do: {database} is as the lake is", markup=False)
    for change in changes:
        out.print(f"{'mend' if change.differences else 'make'} {change.what}", markup=False)
        for line in change.differences:
            out.print(f"  {line}", markup=False)


def _as_json(lines: Sequence[Line], total: float, price: Mapping[str, Any]) -> str:
    rows = [asdict(line) for line in lines]
    return json.dumps({"lines": rows, "dollars": total, "prices_of": price["as_of"]}, indent=2)
