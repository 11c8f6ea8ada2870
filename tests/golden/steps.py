"""Tasks that setting a host up does not reach, as they are written: those of playbooks, of the roles' other steps, and
what only a failure runs.

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
QUIET = ("assert", "debug", "fail", "stat", "find", "meta", "include_tasks", "import_tasks", "import_role")
"""Modules that change nothing, and have no answer that is not a condition's."""


def make(reached: Collection[tuple[str, str]]) -> str:
    """A line for each task, play and block; `reached` has role and name of those that are rendered elsewhere."""
    lines = [line for path in sorted(ROOT.glob("playbooks/*.yml")) for line in _lines(path, ())]
    for role in sorted({role for role, _ in reached}):
        names = {name for owner, name in reached if owner == role}
        lines += [line for path in sorted((ROOT / "roles" / role).glob("tasks/*.yml")) for line in _lines(path, names)]
    return "".join(lines)


def _lines(path: Path, left_out: Collection[str]) -> Iterator[str]:
    where = path.relative_to(ROOT).as_posix().removeprefix("roles/")
    for part in yaml.safe_load(path.read_text("utf-8")) or ():
        for task in _described(part):
            modules = [key for key in task if "." in key or key in ("harvester_deployment", "harvester_units")]
            said = {key: task[key] for key in (*modules, *SHOWN) if key in task}
            is_quiet = any(each.rpartition(".")[2] in QUIET for each in modules)
            if said and not is_quiet and task.get("name") not in left_out:
                yield f"{where}: {task['name']}: {json.dumps(said, ensure_ascii=False)}\n"


def _described(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A play, block or task, and those inside it."""
    yield part
    for key in INSIDE:
        for each in part.get(key, ()):
            yield from _described(each)
