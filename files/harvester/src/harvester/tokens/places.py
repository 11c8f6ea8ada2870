"""The places that hold secrets: names by the rule of an environment, and the store that each name stands for."""

from pathlib import Path

from harvester.base.aws_names import SECRETS
from harvester.base.errors import ConfigError
from harvester.tokens.stores import FileStore, Store

IN_SECRETS_MANAGER = {"pin"}
"""What is worth a store of its own: with it and a refresh token anybody may log in."""


def prefix_of(name: str, secret: str = "access_token", key: str = "token.parameter") -> str:  # noqa: S107
    """What the names of an environment begin with, from the name of one of its SECRETS; `key` is the setting that has
    it. Raises ConfigError.
    """
    ending = f"/{SECRETS[secret]}"
    if not name.endswith(ending):
        raise ConfigError(
            f"{key} is {name}, which does not end in {ending}; so where the other secrets lie cannot"
            f" be told. Name it by the rule, such as /alpha-harvester/production{ending}."
        )
    return name.removesuffix(ending)


def place(kind: str, prefix: str, secret: str) -> str:
    """Where one of SECRETS is, such as ssm:/alpha-harvester/lab/fyers/app-secret; `kind` is ssm or secret."""
    return f"{'secret' if secret in IN_SECRETS_MANAGER else kind}:{prefix}/{SECRETS[secret]}"


def storing(name: str, store: Store, user: str) -> str:
    """The command that puts a secret where it is read: `name` is that of secret-put, `user` who reads it."""
    if isinstance(store, FileStore):
        return f"on the host, sudo install -o {user} -g {user} -m 600 FILE {store.place}"
    return f"./inv secret-put --name {name} < FILE"


def open_place(place: str, region: str | None = None) -> Store:
    """A store by its name: `ssm:/name`, `secret:name`, or `file:/path`. Raises ConfigError."""
    kind, _, name = place.partition(":")
    if not name or kind not in ("ssm", "secret", "file") or (kind != "secret" and not name.startswith("/")):
        raise ConfigError(f"{place!r} names no store; write ssm:/name, secret:name or file:/path.")
    if kind == "file":
        return FileStore(Path(name))
    from harvester.tokens.aws_stores import SecretsManagerStore, SsmStore

    return SsmStore(name, region) if kind == "ssm" else SecretsManagerStore(name, region)
