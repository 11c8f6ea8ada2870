#!/usr/bin/python
"""Ansible module: who and where we are in AWS, and what is there already."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from runbook.aws.ansible_module import run

DOCUMENTATION = r"""
module: aws_look
short_description: One look at the account before anything changes
description:
  - Reads the caller, the subnet, the vendor's image, and what of this environment is there, and builds every name.
  - Changes nothing. Fails when the credentials belong to another account than expected, or a secret is plain text.
options:
  project:
    description: Project, first part of every name.
    type: str
    required: true
  environment:
    description: Environment, second part of every name.
    type: str
    required: true
  bucket:
    description: Name of the bucket where the rule's name is taken.
    type: str
    default: ""
  expected_account:
    description: Account that the credentials must belong to. Empty means any.
    type: str
    default: ""
  instance_type:
    description: Instance type of new hosts; decides on image and zone.
    type: str
    required: true
  subnet:
    description: Subnet of new hosts. Empty means a default subnet.
    type: str
    default: ""
  functions:
    description: Functions of this environment. Empty means all that can work there.
    type: list
    elements: str
    default: []
  broker_account:
    description: Client ID at the broker. Some functions need it.
    type: str
    default: ""
  broker_refresh:
    description: Whether that account has tokens that are refreshed without a login.
    type: bool
    default: false
  market:
    description: The market of the environment, nse or us. Some functions know the broker of one alone.
    type: str
    default: nse
  hosts:
    description: Whether the environment has hosts. Some functions see to them.
    type: bool
    default: true
  feed_symbols:
    description: Tickers of the price feed that functions bring. Empty means that they bring none.
    type: list
    elements: str
    default: []
  feed_prefix:
    description: Prefix of the bucket below which they bring it.
    type: str
    default: ""
  host_feeds:
    description: Prefixes below which hosts deliver price feeds.
    type: list
    elements: str
    default: []
  worker_door:
    description: Whether there is a door for error reports of workers elsewhere.
    type: bool
    default: false
author: Alpha Harvester
"""

EXAMPLES = r"""
- name: Look at the account
  aws_look:
    project: alpha-harvester
    environment: production
    instance_type: t3.micro
  register: __look
"""

RETURN = r"""
look:
  description: Account, names, image, subnet, functions; instances, disks, addresses, key, policies, subscriptions.
  returned: always
  type: dict
"""


def ensure(here: Any, arguments: dict[str, Any]) -> Any:
    """One call of the function that does the work."""
    from harvester.base.aws_names import Names
    from runbook.aws.account import read_account
    from runbook.aws.functions import chosen
    from runbook.aws.outcome import Outcome
    from runbook.aws.price_feed import feed_of

    names = Names(arguments["environment"], arguments["project"], here.region, arguments["bucket"])
    keys = ("expected_account", "instance_type", "subnet")
    feed = feed_of(arguments["feed_symbols"], arguments["feed_prefix"], arguments["host_feeds"])
    account, refresh = arguments["broker_account"], arguments["broker_refresh"]
    means = {"account": account, "refresh": refresh, "feed": bool(feed), "hosts": arguments["hosts"]}
    means |= {"door": arguments["worker_door"], "market": arguments["market"]}
    functions = chosen(arguments["functions"], **means)
    found = read_account(here, names, functions=functions, **{key: arguments[key] for key in keys})
    return Outcome({}, {}, {"look": found})


if __name__ == "__main__":
    run(AnsibleModule, DOCUMENTATION, ensure)
