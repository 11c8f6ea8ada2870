#!/usr/bin/python
"""Ansible module: what is to be done so that systemd runs our units as their files on disk say."""

from __future__ import annotations

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: harvester_units
short_description: Compares the harvester's units with their files
description:
  - Nothing is changed. A restart is due when a service is older than what it reads, not when a task changed a file.
options:
  current: {description: The link to the current deployment., type: path, required: true}
  units:
    description:
      - Units that are to be enabled and active, or, where C(disabled) is true, neither.
    type: list
    elements: dict
    default: []
  unit_files:
    description: Names of all unit files of ours in O(unit_folder), those of O(units) apart.
    type: list
    elements: str
    default: []
  unit_folder: {description: Where our unit files are., type: path, default: /etc/systemd/system}
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Compare the units with the files that they read
  harvester_units:
    current: /opt/harvester/current
    units: [{name: harvester-recorder.service}]
"""

RETURN = r"""
reload:
  description: Whether systemd has yet to read unit files that changed on disk, or knows none of a file that is there.
  returned: always
  type: bool
outdated:
  description: Services among O(units) that started before C(current) or one of their own files changed.
  returned: always
  type: list
  elements: str
rebuilt:
  description: Those of C(outdated) of which nothing changed but that their release, the same one, was built anew.
  returned: always
  type: list
  elements: str
unsettled:
  description: Those of O(units) that are not enabled and active, or not the opposite where C(disabled) is true.
  returned: always
  type: list
  elements: str
unknown: {description: Units that have no file on disk., returned: always, type: list, elements: str}
foreign: {description: Files of others that change units of ours., returned: always, type: list, elements: str}
"""

PROPERTIES = (
    "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic,FragmentPath,DropInPaths"
)
COMPLETE = ".complete"
"""The marker of a release: it is as old as the release."""
UNIT = {"name": {"type": "str", "required": True}, "disabled": {"type": "bool", "default": False}}


def show_units(module: AnsibleModule, names: list[str]) -> dict[str, dict[str, str]]:
    """Properties of each unit, as systemd answers them in the order of the question."""
    if not names:
        return {}
    _, out, _ = module.run_command(["systemctl", "show", "--property", PROPERTIES, *names], check_rc=True)
    blocks = [block for block in out.split("\n\n") if block.strip()]
    rows = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return dict(zip(names, rows, strict=True))


def is_outdated(unit: dict[str, str], current: Path, *, rebuilt: bool = True) -> bool:
    """Whether a service started before a file that it reads changed: decided from the host, not from what a run did.

    `rebuilt`: its release counts, too, which a deploy builds anew where its files were damaged.
    """
    if not unit["Id"].endswith(".service") or unit["ActiveState"] in ("inactive", "failed"):
        return False  # a timer takes a new file at daemon-reload; what does not run will read the new ones
    if unit["ActiveState"] not in ("active", "reloading"):
        return True  # on its way up since an unknown time
    age = time.clock_gettime(time.CLOCK_MONOTONIC) - int(unit["ActiveEnterTimestampMonotonic"]) / 1e6
    paths = [current, *map(Path, [unit["FragmentPath"], *unit["DropInPaths"].split()])]
    paths += [current / "release" / COMPLETE] if rebuilt else []
    changes = (path.lstat().st_mtime for path in paths if path.is_symlink() or path.is_file())
    return max(changes, default=0.0) > time.time() - age


def is_settled(unit: dict[str, str], *, disabled: bool) -> bool:
    enabled, state = unit["UnitFileState"] == "enabled", unit["ActiveState"]
    return not enabled and state in ("inactive", "failed") if disabled else enabled and state in ("active", "reloading")


def has_file(name: str, unit: dict[str, str], folder: Path) -> bool:
    """Whether a unit's file is on disk, whatever systemd has read; the link to /dev/null of a masked one is none."""
    loaded, own = unit.get("FragmentPath", ""), folder / name
    if unit.get("LoadState") == "loaded" and (not loaded or Path(loaded) != own):
        return not loaded or Path(loaded).is_file()
    return own.is_file()


def must_reload(unit: dict[str, str]) -> bool:
    """Whether systemd has to read a unit's file again: it says so of a file that it has read, and not of any other.

    A unit that ran while its file was missing stays unknown (`not-found`); a start from a new file fails (`error`).
    """
    return unit["NeedDaemonReload"] == "yes" or unit["LoadState"] != "loaded"


def foreign_files(name: str, unit: dict[str, str], folder: Path) -> list[str]:
    """Files of others that count before a unit's own; not those for all units of a kind, such as service.d."""
    found = {*unit.get("DropInPaths", "").split(), *map(str, folder.glob(f"{name}.d/*.conf"))}
    if (loaded := unit.get("FragmentPath", "")) and Path(loaded).name == name and Path(loaded).parent != folder:
        found.add(loaded)
    return sorted(
        path for path in found if Path(path).parent.name != f"{name.rpartition('.')[2]}.d" and Path(path).exists()
    )


def compare_units(
    units: dict[str, dict[str, str]], wanted: list[dict], names: list[str], paths: dict[str, Path]
) -> dict:
    """What is to be done to the wanted units; `units` are properties of these and of other units of ours (`names`)."""
    settled = {unit["name"]: is_settled(units[unit["name"]], disabled=unit["disabled"]) for unit in wanted}
    files = {name: has_file(name, units.get(name, {}), paths["units"]) for name in (*settled, *names)}
    outdated = [name for name in settled if is_outdated(units[name], paths["current"])]
    return {
        "reload": any(must_reload(unit) for name, unit in units.items() if files[name]),
        "outdated": outdated,
        "rebuilt": [name for name in outdated if not is_outdated(units[name], paths["current"], rebuilt=False)],
        "unsettled": [name for name in settled if not settled[name]],
        "unknown": [name for name, there in files.items() if not there],
        "foreign": [file for name in files for file in foreign_files(name, units.get(name, {}), paths["units"])],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "current": {"type": "path", "required": True},
            "units": {"type": "list", "elements": "dict", "default": [], "options": UNIT},
            "unit_files": {"type": "list", "elements": "str", "default": []},
            "unit_folder": {"type": "path", "default": "/etc/systemd/system"},
        },
        supports_check_mode=True,
    )
    units, files = module.params["units"], module.params["unit_files"]
    # systemd shows no template, such as harvester-close@.service.
    names = [name for name in [*(unit["name"] for unit in units), *files] if "@." not in name]
    shown = show_units(module, list(dict.fromkeys(names)))
    paths = {"units": Path(module.params["unit_folder"]), "current": Path(module.params["current"])}
    module.exit_json(changed=False, **compare_units(shown, units, files, paths))


if __name__ == "__main__":
    main()
