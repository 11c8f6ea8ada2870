"""What Ansible and the operator's tasks must know to reach the hosts: an inventory file, also for `-i` as it is."""

import json
import shlex
from pathlib import Path
from typing import Any

from exchange.state import write_file
from lab.base.lookalike import USER
from lab.claims import HostClaim, LabClaim
from lab.keys import USER_KEY, ssh_options
from lab.stand_ins import MOTO_PORT, calendar_file, exchange_folder, read_app_id

INVENTORY = "inventory.json"
GROUP = "harvesters"


def render_inventory(lab: LabClaim, hosts: list[HostClaim]) -> dict[str, Any]:
    """The lab's hosts in the group `harvesters`, with concrete addresses, key files and SSH arguments."""
    return {
        "all": {
            "vars": {
                "lab_state": str(lab.state),
                "lab_address": lab.address,
                "lab_aws_endpoint": f"http://{lab.address}:{MOTO_PORT}",
                "lab_aws_account": lab.aws_account,
                "lab_app_id": read_app_id(lab.state),
                "lab_calendar_file": str(calendar_file(lab.state)),
                "lab_exchange_state": str(exchange_folder(lab.state)),
                "lab_host_names": [host.name for host in hosts],
                "lab_public_key_file": f"{lab.state / USER_KEY}.pub",
            },
            "children": {GROUP: {"hosts": {host.name: _host_variables(lab, host) for host in hosts}}},
        }
    }


def write_inventory(lab: LabClaim, hosts: list[HostClaim]) -> None:
    """Write the inventory where `inventory/lab` finds it."""
    content = json.dumps(render_inventory(lab, hosts), indent=2) + "\n"
    write_file(lab.state / INVENTORY, content.encode(), mode=0o644)


def _host_variables(lab: LabClaim, host: HostClaim) -> dict[str, str]:
    options = [f"-o {key}={shlex.quote(value)}" for key, value in ssh_options(lab.state).items()]
    return {
        "ansible_host": host.address,
        "ansible_user": USER,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(lab.state / USER_KEY),
        "ansible_ssh_common_args": " ".join(options),
        # A master connection must not outlive the host whose address a new one gets.
        "ansible_control_path_dir": str(control_folder(lab)),
        "lab_suite": host.suite,
        "lab_tier": host.tier,
        "lab_variant": host.variant,
    }


def control_folder(lab: LabClaim) -> Path:
    """Where Ansible keeps its master connections to this lab's hosts; short, as socket names must be."""
    return lab.folder / "cp"
