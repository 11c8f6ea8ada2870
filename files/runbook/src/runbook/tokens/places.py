"""Which store holds which secret for which host, as the inventory says."""

from collections.abc import Sequence
from typing import NamedTuple

from harvester.base.errors import ConfigError
from harvester.base.validation import Refused, validate
from harvester.config.settings import TokenSettings
from harvester.tokens.places import place, prefix_of
from runbook.fleet.inventory import Host


class Place(NamedTuple):
    """A store in AWS by its name, such as ssm:/alpha-harvester/lab/fyers/access-token; None: a file on the host."""

    name: str | None
    region: str | None


def token_settings(host: Host) -> TokenSettings:
    """The token settings that the inventory gives a host, with the defaults filled in; ConfigError when refused."""
    try:
        return validate(TokenSettings, host.settings.get("token") or {})
    except Refused as refused:
        raise ConfigError(
            f"The inventory's harvester_settings.token of {host.name} is refused:\n{refused}\n"
            "Correct it in the inventory's group_vars."
        ) from None


def place_of(host: Host, secret: str) -> str | None:
    """Where one of aws_names.SECRETS is for this host; None where its token is in a file on the host."""
    settings = token_settings(host)
    kind, _, name = settings.place.partition(":")
    if kind == "file":
        return None
    if secret == "access_token":  # noqa: S105  # the name of a secret
        return settings.place
    return place(kind, prefix_of(name), secret)


def by_place(hosts: Sequence[Host]) -> dict[Place, list[Host]]:
    """The hosts by the store of their access token."""
    groups: dict[Place, list[Host]] = {}
    for host in hosts:
        where = Place(place_of(host, "access_token"), token_settings(host).region)
        groups.setdefault(where, []).append(host)
    return groups
