#!/usr/bin/python
"""Ansible module: a monthly cap on costs."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_budget
short_description: A monthly cost budget with e-mails
description:
  - A budget of AWS Budgets, with an e-mail at each of the percents.
options:
  account:
    description: Account of the budget.
    type: str
    required: true
  name:
    description: Name of the budget.
    type: str
    required: true
  dollars:
    description: US dollars a month; 0 means no budget.
    type: float
    required: true
  percents:
    description: When to write, in percent of the cap.
    type: list
    elements: float
    required: true
  email:
    description: Whom to write to.
    type: str
    required: true
  filters:
    description: Which costs count, as AWS Budgets names them.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Cap the costs
  aws_budget:
    account: "123456789012"
    name: alpha-harvester-production
    dollars: 20
    percents: [50, 80]
    email: you@example.com
    filters: {}
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.budget import ensure_budget

    return ensure_budget(here, **arguments, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
