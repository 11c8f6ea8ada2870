"""Which store holds which secret for which host, as the inventory says."""

from collections.abc import Mapping, Sequence
from typing import Any

from harvester.base.errors import ConfigError
from harvester.base.validation import Refused, validate
from harvester.config.alerting import AlertSettings
from harvester.config.token import TokenSettings
from harvester.tokens.places import open_place, place, prefix_of
from harvester.tokens.stores import Store
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host


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
    """Where one of aws_names.SECRETS is for this host, or for the functions in AWS; None where that is a file."""
    if secret == "channels" and not (stated := channels_of(host)).startswith("file:"):  # noqa: S105
        return stated
    settings = token_settings(host)
    kind, _, name = settings.place.partition(":")
    if kind == "file":
        return None
    if secret == "access_token":  # noqa: S105  # the name of a secret
        return settings.place
    if not is_us(host):
        return place(kind, prefix_of(name), secret)
    app_secret = settings.renew.app_secret
    kind, _, name = app_secret.partition(":")
    if kind == "file":
        return None
    if secret == "schwab_app_secret":  # noqa: S105
        return app_secret
    return place(kind, prefix_of(name, "schwab_app_secret", "token.renew.app_secret"), secret)


def is_us(host: Host) -> bool:
    """Whether the host is of the market whose broker is Schwab: its token is in the form of that broker's SDK."""
    return is_of_us(host.variables)


def is_of_us(variables: Mapping[str, Any]) -> bool:
    """The same of what the inventory says of a host."""
    settings = variables.get("harvester_settings") or {}
    return "us" in (settings.get("market"), variables.get("harvester_market"))


def login_refusal(name: str, variables: Mapping[str, Any]) -> str:
    """Why a host's role in AWS may not read the login that the host is told to use; empty: it may, or it is in a file.

    `variables`: what the inventory says of the host. In a managed account hosts of the market us may read SSM by
    default.
    """
    source = (variables.get("harvester_settings") or {}).get("token", {}).get("source", "file")
    managed, is_us = bool(variables.get("aws_account_managed")), is_of_us(variables)
    stated = variables.get("aws_identity_schwab")
    allowed = str(("ssm" if managed and is_us else "") if stated is None else stated)
    if source == "file" or allowed == source or not (allowed or (managed and is_us)):
        return ""
    if not is_us:
        return (
            f"{name}: aws_identity_schwab is {allowed}, which gives hosts the login of Schwab in place of Fyers' token,"
            " and its market is nse. Take it out of the inventory, or write harvester_market: us."
        )
    reads = f"{allowed}, so its role reads the login there alone" if allowed else "empty, so its role reads no login"
    return (
        f"{name}: aws_identity_schwab is {reads}, and harvester_settings.token.source is {source}. Give both the same"
        " in the inventory; then ./inv site --inventory inventory/aws."
    )


def channels_of(host: Host) -> str:
    """Where the host itself reads its alert channels."""
    return str((host.settings.get("alerts") or {}).get("channels") or AlertSettings().channels)


def store_of(host: Host, secret: str) -> Store | None:
    """The store in AWS that holds a secret for this host; None where its token is in a file on the host."""
    name = place_of(host, secret)
    return open_place(name, token_settings(host).region) if name else None


def newest_access_token(host: Host) -> str | None:
    """The version of what this host's store in AWS holds; None where its token is in a file."""
    with environment_of(host):
        store = store_of(host, "access_token")
        found = store.look() if store else None
    return found.version if found else None


def by_store(hosts: Sequence[Host]) -> list[list[Host]]:
    """The hosts in groups that share the store of their access token; those with files are one group."""
    groups: dict[tuple[str | None, str | None], list[Host]] = {}
    for host in hosts:
        groups.setdefault((place_of(host, "access_token"), token_settings(host).region), []).append(host)
    return list(groups.values())
