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
  account_wide:
    description: The account's settings, too; closed to the public, disks encrypted, an analyzer where there is none.
    type: dict
    options:
      account: {type: str, required: true}
      analyzer: {type: str, required: true}
  lock_days:
    description: Days for which new versions cannot be removed (Object Lock, governance). 0 means not.
    type: int
    default: 0
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
    """One call of each function that does the work."""
    from runbook.aws.baseline import ensure_account
    from runbook.aws.bucket import ensure_bucket
    from runbook.aws.outcome import Outcome

    wide = arguments.pop("account_wide")
    bucket = ensure_bucket(here, region=here.region, **arguments, dry=here.dry)
    if not wide:
        return bucket
    account = ensure_account(here, **wide, tags=arguments["tags"], dry=here.dry)
    return Outcome({**bucket.before, "account": account.before}, {**bucket.after, "account": account.after})


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
