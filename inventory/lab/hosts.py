#!/usr/bin/env python3
"""Inventory of the lab on this machine: what `lab up` wrote, or a placeholder while there is no lab.

LAB_STATE names another lab than the checkout's own, as test scenarios do.
"""

import json
import os
from pathlib import Path
from typing import Any

STATE = Path(os.environ.get("LAB_STATE") or Path(__file__).resolve().parents[2] / ".lab").resolve()
NO_HOST = "there-is-no-lab-run-inv-lab-up.invalid"
# Enough for `ansible-inventory` and `--syntax-check`; a connection fails at once, with a name that says what to do.
WITHOUT_A_LAB: dict[str, Any] = {
    "all": {
        "vars": {
            "lab_state": str(STATE),
            "lab_address": "198.51.100.1",
            "lab_aws_endpoint": "http://198.51.100.1:5000",
            "lab_aws_account": False,
            "lab_app_id": None,
            "lab_calendar_file": str(STATE / "calendar.json"),
            "lab_exchange_state": str(STATE / "exchange"),
            "lab_host_names": ["h1"],
            "lab_public_key_file": str(STATE / "id_ed25519.pub"),
        },
        "children": {"harvesters": {"hosts": {"h1": {"ansible_host": NO_HOST, "ansible_user": "ubuntu"}}}},
    }
}


def read_inventory() -> dict[str, Any]:
    """The inventory file of the lab, in the form of Ansible's YAML inventories."""
    try:
        inventory: dict[str, Any] = json.loads((STATE / "inventory.json").read_bytes())
    except FileNotFoundError:
        return WITHOUT_A_LAB
    return inventory


def as_script_output(inventory: dict[str, Any]) -> dict[str, Any]:
    """The same inventory in the form that Ansible expects from a program."""
    everything = inventory["all"]
    groups = {name: group["hosts"] for name, group in everything["children"].items()}
    return {
        "_meta": {"hostvars": {host: variables for hosts in groups.values() for host, variables in hosts.items()}},
        "all": {"children": list(groups), "vars": everything["vars"]},
        **{name: {"hosts": list(hosts)} for name, hosts in groups.items()},
    }


if __name__ == "__main__":
    print(json.dumps(as_script_output(read_inventory())))
