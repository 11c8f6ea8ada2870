#!/usr/bin/python
"""Ansible module: settings of functions that the lambda module does not know."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_functions
short_description: Logs, concurrency, failure destination and URL of functions
description:
  - The log group with its retention, reserved concurrency, and where the events of failed calls go.
  - A public URL with the two permissions that it needs.
options:
  functions:
    description: Functions with C(name), C(log_group), C(concurrency), C(on_failure) and C(public_url).
    type: list
    elements: dict
    required: true
  absent:
    description: Names of functions that are removed. Their logs stay.
    type: list
    elements: str
    default: []
  log_days:
    description: Days for which logs are kept.
    type: int
    required: true
  tags:
    description: Tags of the log groups; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Settle the functions
  aws_functions:
    functions:
      - {name: my-function, log_group: /aws/lambda/my-function, on_failure: "{{ __topic_arn }}"}
    log_days: 30
    tags: "{{ __aws_names.tags }}"
"""

RETURN = r"""
urls:
  description: Address of each public function.
  returned: always
  type: dict
left_out:
  description: What this account cannot have, a sentence each.
  returned: always
  type: list
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.functions import ensure_settings

    return ensure_settings(here, **arguments, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
