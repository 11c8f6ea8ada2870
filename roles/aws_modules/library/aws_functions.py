#!/usr/bin/python
"""Ansible module: settings of functions that the lambda module does not know."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from harvester.ops.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_functions
short_description: Concurrency, failure destination and URL of functions
description:
  - Reserved concurrency, where the events of failed calls go, and a public URL with the two permissions that it needs.
options:
  functions:
    description: Functions with C(name), C(concurrency), C(on_failure) and C(public_url).
    type: list
    elements: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Settle the functions
  aws_functions:
    functions:
      - {name: alpha-harvester-production-dead-man, on_failure: "{{ __topic_arn }}"}
"""

RETURN = r"""
urls:
  description: Address of each public function.
  returned: always
  type: dict
"""

ARGUMENTS: dict[str, Any] = {
    "functions": {"type": "list", "elements": "dict", "required": True},
}


def ensure(module: Any, arguments: dict[str, Any]) -> Any:
    """One call, with the client of this module."""
    from harvester.ops.aws.functions import ensure_settings

    return ensure_settings(module, **arguments, dry=module.check_mode)


if __name__ == "__main__":
    run(AnsibleAWSModule, ARGUMENTS, ensure)
