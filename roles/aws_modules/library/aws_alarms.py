#!/usr/bin/python
"""Ansible module: exactly these CloudWatch alarms, and a dashboard."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_alarms
short_description: CloudWatch alarms and a dashboard
description:
  - Makes alarms in one go, removes others whose names begin with the prefix, and writes the dashboard.
options:
  prefix:
    description: What the names of all alarms begin with.
    type: str
    required: true
  alarms:
    description: Alarms by name, as put_metric_alarm takes them.
    type: dict
    required: true
  dashboard:
    description: Name of the dashboard.
    type: str
    required: true
  dashboard_body:
    description: Body of the dashboard.
    type: dict
    required: true
  tags:
    description: Tags of every resource; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Settle the alarms
  aws_alarms:
    prefix: alpha-harvester-production-
    alarms: "{{ __aws_watch_alarms }}"
    dashboard: alpha-harvester-production
    dashboard_body: {widgets: []}
    tags: "{{ __aws_names.tags }}"
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.alarms import ensure_alarms, ensure_dashboard
    from runbook.aws.outcome import Outcome

    keys = ("prefix", "alarms", "tags")
    alarms = ensure_alarms(here, **{key: arguments[key] for key in keys}, dry=here.dry)
    board = ensure_dashboard(here, arguments["dashboard"], arguments["dashboard_body"], dry=here.dry)
    return Outcome({"alarms": alarms.before, **board.before}, {"alarms": alarms.after, **board.after})


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
