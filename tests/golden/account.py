"""What the role aws_watch puts into an account: a line for each alarm, schedule and drawing, as Ansible renders it."""

import json
from typing import Any

from tests.aws_days.rendering import HOSTS, NAMES, render

from harvester.base.aws_names import FUNCTIONS
from lab.aws.server import ACCOUNT
from runbook.aws.account import describe


def make() -> dict[str, str]:
    """The artefacts of an account with one host of a burstable type, and with every function."""
    look = {"account": ACCOUNT, "partition": "aws", "names": describe(NAMES, ACCOUNT), "functions": [*FUNCTIONS]}
    found = render(aws_account_look=look, aws_host_names=[*HOSTS][:1])
    rows = {
        "alarms": found["alarms"].items(),
        "schedules": [(each.pop("name"), each) for each in found["schedules"]],
        "dashboard": [(each["properties"]["title"], each) for each in found["dashboard"]["widgets"]],
    }
    return {f"account/{name}.txt": "".join(_line(*row) for row in each) for name, each in rows.items()}


def _line(name: str, said: Any) -> str:
    return f"{name}: {json.dumps(said, sort_keys=True, ensure_ascii=False)}\n"
