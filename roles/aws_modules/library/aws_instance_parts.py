#!/usr/bin/python
"""Ansible module: volume, address and profile of hosts."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_instance_parts
short_description: Volume, metadata, profile and address, which ec2_instance leaves as they are
description:
  - Grows and converts the root volume, tags it, requires IMDSv2, puts the profile on.
  - Gives or takes the Elastic IP.
  - Never shrinks a volume.
options:
  hosts:
    description: Instance ids by host name.
    type: dict
    required: true
  volume_gib:
    description: Smallest size of the root volume in GiB.
    type: int
    required: true
  instance_profile:
    description: Instance profile.
    type: str
    required: true
  elastic_ip:
    description: Whether each host has an Elastic IP.
    type: bool
    required: true
  tags:
    description: Tags of every resource; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Settle the parts of the hosts
  aws_instance_parts:
    hosts: {alpha-harvester-production-1: i-0123456789abcdef0}
    volume_gib: 20
    instance_profile: alpha-harvester-production-host
    elastic_ip: true
    tags: "{{ __aws_names.tags }}"
"""

RETURN = r"""
hosts:
  description: Instance id and public address of each host.
  returned: always
  type: dict
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.instances import ensure_parts

    return ensure_parts(here, **arguments, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
