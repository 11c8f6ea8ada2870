#!/usr/bin/python
"""Ansible module: what is deployed on a host, the one switch between deployments, and their removal."""

from __future__ import annotations

import contextlib
import json
import os
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
    description: Deployment to remember as the previous one, empty for none; default the one left if it is proven.
    type: str
  proven: {description: Deployment that has proven itself., type: str, default: ""}
  keep:
    description: If set, remove what is neither current nor previous nor among this many others, the youngest.
    type: int
  spare: {description: Release that stays in any case., type: str, default: ""}
  spare_wheelhouse: {description: The one wheelhouse that stays., type: str, default: ""}
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
unproven: {description: Deployments that have not yet proven themselves., returned: always, type: list, elements: str}
broken: {description: Whether C(current) leads to no program., returned: always, type: bool}
status: {description: The recorder's state when younger than ten seconds., returned: always, type: dict}
removed: {description: What was removed., returned: always, type: list, elements: str}
"""

COMPLETE = ".complete"
TRIAL = ".trial"
"""In a deployment's folder from its making until it has proven itself; there is no way back to one that has it."""
FRESH_SECONDS = 10


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


def points_to(link: Path, target: str) -> bool:
    return link.is_symlink() and str(link.readlink()) == target


def replace_link(link: Path, target: str) -> None:
    """Point the link there, if it does not yet, by one rename."""
    if not points_to(link, target):
        candidate = link.with_name(f".{link.name}.{time.time_ns()}")
        candidate.symlink_to(target)
        candidate.replace(link)


def remove(path: Path) -> None:
    """Remove a folder or file; what is immutable inside stays, and goes when it is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def fresh_status(path: str | None) -> dict:
    """The recorder's state; empty when it is not there, unreadable or old: the recorder is not at work then."""
    with contextlib.suppress(OSError, ValueError):
        file = Path(path or "/nonexistent")
        if time.time() - file.stat().st_mtime < FRESH_SECONDS:
            return json.loads(file.read_bytes())
    return {}


class Deployments:
    def __init__(self, root: Path, generations: Path) -> None:
        self.root, self.generations, self.folder = root, generations, root / "deployments"

    def state(self) -> dict:
        complete = [path.name for path in by_age(self.root / "releases") if (path / COMPLETE).is_file()]
        return {
            "current": linked(self.root / "current"),
            "previous": linked(self.root / "previous"),
            "releases": complete,
            "unproven": [path.name for path in by_age(self.folder) if (path / TRIAL).exists()],
            "broken": not os.access(self.root / "current/bin/harvester", os.X_OK),
        }

    def links(self, name: str) -> dict[str, str]:
        """What a deployment's folder holds: links by name, and where each leads."""
        configuration = self.generations / f"config-{name.rpartition('-')[2]}.json"
        release = self.root / "releases" / release_of(name)
        return {"release": str(release), "bin": "release/bin", "config.json": str(configuration)}

    def is_right(self, name: str) -> bool:
        """Whether `current` and the folder of this deployment lead where they must."""
        inside = all(points_to(self.folder / name / link, target) for link, target in self.links(name).items())
        return inside and points_to(self.root / "current", f"deployments/{name}")

    def ensure(self, name: str) -> None:
        """The folder of a deployment, made under another name and renamed when whole; one that is there is repaired."""
        folder = self.folder / name
        if not folder.is_dir() or folder.is_symlink():
            if folder.is_symlink() or folder.exists():
                folder.rename(self.folder / f".{name}.displaced-{time.time_ns()}")
            candidate = self.folder / f".{name}.{time.time_ns()}"
            candidate.mkdir(mode=0o755, parents=True)
            (candidate / TRIAL).touch()
            candidate.rename(folder)
        for link, target in self.links(name).items():
            replace_link(folder / link, target)

    def left_by(self, current: str, state: dict) -> str:
        """The previous deployment after a switch: the one left, or, where that never was well, the one before."""
        left = state["current"]
        return state["previous"] if current == left or left in state["unproven"] else left

    def switch(self, current: str, previous: str) -> None:
        self.ensure(current)
        if previous in ("", current):
            (self.root / "previous").unlink(missing_ok=True)
        else:
            replace_link(self.root / "previous", f"deployments/{previous}")
        replace_link(self.root / "current", f"deployments/{current}")

    def prove(self, name: str, *, check: bool) -> bool:
        """Whether a deployment was unproven until now."""
        trial = self.folder / name / TRIAL
        if not (name and trial.exists()):
            return False
        if not check:
            trial.unlink()
        return True

    def surplus(self, keep: int, spare: str, wheelhouse: str) -> list[Path]:
        """What can go: deployments by the plan, then releases and configurations that no deployment needs."""
        state = self.state()
        deployments = [path.name for path in by_age(self.folder)]
        gone = plan_removal(deployments, stays={state["current"], state["previous"]}, keep=keep)
        kept = set(deployments) - set(gone) | {name for name in (state["current"], state["previous"]) if name}
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
            "proven": text,
            "keep": {"type": "int"},
            "spare": text,
            "spare_wheelhouse": text,
            "status_file": {"type": "path"},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    deployments = Deployments(Path(wanted["root"]), Path(wanted["generations"]))
    before = deployments.state()
    switch = wanted["current"] and not deployments.is_right(wanted["current"])
    if switch and not module.check_mode:
        left = deployments.left_by(wanted["current"], before) if wanted["previous"] is None else wanted["previous"]
        try:
            deployments.switch(wanted["current"], left)
        except OSError as error:
            module.fail_json(
                msg=f"{error}: {wanted['current']} cannot be made current. ./inv deploy clears the way for it."
            )
    proven = deployments.prove(wanted["proven"], check=module.check_mode)
    surplus = (
        []
        if wanted["keep"] is None
        else deployments.surplus(wanted["keep"], wanted["spare"], wanted["spare_wheelhouse"])
    )
    for path in [] if module.check_mode else surplus:
        remove(path)
    module.exit_json(
        changed=bool(switch or surplus or proven),
        **deployments.state(),
        removed=[path.name for path in surplus],
        status=fresh_status(wanted["status_file"]),
    )


if __name__ == "__main__":
    main()
