"""The parameters that hold secrets: where they are and of what kind, never their values.

They have no tags. Their path names project and environment, and they are made by whoever pushes a token or uses a link,
after which a run that tags would have something to change each time, and those writers a right more.
"""

from collections.abc import Iterable
from typing import Any

from harvester.base.errors import ConfigError
from runbook.aws.outcome import pages


def refuse_plain_text(ssm: Any, prefix: str, secrets: Iterable[str]) -> None:
    """ConfigError for a parameter of `secrets` that was stored as plain text; no value is read or decrypted."""
    found = find_parameters(ssm, prefix)
    plain = sorted(name for name in secrets if found.get(name, "SecureString") != "SecureString")
    if plain:
        raise ConfigError(
            f"{', '.join(plain)} is stored as plain text. Delete it (`aws ssm delete-parameter --name ...`), store it "
            "again with the command that the runbook names, and replace the secret: others may have read it."
        )


def find_parameters(ssm: Any, prefix: str) -> dict[str, str]:
    """Names below the prefix, and their types."""
    filters = [{"Key": "Path", "Option": "Recursive", "Values": [prefix]}]
    listed = pages(ssm, "describe_parameters", "Parameters", ParameterFilters=filters)
    return {parameter["Name"]: parameter["Type"] for parameter in listed}
