"""Shared by the modules of the role aws_modules: from Ansible's arguments to one function of this package and back.

Plain AnsibleModule instead of the collection's AnsibleAWSModule: a module with helpers of its own or of a collection is
run by mitogen in a new process, and importing boto3 there took most of each task's time.
"""

from collections.abc import Callable
from typing import Any

import yaml  # type: ignore[import-untyped]

from harvester.base.errors import HarvesterError
from runbook.aws.outcome import Outcome
from runbook.aws.session import Account
from runbook.fleet.trouble import explain, failures


class Here(Account):
    """The account that a module acts on, and whether this is a check (`dry`)."""

    def __init__(self, *, dry: bool) -> None:
        super().__init__()
        self.dry = dry


def argument_spec(documentation: str) -> dict[str, dict[str, Any]]:
    """The options of a module's DOCUMENTATION as AnsibleModule takes them."""
    options: dict[str, dict[str, Any]] = yaml.safe_load(documentation)["options"]
    return {name: {key: option[key] for key in option if key != "description"} for name, option in options.items()}


Ensure = Callable[[Here, dict[str, Any]], Outcome]


def run(make: Callable[..., Any], documentation: str, ensure: Ensure) -> None:
    """Call `ensure(here, arguments)` and report it: changed, diff, values; an error in one paragraph.

    `make` is AnsibleModule, which the module itself has to import: by that Ansible knows what kind of module it is.
    `documentation` is the module's DOCUMENTATION, whose options are what it takes: they are stated there alone.
    """
    module = make(argument_spec=argument_spec(documentation), supports_check_mode=True)
    here = Here(dry=module.check_mode)
    try:
        outcome = ensure(here, dict(module.params))
    except failures() as error:
        module.fail_json(msg=explain(error, here.profile))
    except HarvesterError as error:
        module.fail_json(msg=str(error))
    diff = {"before": dict(outcome.before), "after": dict(outcome.after)} if outcome.changed else {}
    module.exit_json(changed=outcome.changed, diff=diff, **outcome.values)
