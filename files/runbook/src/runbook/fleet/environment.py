"""The environment that leads clients in this process to where the inventory says AWS and the broker are.

Only addresses, file names and a profile's name enter the environment, never a secret of the operator. With an inventory
that names none of them the operator's own configuration counts unchanged.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from runbook.fleet.inventory import Host

# An AWS that is not the real one must never see the operator's real keys, and asks for some.
STAND_IN_KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": ""}


@contextmanager
def variables_set(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of this process, and set them back afterwards."""
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def environment_of(host: Host) -> AbstractContextManager[None]:
    """Within it the environment of this process is what the inventory says of the host."""
    return variables_set(clients_of(host.variables))


def aws_of(variables: Mapping[str, object]) -> dict[str, str]:
    """What leads to the AWS of an inventory: a stand-in's address, else the profile that `invoke configure` wrote."""
    if variables.get("aws_endpoint_url"):
        return {"AWS_ENDPOINT_URL": str(variables["aws_endpoint_url"]), **STAND_IN_KEYS}
    profile = variables.get("aws_account_profile")
    return {"AWS_PROFILE": str(profile)} if profile else {}


def clients_of(variables: Mapping[str, object]) -> dict[str, str]:
    """What leads clients to an inventory's AWS and broker."""
    wanted = aws_of(variables)
    if variables.get("broker_proxy"):
        proxy = str(variables["broker_proxy"])
        wanted |= {"HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "", "no_proxy": ""}
    if variables.get("broker_ca_file"):
        wanted["SSL_CERT_FILE"] = str(variables["broker_ca_file"])
    return wanted
