#!/usr/bin/python
"""Ansible module: the bucket with all its settings."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_bucket
short_description: A bucket, closed to the public, with policy and lifecycle
description:
  - Versioned, encrypted, owned by the account, closed to the public, with exactly this policy and these rules.
options:
  name:
    description: Name of the bucket.
    type: str
    required: true
  policy:
    description: Policy document.
    type: dict
    required: true
  lifecycle:
    description: Lifecycle rules as the API takes them.
    type: list
    elements: dict
    required: true
  tags:
    description: Tags of every resource; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Make the bucket
  aws_bucket:
    name: "{{ __aws_names.bucket }}"
    policy: "{{ __aws_storage_policy }}"
    lifecycle: "{{ __aws_storage_lifecycle }}"
    tags: "{{ __aws_names.tags }}"
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.bucket import ensure_bucket

    return ensure_bucket(here, region=here.region, **arguments, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
