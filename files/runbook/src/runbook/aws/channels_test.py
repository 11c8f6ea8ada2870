"""notify-test's part in AWS: the functions send a test message, by topic and channels, and say how each took it."""

import json

from harvester.base.errors import HarvesterError
from runbook.aws.environment import Environment
from runbook.aws.functions import REMINDER, deployed


def send(here: Environment) -> list[str]:
    """A line for each channel; none where the environment has no function that tells people.

    Raises HarvesterError when a channel did not take the message, or the function cannot be asked.
    """
    if REMINDER not in deployed(here.variables):
        return []
    name = here.names.function(REMINDER)
    answer = here.account.client("lambda").invoke(FunctionName=name, Payload=b'{"test": true}')
    said = answer["Payload"].read().decode("utf-8", "replace")
    results = json.loads(said).get("test") if not answer.get("FunctionError") else None
    if results is None:
        raise HarvesterError(
            f"{name} did not send a test message: {said[:200]}. Its log group is "
            f"{here.names.function_log_group(REMINDER)}; site.yml brings a function of an older release up to date."
        )
    lines = [f"functions: {channel}: {problem or 'sent'}" for channel, problem in results]
    if any(problem for _, problem in results):
        listed = "; ".join(lines)
        raise HarvesterError(f"{listed}. Correct the address: ./inv secret-put --name channels stores it again.")
    return lines
