#!/usr/bin/python
"""Ansible module: SSH host keys of new hosts, read from their consoles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_host_keys
short_description: SSH host keys of new hosts, from their consoles
description:
  - Writes the host keys of addresses that the file does not know yet, as the instance printed them to its console.
  - Looks once. C(waiting) names the hosts whose console shows none yet, for C(until).
options:
  hosts:
    description: Instance ids by the name of the host; empty for a host that a check has not made.
    type: dict
    required: true
  addresses:
    description: Addresses by the name of the host. One that is missing or empty is the instance's own public address.
    type: dict
    default: {}
  file:
    description: File of known hosts.
    type: path
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Know the hosts by their keys
  aws_host_keys:
    hosts: {alpha-harvester-production-1: i-0123456789abcdef0}
    addresses: {alpha-harvester-production-1: 203.0.113.10}
    file: ~/.ssh/known_hosts
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.host_keys import ensure_known

    hosts, addresses, file = arguments["hosts"], arguments["addresses"], Path(arguments["file"])
    return ensure_known(here, hosts, addresses, file, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
