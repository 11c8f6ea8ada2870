#!/usr/bin/python
"""Ansible module: the topic of alerts and who is told by e-mail."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_topic
short_description: The topic of alerts and who is told by e-mail
description:
  - Makes the topic and subscribes one address; other e-mail subscriptions go, subscriptions of other kinds stay.
options:
  arn:
    description: ARN of the topic.
    type: str
    required: true
  email:
    description: Address that is told. Empty means nobody by e-mail.
    type: str
    required: true
  tags:
    description: Tags of every resource; tags that a person added are left alone.
    type: dict
    required: true
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Make the topic
  aws_topic:
    arn: arn:aws:sns:ap-south-1:123456789012:alpha-harvester-production-alerts
    email: you@example.com
    tags: "{{ __aws_names.tags }}"
"""

RETURN = r"""
pending:
  description: Whether the address has yet to confirm AWS's mail.
  returned: always
  type: bool
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from runbook.aws.topic import ensure_topic

    return ensure_topic(here, **arguments, dry=here.dry)


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
