"""Which store holds which secret for which host, as the inventory says."""

from collections.abc import Sequence

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
    return "us" in (host.settings.get("market"), host.variables.get("harvester_market"))


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
