#!/usr/bin/python
"""Ansible module: exactly these CloudWatch alarms and schedules, a dashboard, and a monthly cap on costs."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_watch
short_description: CloudWatch alarms, log groups, a dashboard, a budget and EventBridge schedules
description:
  - Makes alarms, removes others whose names begin with the prefix, and writes the dashboard.
  - Makes a monthly cost budget with an e-mail at each of its percents.
  - Makes a schedule group hold exactly these schedules. Expressions and time zone are checked before that.
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
  log_groups:
    description: Days for which each of these log groups keeps its logs; of 0 days it is not made.
    type: dict
    required: true
  budget:
    description: Cost budget of so many US dollars a month, with a mail to the address at each percent; 0 means none.
    type: dict
    required: true
    options:
      account: {type: str, required: true}
      name: {type: str, required: true}
      dollars: {type: float, required: true}
      percents: {type: list, elements: float, required: true}
      email: {type: str, required: true}
      filters: {type: dict, required: true}
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
    description: Tags of alarms and schedules; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Settle what watches
  aws_watch:
    prefix: alpha-harvester-production-
    alarms: "{{ __aws_watch_alarms }}"
    dashboard: alpha-harvester-production
    dashboard_body: {widgets: []}
    log_groups: {/alpha-harvester/production/hosts: 30}
    budget:
      account: "123456789012"
      name: alpha-harvester-production
      dollars: 20
      percents: [50, 80]
      email: you@example.com
      filters: {}
    group: alpha-harvester-production
    schedules: "{{ __aws_watch_schedules }}"
    timezone: Europe/London
    tags: "{{ __aws_names.tags }}"
"""

RETURN = r"""
left_out:
  description: What this account cannot have, a sentence each.
  returned: always
  type: list
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of each function that does the work."""
    from runbook.aws.alarms import ensure_alarms, ensure_dashboard
    from runbook.aws.budget import ensure_budget
    from runbook.aws.log_groups import ensure_log_groups
    from runbook.aws.outcome import Outcome
    from runbook.aws.schedules import ensure_schedules

    alarms = ensure_alarms(here, **{key: arguments[key] for key in ("prefix", "alarms", "tags")}, dry=here.dry)
    board = ensure_dashboard(here, arguments["dashboard"], arguments["dashboard_body"], dry=here.dry)
    logs = ensure_log_groups(here, arguments["log_groups"], arguments["tags"], dry=here.dry)
    budget = ensure_budget(here, **arguments["budget"], dry=here.dry)
    keys = ("group", "schedules", "timezone", "tags")
    schedules = ensure_schedules(here, **{key: arguments[key] for key in keys}, dry=here.dry)
    parts = {"alarms": alarms, "dashboard": board, "log groups": logs, "budget": budget, "schedules": schedules}
    before, after = ({name: getattr(part, when) for name, part in parts.items()} for when in ("before", "after"))
    return Outcome(before, after, {"left_out": list(budget.values.get("left_out", ()))})


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
