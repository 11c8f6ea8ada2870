"""Shared by the modules beside it: from Ansible's arguments to one function of harvester.ops.aws and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from botocore.exceptions import BotoCoreError, ClientError

from harvester.errors import HarvesterError
from harvester.ops.aws.outcome import Outcome
from harvester.ops.aws.trouble import explain


def run(argument_spec: dict[str, Any], ensure: Callable[[AnsibleAWSModule, dict[str, Any]], Outcome]) -> None:
    """Call `ensure(module, arguments)` and report it: changed, diff, values; an error in one paragraph."""
    module = AnsibleAWSModule(argument_spec=argument_spec, supports_check_mode=True)
    arguments = {name: module.params[name] for name in argument_spec}
    try:
        outcome = ensure(module, arguments)
    except (BotoCoreError, ClientError) as error:
        module.fail_json(msg=explain(error))
    except HarvesterError as error:
        module.fail_json(msg=str(error))
    # AnsibleAWSModule would turn keys into snake case, also those of policies in the diff
    diff = {"before": dict(outcome.before), "after": dict(outcome.after)} if outcome.changed else {}
    module.exit_json(changed=outcome.changed, diff=diff, **outcome.values)
