#!/usr/bin/python
"""Ansible module: a schedule group of EventBridge Scheduler that holds exactly these schedules."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_schedules
short_description: EventBridge schedules in one group
description:
  - Creates, repairs and removes schedules, so that the group holds exactly these.
  - Expressions and the time zone are checked before anything changes.
options:
  group:
    description: Name of the schedule group.
    type: str
    required: true
  schedules:
    description: Schedules with C(name), C(description), C(expression) and C(target).
    type: list
    elements: dict
    required: true
  timezone:
    description: Time zone of all expressions.
    type: str
    required: true
  tags:
    description: Tags of every resource; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Settle the schedules
  aws_schedules:
    group: alpha-harvester-production
    timezone: Asia/Kolkata
    schedules: "{{ __aws_watch_schedules }}"
    tags: "{{ __aws_names.tags }}"
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.schedules import ensure_schedules

    return ensure_schedules(here, **arguments, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
