"""Run a playbook of this repository as an operator would, and say in one paragraph what stopped it.

Nothing secret may be an extra variable: extra variables are arguments, and arguments are visible to every user.
"""

import importlib.util
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from runbook.fleet import inventory
from runbook.fleet.inventory import program

CALLBACKS = Path(__file__).parents[1] / "callbacks"
FAILURE_FILE = "HARVESTER_FAILURE_FILE"
MITOGEN = "ALPHA_HARVESTER_MITOGEN"


class PlaybookError(HarvesterError):
    """A playbook failed; the message names the first task that did, on which host, and why."""


@dataclass(frozen=True)
class Target:
    """Where playbooks run: the repository, an inventory instead of ansible.cfg's, a host pattern within it."""

    root: Path
    inventory: str | None = None
    limit: str | None = None

    def of(self, hosts: Iterable[str]) -> "Target":
        """The same, for these hosts alone."""
        return replace(self, limit=",".join(hosts))


def command(
    name: str,
    target: Target,
    extra_vars: Mapping[str, Any] | None = None,
    *,
    check: bool = False,
    tags: Sequence[str] = (),
) -> list[str]:
    """The argument list that runs `playbooks/<name>.yml`, all of it or what has one of the tags.

    ConfigError when there is no such playbook.
    """
    path = target.root / "playbooks" / f"{name}.yml"
    if not path.exists():
        raise ConfigError(
            f"{path} does not exist, so this step cannot run. Is the checkout complete? See `git status`."
        )
    arguments = [program("ansible-playbook"), str(path.relative_to(target.root))]
    arguments += ["--inventory", target.inventory] if target.inventory else []
    arguments += ["--limit", target.limit] if target.limit else []
    arguments += ["--tags", ",".join(tags)] if tags else []
    arguments += ["--extra-vars", json.dumps(dict(extra_vars), sort_keys=True)] if extra_vars else []
    return [*arguments, "--check", "--diff"] if check else arguments


def run(
    name: str,
    target: Target,
    extra_vars: Mapping[str, Any] | None = None,
    *,
    check: bool = False,
    quiet: bool = False,
    tags: Sequence[str] = (),
) -> None:
    """Run `playbooks/<name>.yml`, its output streaming to the terminal (or kept back when quiet) until it ends.

    PlaybookError when it fails: with host, task, message and the next step.
    """
    with tempfile.TemporaryDirectory(prefix="playbook-") as folder:
        failures = Path(folder) / "failures.jsonl"
        done = subprocess.run(
            command(name, target, extra_vars, check=check, tags=tags),
            cwd=target.root,
            env=environment(failures),
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        lines = failures.read_text("utf-8").splitlines() if failures.exists() else []
    raise PlaybookError(_explain(name, [json.loads(line) for line in lines], done.stdout or ""))


def environment(failures: Path) -> dict[str, str]:
    """The environment of a run: our failure callback, and the mitogen strategy where it is installed and not refused.

    ALPHA_HARVESTER_MITOGEN=0 turns mitogen off; everything works without it, only slower.
    """
    values = inventory.environment()
    plugins = [str(CALLBACKS), *filter(None, [values.get("ANSIBLE_CALLBACK_PLUGINS")])]
    values["ANSIBLE_CALLBACK_PLUGINS"] = ":".join(plugins)
    values[FAILURE_FILE] = str(failures)
    strategies = mitogen_strategies()
    if strategies and "ANSIBLE_STRATEGY" not in values:
        values["ANSIBLE_STRATEGY_PLUGINS"] = strategies
        values["ANSIBLE_STRATEGY"] = "mitogen_linear"
        # at each run Ansible would warn that strategies of others are deprecated; the operator can do nothing about it
        values.setdefault("ANSIBLE_DEPRECATION_WARNINGS", "false")
    return values


def mitogen_strategies() -> str | None:
    """Mitogen's directory of strategy plugins, or None when it is absent or switched off."""
    if os.environ.get(MITOGEN) == "0":
        return None
    found = importlib.util.find_spec("ansible_mitogen")
    if found is None or found.origin is None:
        return None
    directory = Path(found.origin).parent / "plugins" / "strategy"
    return str(directory) if directory.is_dir() else None


def _explain(name: str, failures: list[dict[str, str]], output: str) -> str:
    if not failures:
        tail = " ".join(output.split())[-400:]
        said = f" It said: {tail}" if tail else " Its reason is printed above."
        return f"Playbook {name} did not start properly.{said} Correct that and run the command again."
    first = failures[0]
    others = len({failure["host"] for failure in failures} - {first["host"]})
    more = f" ({others} more host{'s' if others > 1 else ''} failed, too.)" if others else ""
    last = failures[-1]
    if last["message"] != first["message"] and last["host"] == first["host"]:
        more += f" It ended with «{last['task']}»: {last['message'].rstrip('. ')}."
    if first["kind"] == "unreachable":
        remedy = "Run `./inv doctor` to see which part of the connection is at fault."
    else:
        remedy = "Nothing later was done on that host. Correct the cause and run the same command again: it goes on."
    message = first["message"].rstrip(". ")
    return f"Playbook {name} stopped on {first['host']} at «{first['task']}»: {message}.{more} {remedy}"
