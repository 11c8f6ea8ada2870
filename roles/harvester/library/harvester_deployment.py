#!/usr/bin/python
"""Ansible module: what is deployed on a host, the one switch between deployments, their removal, and what runs late."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: harvester_deployment
short_description: State, switch and removal of harvester deployments
description:
  - A deployment is a pair of a release and a configuration generation, C(<release>-<configuration hash>).
    Its folder below C(<root>/deployments) holds links to both and never changes.
  - C(<root>/current) links to one of them, so code and configuration change together in one atomic rename.
options:
  root: {description: Folder of releases and deployments., type: path, required: true}
  generations: {description: Folder of configuration generations., type: path, required: true}
  current: {description: Deployment to switch to; nothing is switched without it., type: str, default: ""}
  previous:
    description: Deployment to remember as the previous one, empty for none; default the one left.
    type: str
  keep:
    description: If set, remove what is neither current nor previous nor among this many others, the youngest.
    type: int
  spare: {description: Release that stays in any case., type: str, default: ""}
  spare_wheelhouse: {description: The one wheelhouse that stays., type: str, default: ""}
  units:
    description:
      - Units that are to be enabled and active, or, where C(disabled) is true, neither.
      - They are compared with the host after the switch; nothing is done to them.
    type: list
    elements: dict
    default: []
  status_file: {description: The recorder's published state., type: path}
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Look at what is deployed
  harvester_deployment:
    root: /opt/harvester
    generations: /etc/harvester/generations
"""

RETURN = r"""
current: {description: Name of the current deployment or an empty string., returned: always, type: str}
previous: {description: Name of the previous deployment or an empty string., returned: always, type: str}
releases: {description: Complete releases., returned: always, type: list, elements: str}
wheelhouses: {description: Wheelhouses present., returned: always, type: list, elements: str}
reload:
  description: Whether systemd has yet to read files of O(units) that changed on disk.
  returned: always
  type: bool
outdated:
  description: Services among O(units) that started before C(current) or one of their own files changed.
  returned: always
  type: list
  elements: str
unsettled:
  description: Those of O(units) that are not enabled and active, or not the opposite where C(disabled) is true.
  returned: always
  type: list
  elements: str
unknown: {description: Those of O(units) that systemd has no file of., returned: always, type: list, elements: str}
status: {description: The recorder's state when younger than ten seconds., returned: always, type: dict}
removed: {description: What was removed., returned: always, type: list, elements: str}
"""

COMPLETE = ".complete"
FRESH_SECONDS = 10
PROPERTIES = (
    "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic,FragmentPath,DropInPaths"
)
UNIT = {"name": {"type": "str", "required": True}, "disabled": {"type": "bool", "default": False}}


def linked(link: Path) -> str:
    """The name that a link points to, or an empty string: read from the link, never guessed from times."""
    return link.readlink().name if link.is_symlink() else ""


def plan_removal(deployments: list[str], *, stays: set[str], keep: int) -> list[str]:
    """Deployments to remove. They come oldest first; those that stay do not count among the kept ones."""
    others = [name for name in deployments if name not in stays]
    return others[: max(0, len(others) - keep)]


def release_of(deployment: str) -> str:
    return deployment.rpartition("-")[0]


def by_age(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    return sorted(found, key=lambda path: (path.lstat().st_mtime_ns, path.name))


def replace_link(link: Path, target: str) -> None:
    candidate = link.with_name(f".{link.name}.new")
    candidate.unlink(missing_ok=True)
    candidate.symlink_to(target)
    candidate.replace(link)


def fresh_status(path: str | None) -> dict:
    """The recorder's state; empty when it is not there, unreadable or old: the recorder is not at work then."""
    with contextlib.suppress(OSError, ValueError):
        file = Path(path or "/nonexistent")
        if time.time() - file.stat().st_mtime < FRESH_SECONDS:
            return json.loads(file.read_bytes())
    return {}


def show_units(module: AnsibleModule, names: list[str]) -> dict[str, dict[str, str]]:
    """Properties of each unit, as systemd answers them in the order of the question."""
    if not names:
        return {}
    _, out, _ = module.run_command(["systemctl", "show", "--property", PROPERTIES, *names], check_rc=True)
    blocks = [block for block in out.split("\n\n") if block.strip()]
    rows = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return dict(zip(names, rows, strict=True))


def is_outdated(unit: dict[str, str], current: Path) -> bool:
    """Whether a service started before a file that it reads changed: decided from the host, not from what a run did."""
    if not unit["Id"].endswith(".service") or unit["ActiveState"] in ("inactive", "failed"):
        return False  # a timer takes a new file at daemon-reload; what does not run will read the new ones
    if unit["ActiveState"] not in ("active", "reloading"):
        return True  # on its way up since an unknown time
    age = time.clock_gettime(time.CLOCK_MONOTONIC) - int(unit["ActiveEnterTimestampMonotonic"]) / 1e6
    paths = map(Path, [str(current), unit["FragmentPath"], *unit["DropInPaths"].split()])
    changes = (path.lstat().st_mtime for path in paths if path.is_symlink() or path.is_file())
    return max(changes, default=0.0) > time.time() - age


def is_settled(unit: dict[str, str], *, disabled: bool) -> bool:
    enabled, state = unit["UnitFileState"] == "enabled", unit["ActiveState"]
    return not enabled and state in ("inactive", "failed") if disabled else enabled and state in ("active", "reloading")


def compare_units(units: dict[str, dict[str, str]], wanted: list[dict], current: Path) -> dict:
    settled = {unit["name"]: is_settled(units[unit["name"]], disabled=unit["disabled"]) for unit in wanted}
    return {
        "reload": any(unit["NeedDaemonReload"] == "yes" for unit in units.values()),
        "outdated": [name for name, unit in units.items() if is_outdated(unit, current)],
        "unsettled": [name for name in units if not settled[name]],
        "unknown": [name for name, unit in units.items() if unit["LoadState"] == "not-found"],
    }


class Deployments:
    def __init__(self, root: Path, generations: Path) -> None:
        self.root, self.generations, self.folder = root, generations, root / "deployments"

    def state(self) -> dict:
        complete = [path.name for path in by_age(self.root / "releases") if (path / COMPLETE).is_file()]
        return {
            "current": linked(self.root / "current"),
            "previous": linked(self.root / "previous"),
            "releases": complete,
            "wheelhouses": [path.stem for path in by_age(self.root / "wheelhouse")],
        }

    def ensure(self, name: str) -> None:
        """The folder of a deployment, made under another name and renamed when whole."""
        folder = self.folder / name
        if folder.is_dir():
            return
        candidate = self.folder / f".{name}"
        shutil.rmtree(candidate, ignore_errors=True)
        candidate.mkdir(mode=0o755, parents=True)
        (candidate / "release").symlink_to(self.root / "releases" / release_of(name))
        (candidate / "bin").symlink_to("release/bin")
        (candidate / "config.json").symlink_to(self.generations / f"config-{name.rpartition('-')[2]}.json")
        candidate.rename(folder)

    def switch(self, current: str, previous: str) -> None:
        self.ensure(current)
        if not previous:
            (self.root / "previous").unlink(missing_ok=True)
        elif previous != current:
            replace_link(self.root / "previous", f"deployments/{previous}")
        replace_link(self.root / "current", f"deployments/{current}")

    def surplus(self, keep: int, spare: str, wheelhouse: str) -> list[Path]:
        """What can go: deployments by the plan, then releases and configurations that no deployment needs."""
        state = self.state()
        deployments = [path.name for path in by_age(self.folder)]
        gone = plan_removal(deployments, stays={state["current"], state["previous"]}, keep=keep)
        kept = set(deployments) - set(gone) | {state["current"]}
        releases = {release_of(name) for name in kept} | {spare}
        configurations = {f"config-{name.rpartition('-')[2]}.json" for name in kept}
        return [
            *(self.folder / name for name in gone),
            *(path for path in by_age(self.root / "releases") if path.name not in releases),
            *(path for path in by_age(self.generations) if path.name not in configurations),
            *(path for path in by_age(self.root / "wheelhouse") if path.suffix == ".tar" and path.stem != wheelhouse),
        ]


def main() -> None:
    text = {"type": "str", "default": ""}
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "generations": {"type": "path", "required": True},
            "current": text,
            "previous": {"type": "str"},
            "keep": {"type": "int"},
            "spare": text,
            "spare_wheelhouse": text,
            "units": {"type": "list", "elements": "dict", "default": [], "options": UNIT},
            "status_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    deployments = Deployments(Path(wanted["root"]), Path(wanted["generations"]))
    before = deployments.state()
    switch = wanted["current"] and wanted["current"] != before["current"]
    if switch and not module.check_mode:
        left = before["current"] if wanted["previous"] is None else wanted["previous"]
        deployments.switch(wanted["current"], left)
    surplus = (
        []
        if wanted["keep"] is None
        else deployments.surplus(wanted["keep"], wanted["spare"], wanted["spare_wheelhouse"])
    )
    for path in [] if module.check_mode else surplus:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    module.exit_json(
        changed=bool(switch or surplus),
        **deployments.state(),
        removed=[path.name for path in surplus],
        **compare_units(
            show_units(module, [unit["name"] for unit in wanted["units"]]),
            wanted["units"],
            deployments.root / "current",
        ),
        status=fresh_status(wanted["status_file"]),
    )


if __name__ == "__main__":
    main()
