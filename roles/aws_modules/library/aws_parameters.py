#!/usr/bin/python
"""Ansible module: kind of the parameters that hold secrets."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_parameters
short_description: Kind of parameters, never their values
description:
  - Looks at what commands stored below the prefix. Reads, writes and decrypts nothing.
  - Fails when a secret was stored as plain text.
options:
  prefix:
    description: Path of the parameters.
    type: str
    required: true
  known:
    description: Names of the secrets by what they are.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Look at the parameters
  aws_parameters:
    prefix: /alpha-harvester/production
    known: "{{ __aws_names.parameters }}"
"""

RETURN = r"""
present:
  description: Whether each known secret is stored.
  returned: always
  type: dict
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.parameters import judge_parameters

    return judge_parameters(here, **arguments)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
