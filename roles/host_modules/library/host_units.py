#!/usr/bin/python
"""Ansible module: systemd units enabled, running, and started after the files they depend on last changed."""

from __future__ import annotations

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_units
short_description: systemd units enabled, running and up to date, in one round trip
description:
  - Reloads systemd when a unit file on disk is newer than what it has loaded.
  - Enables and starts units, and restarts those that started before one of their files changed.
  - Disables and stops units that are to be disabled.
  - The decision is taken from the state of the host, so a change whose restart was lost is made good by the next run.
options:
  units:
    description:
      - Units with C(name), C(enabled) (default true), C(started) (default true), C(files) and C(disabled)
        (default false), which overrules the others.
      - C(files) are paths that the unit reads at its start; its own unit file and drop-ins always count.
    type: list
    elements: dict
    required: true
  frozen:
    description: If not empty, the reason for which a running unit must not be restarted now.
    type: str
    default: ""
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Run fail2ban with the current jails
  host_units:
    units:
      - {name: fail2ban.service, files: [/etc/fail2ban/jail.d/host.local]}
"""

RETURN = r"""
enabled:
  description: Units that were enabled.
  returned: always
  type: list
  elements: str
stopped:
  description: Units that were disabled and stopped.
  returned: always
  type: list
  elements: str
started:
  description: Units that were started or restarted.
  returned: always
  type: list
  elements: str
"""

PROPERTIES = (
    "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic,FragmentPath,DropInPaths"
)
UNIT = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool", "default": True},
    "started": {"type": "bool", "default": True},
    "files": {"type": "list", "elements": "path", "default": []},
    "disabled": {"type": "bool", "default": False},
}


def show(module: AnsibleModule, names: list[str]) -> dict[str, dict[str, str]]:
    """Properties of each unit, as systemd answers them in the order of the question."""
    _, out, _ = module.run_command(["systemctl", "show", "--property", PROPERTIES, *names], check_rc=True)
    blocks = [block for block in out.split("\n\n") if block.strip()]
    rows = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return dict(zip(names, rows, strict=True))


def started_at(properties: dict[str, str]) -> float:
    """Unix time at which the unit became active."""
    age = time.clock_gettime(time.CLOCK_MONOTONIC) - int(properties["ActiveEnterTimestampMonotonic"]) / 1e6
    return time.time() - age


def newest_change(paths: list[str]) -> float:
    found = [path for path in map(Path, paths) if path.is_symlink() or path.exists()]
    return max((path.lstat().st_mtime for path in found), default=0.0)


def is_stale(properties: dict[str, str], files: list[str]) -> bool:
    own = [properties["FragmentPath"], *properties["DropInPaths"].split()]
    # Timers, sockets and mounts take a new unit file at daemon-reload; only a service has to start again.
    if not properties["Id"].endswith(".service"):
        own = []
    return newest_change([path for path in own + files if path]) > started_at(properties)


def wants(unit: dict, what: str) -> bool:
    return unit[what] and not unit["disabled"]


def needs_enable(properties: dict[str, str]) -> bool:
    return properties["UnitFileState"] in ("disabled", "")


def is_on(properties: dict[str, str]) -> bool:
    return properties["UnitFileState"] == "enabled" or properties["ActiveState"] not in ("inactive", "failed")


def act(module: AnsibleModule, verb: str, names: list[str]) -> None:
    if not names or module.check_mode:
        return
    code, out, error = module.run_command(["systemctl", verb, *names])
    if code:
        _, log, _ = module.run_command(
            ["journalctl", "--no-pager", "-n", "15", "-o", "cat", *[f"-u{n}" for n in names]]
        )
        module.fail_json(
            msg=f"systemctl {verb} {' '.join(names)} failed: {out}{error}\nThe last lines of its log:\n{log}"
        )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "required": True, "options": UNIT},
            "frozen": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    units = {unit["name"]: unit for unit in module.params["units"]}
    state = show(module, list(units))
    if any(
        properties["NeedDaemonReload"] == "yes" or properties["LoadState"] == "not-found"
        for properties in state.values()
    ):
        act(module, "daemon-reload", ["--no-ask-password"])
        state = show(module, list(units))
    missing = [name for name, unit in units.items() if state[name]["LoadState"] == "not-found" and not unit["disabled"]]
    if missing and not module.check_mode:
        module.fail_json(
            msg=f"this host has no unit {', '.join(missing)}; the package or role that brings it did not run"
        )
    enable = [name for name, unit in units.items() if wants(unit, "enabled") and needs_enable(state[name])]
    wanted = [name for name, unit in units.items() if wants(unit, "started")]
    start = [name for name in wanted if state[name]["ActiveState"] not in ("active", "reloading")]
    restart = [name for name in wanted if name not in start and is_stale(state[name], units[name]["files"])]
    if restart and module.params["frozen"]:
        module.fail_json(msg=f"{', '.join(restart)} must start anew, but not now: {module.params['frozen']}")
    stop = [name for name, unit in units.items() if unit["disabled"] and is_on(state[name])]
    act(module, "disable", stop)
    act(module, "stop", stop)
    act(module, "enable", enable)
    act(module, "restart", start + restart)
    changed = bool(enable or start or restart or stop)
    module.exit_json(changed=changed, enabled=enable, started=start + restart, stopped=stop)


if __name__ == "__main__":
    main()
