"""Tasks that setting a host up does not reach, as they are written: those of playbooks, of the roles' other steps, and
what only a failure runs. Of tasks that it does reach, what is around their module: as whom, how often, what counts.

Conditions are not of this list: `operator/test_conditions_of_{roles,playbooks}.py` has each.
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
INSIDE = ("pre_tasks", "tasks", "post_tasks", "block", "rescue", "always")
SHOWN = (
    "hosts", "gather_facts", "serial", "any_errors_fatal", "loop", "become", "delegate_to", "environment", "check_mode",
    "changed_when", "failed_when", "ignore_errors", "no_log", "diff", "until", "retries", "delay", "notify", "run_once",
)  # fmt: skip
"""What of a play, a block or a task counts besides its module."""
AROUND = (
    "delegate_to", "environment", "changed_when", "failed_when", "ignore_errors", "until", "retries", "delay",
    "run_once",
)  # fmt: skip
"""The same of a task whose result is listed elsewhere, but that of `operator/test_checks_of_roles.py`."""
QUIET = ("assert", "debug", "fail", "stat", "find", "meta", "include_tasks", "import_tasks", "import_role")
"""Modules that change nothing, and have no answer that is not a condition's."""


def make(reached: Collection[tuple[str, str]]) -> str:
    """A line for each task, play and block; `reached` has role and name of those that are rendered elsewhere."""
    lines = [line for path in sorted(ROOT.glob("playbooks/*.yml")) for line in _lines(path, ())]
    for role in sorted({role for role, _ in reached}):
        names = {name for owner, name in reached if owner == role}
        for kind in ("handlers", "tasks"):
            lines += [line for path in sorted(ROOT.glob(f"roles/{role}/{kind}/*.yml")) for line in _lines(path, names)]
    return "".join(lines)


def _lines(path: Path, reached: Collection[str]) -> Iterator[str]:
    where = path.relative_to(ROOT).as_posix().removeprefix("roles/")
    for part in yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) or ():
        for task, becomes in _described(part, become=False):
            modules = [key for key in task if "." in key or key in ("harvester_deployment", "harvester_units")]
            if any(each.rpartition(".")[2] in QUIET for each in modules):
                continue
            if task.get("name") in reached:
                said = {key: task[key] for key in AROUND if key in task}
                said |= {"become": becomes} if modules and not becomes else {}
            else:
                said = {key: task[key] for key in (*modules, *SHOWN) if key in task}
            if said:
                yield f"{where}: {task['name']}: {json.dumps(said, ensure_ascii=False)}\n"


def _described(part: dict[str, Any], *, become: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """A play, block or task, and those inside it, each with whether it is root's."""
    become = part.get("become", become)
    yield part, become
    for key in INSIDE:
        for each in part.get(key, ()):
            yield from _described(each, become=become)
