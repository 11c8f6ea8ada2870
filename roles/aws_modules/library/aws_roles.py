#!/usr/bin/python
"""Ansible module: IAM roles with exactly one inline policy each."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_roles
short_description: IAM roles with exactly the policy given
description:
  - Makes roles with one inline policy, and takes off every other policy that somebody attached.
  - A role with C(profile) gets an instance profile of its own name.
options:
  roles:
    description: Roles with C(name), C(description), C(trust), C(policy) and C(profile).
    type: list
    elements: dict
    required: true
  absent:
    description: Names of roles that are removed.
    type: list
    elements: str
    default: []
  tags:
    description: Tags of every resource; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Make the roles
  aws_roles:
    roles: "{{ __aws_identity_roles }}"
    tags: "{{ __aws_names.tags }}"
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.identity import ensure_roles

    return ensure_roles(here, **arguments, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
