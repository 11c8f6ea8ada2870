"""Shared by the modules of the role aws_modules: from Ansible's arguments to one function of this package and back.

It lies here and not in the role, because modules with helpers of their own lose the warm interpreter they run in.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from harvester.errors import HarvesterError
from harvester.ops.aws.outcome import Outcome
from harvester.ops.aws.trouble import explain


def run(
    make: Callable[..., Any], argument_spec: dict[str, Any], ensure: Callable[[Any, dict[str, Any]], Outcome]
) -> None:
    """Call `ensure(module, arguments)` and report it: changed, diff, values; an error in one paragraph.

    `make` is AnsibleAWSModule, which the module itself has to import, for Ansible to pack it.
    """
    module = make(argument_spec=argument_spec, supports_check_mode=True)
    arguments = {name: module.params[name] for name in argument_spec}
    try:
        outcome = ensure(module, arguments)
    except (BotoCoreError, ClientError) as error:
        module.fail_json(msg=explain(error, module.params.get("profile") or ""))
    except HarvesterError as error:
        module.fail_json(msg=str(error))
    # AnsibleAWSModule would turn keys into snake case, also those of policies in the diff
    diff = {"before": dict(outcome.before), "after": dict(outcome.after)} if outcome.changed else {}
    module.exit_json(changed=outcome.changed, diff=diff, **outcome.values)
