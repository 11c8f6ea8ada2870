"""The parameters that hold secrets: their kind and their tags, never their values."""

from collections.abc import Mapping
from typing import Any

from harvester.errors import ConfigError
from harvester.ops.aws.outcome import Clients, Outcome, as_tag_dict, as_tag_list, pages, with_tags


def ensure_parameters(
    clients: Clients, prefix: str, known: Mapping[str, str], tags: Mapping[str, str], *, dry: bool = False
) -> Outcome:
    """Tag the parameters below the prefix that commands have stored. No value is read, written or decrypted.

    ConfigError for a secret that somebody stored as plain text. `values`: which are there, and names not known here.
    """
    ssm = clients.client("ssm")
    found = find_parameters(ssm, prefix)
    plain = sorted(name for name in known.values() if found.get(name, "SecureString") != "SecureString")
    if plain:
        raise ConfigError(
            f"{', '.join(plain)} is stored as plain text. Delete it (`aws ssm delete-parameter --name ...`), store it "
            "again with the command that the runbook names, and replace the secret: others may have read it."
        )
    before = {
        name: as_tag_dict(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"])
        for name in found
    }
    after = {name: with_tags(tags, own) for name, own in before.items()}
    for name in after:
        if not dry and before[name] != after[name]:
            ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=as_tag_list(after[name]))
    present = {what: name in found for what, name in known.items()}
    return Outcome(before, after, {"present": present, "strangers": sorted(set(found) - set(known.values()))})


def find_parameters(ssm: Any, prefix: str) -> dict[str, str]:
    """Names below the prefix, and their types."""
    filters = [{"Key": "Path", "Option": "Recursive", "Values": [prefix]}]
    listed = pages(ssm, "describe_parameters", "Parameters", ParameterFilters=filters)
    return {parameter["Name"]: parameter["Type"] for parameter in listed}
