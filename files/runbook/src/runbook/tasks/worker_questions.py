"""configure --worker at a terminal: the questions, what they led to, and what comes next."""

import tempfile
from pathlib import Path

from harvester.base.errors import ConfigError
from runbook.console.asking import FileAsker, TerminalAsker
from runbook.console.terminal import console
from runbook.tasks.here import ROOT, hosts_of
from runbook.workers.questions import Questions
from runbook.workers.trying import Remotes
from runbook.workers.writing import next_steps, places_for, read_known, write

OTHERWISE = "Give the answers in a file: ./inv configure --worker --answers FILE."


def configure_worker(answers: str | None, inventory: str, host: str | None) -> None:
    """Ask about a worker and its overseer, a host of this inventory, and write it. Raises ConfigError."""
    if not (ROOT / inventory).is_dir():
        raise ConfigError(f"{inventory} is no directory with an inventory. Correct --output (default: inventory/aws).")
    hosts = hosts_of(inventory, host, named=True)
    if len(hosts) > 1:
        named = ", ".join(each.name for each in hosts)
        raise ConfigError(f"Several hosts could watch the worker. Give --host with one of them: {named}.")
    asker = FileAsker.read(Path(answers)) if answers else TerminalAsker(_say, OTHERWISE)
    [overseer] = hosts
    places = places_for(ROOT / inventory, overseer.name)
    known = read_known(overseer, places)
    with tempfile.TemporaryDirectory(prefix="worker-") as folder:
        given = Questions(asker, _say, overseer, Remotes(ROOT, Path(folder)), known).ask_all()
    if isinstance(asker, FileAsker):
        asker.refuse_unused()
    written = write(given, overseer, known, places)
    for path in written:
        _say(f"written: {path}")
    if not written:
        _say("Nothing changed.")
    for line in given.untried:
        _say(f"not tried: {line}")
    for step in next_steps(given, overseer, places, inventory, written):
        _say(f"next: {step}")


def _say(line: str) -> None:
    console().print(line, markup=False)
