"""Every command that a message in the source names: which file says it, in which sentence; … is what is filled in."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from harvester import cli

COMMAND = re.compile(
    r"\./inv(?: [a-z][a-z-]+|\b)|(?<![\w/.-])(?:"
    rf"harvester (?:{'|'.join(cli.COMMANDS)})\b|invoke [a-z]"
    r"|(?:sudo|systemctl|apt-get|aws|brew|chmod|chronyc|timedatectl|openssl|ansible(?:-\w+)?) [a-z-]|timedatectl\b"
    r")"
)
"""What makes a message advice: it names one of our commands, or one of the system's."""
GAP = "…"
PYTHON = ("files/harvester/src", "files/runbook/src", "files/lab/src", "files/functions")
YAML = ("playbooks", "roles/*/tasks", "roles/*/vars")
TEMPLATES = ("roles/*/templates", "roles/*/files")
NO_ADVICE = {
    ("harvester/commands/watch.py", "harvester health and"): "a help text",
    ("harvester/health/gather.py", "chronyc gave"): "what happened",
    ("harvester/health/systemd.py", "systemctl"): "what happened",
    ("lab/base/build.py", "--customize-hook"): "an argument of mmdebstrap",
    ("lab/hosts.py", ""): "what a booted host runs",
    ("lab/uml.py", ""): "what is run to make a host's disk",
    ("lab/demo/__init__.py", ""): "what there is to look at when all is well",
    ("lab/demo/host.py", ""): "what the demo does, as it does it",
    ("harvester/application/control.py", "systemctl … … did"): "what happened",
    ("harvester/application/control.py", "systemctl … …: "): "what happened",
    ("playbooks/application.yml", ""): "how the playbook is used",
    ("roles/application/tasks/preflight.yml", "Published on"): "what the role does",
    ("runbook/fleet/deliveries.py", "harvester deliver gave"): "what happened",
    ("runbook/fleet/deliveries.py", "harvester deliver-rows gave"): "what happened",
    ("runbook/pull/rsync.py", "sudo -n rsync"): "an argument of rsync",
    ("runbook/doctor/hosts.py", "…@… answers"): "all is well",
    ("runbook/doctor/hosts.py", "reached as"): "what happened; its remedy names no command",
    ("runbook/doctor/machine.py", "ansible-core is not"): "what happened; its remedy names no command",
    ("runbook/tasks/options.py", "…=1"): "how to see where a defect is",
    ("runbook/tasks/presentation.py", "Next: "): "the next step when all is well",
    ("runbook/tasks/presentation.py", "ansible-playbook"): "the next step when all is well",
    ("runbook/tasks/presentation.py", "./inv site"): "the next step when all is well",
    ("runbook/tasks/program.py", ""): "how to find the right word",
    ("inv", "flock"): "what happens; nothing is to be done",
    ("playbooks/status.yml", ""): "what the playbook runs",
    ("roles/host_baseline/tasks/clock.yml", ""): "what the role runs",
    ("roles/harvester/templates/harvester.sh.j2", ""): "what the program runs",
}
"""What names a command and is no remedy: a file, how the text begins (with nothing: all of it), and what it is."""


class Saying(NamedTuple):
    """A sentence of the source with a command in it."""

    file: str
    text: str


def plain(text: str) -> str:
    """As one line without the marks around commands."""
    return " ".join(text.replace("`", "").split())


def sayings(root: Path) -> Iterator[Saying]:
    """All of them, by file."""
    for folder in PYTHON:
        for path in sorted((root / folder).rglob("*.py")):
            yield from _of(_name(path, root), _python(path))
    for pattern in YAML:
        for path in sorted(found for folder in root.glob(pattern) for found in folder.rglob("*.yml")):
            yield from _of(_name(path, root), _scalars(yaml.safe_load(path.read_text("utf-8"))))
    for pattern in TEMPLATES:
        files = (found for folder in root.glob(pattern) for found in folder.rglob("*") if found.is_file())
        for path in sorted(found for found in files if found.suffix != ".pyc"):
            yield from _of(_name(path, root), _lines(path))
    yield from _of("inv", (line for line in _lines(root / "inv") if "say " in line))


def _name(path: Path, root: Path) -> str:
    return re.sub(r"^files/(?:\w+/src/)?", "", path.relative_to(root).as_posix())


def _of(name: str, texts: Iterator[str]) -> Iterator[Saying]:
    left_out = tuple(begin for file, begin in NO_ADVICE if file == name)
    for text in map(plain, texts):
        if COMMAND.search(text) and not text.startswith(left_out):
            yield Saying(name, text)


def _python(path: Path) -> Iterator[str]:
    """Texts of a module, those put together of parts with the parts left out; no docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))
        if isinstance(node, ast.JoinedStr) and id(node) not in inside:
            inside |= {id(part) for part in node.values}
            yield "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield re.sub(r"\{\{.*?\}\}", GAP, value, flags=re.DOTALL)
    for each in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        yield from _scalars(each)


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines():
        if not line.lstrip().startswith("#"):
            yield re.sub(r"\{\{.*?\}\}", GAP, line)
