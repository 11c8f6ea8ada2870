#!/usr/bin/python
"""Ansible module: the key pair that new hosts are given."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_key_pair
short_description: The key pair of new hosts
description:
  - Imports a public key; another key under the same name is replaced.
options:
  name:
    description: Name of the key pair.
    type: str
    required: true
  public_key:
    description: Public key as in authorized_keys.
    type: str
    required: true
  tags:
    description: Tags of every resource; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Import the key
  aws_key_pair:
    name: alpha-harvester-production
    public_key: "{{ lookup('ansible.builtin.file', '~/.ssh/alpha-harvester.pub') }}"
    tags: {Project: alpha-harvester}
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.key_pair import ensure_key_pair

    return ensure_key_pair(here, **arguments, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
